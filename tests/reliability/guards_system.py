"""Guards of kernels, optimisers, signals, notebooks, progress and the streams of the commands.

The fields are those of `guards.Guard`: file, text, what takes its place, tests of which one fails.
"""

CACHE = "npgan/kernels/compiled/cache.py"
KERNELS = "npgan/kernels/__init__.py"
REFERENCE = "npgan/kernels/reference.py"
LOOPS = "npgan/kernels/compiled/loops.py"
SIGNALS = "npgan/training/signals.py"
NOTEBOOK = "npgan/training/notebook.py"
PROGRESS = "npgan/training/progress.py"
MESSAGES = "npgan/files/messages.py"
OUTPUT = "npgan/cli/output.py"
RUN = "npgan/cli/run.py"

UPDATES = "tests/reliability/test_not_finite_updates.py"
NOT_FINITE = "tests/reliability/test_not_finite.py"
TERMINALS = "tests/reliability/test_terminals.py"
ALL = "-o addopts="  # the slow faults, too

GUARDS = [
    # the cache of kernels
    (CACHE, "if content[:size] != sha256(content[size:]):", "if False:",
          "tests/test_fallback.py -k every_wrong_bit"),
    (CACHE, "if content[size : 2 * size] != self.identity(key):", "if False:",
          "tests/test_fallback.py -k of_other_sources_is_stale"),
    (CACHE, "if not path.is_file():", "if False:",
          "tests/test_fallback.py -k stands_in_the_place"),
    (CACHE, "if path.is_dir() and not path.is_symlink():", "if False:",
          "tests/test_fallback.py -k stands_in_the_place"),
    (CACHE, "if path.is_dir() and not path.is_symlink():", "if path.is_dir():",
          "tests/test_fallback.py -k stands_in_the_place"),
    (CACHE, "except OSError as error:\n            reason", "except KeyError as error:\n            reason",
          "tests/test_fallback.py -k cannot_be_read_or_loaded"),
    (CACHE, "except Exception as error:  # pickle may", "except KeyError as error:  # pickle may",
          "tests/test_fallback.py -k cannot_be_read_or_loaded"),
    (CACHE, "            unfinished.unlink(missing_ok=True)", "            pass",
          "tests/test_fallback.py -k cannot_be_written_leaves_nothing"),
    (CACHE, "if time.time() - file.stat().st_mtime > LITTER_AGE:", "if True:",
          "tests/test_fallback.py -k litter"),
    (CACHE, "            if time.time() - file.stat().st_mtime > LITTER_AGE:\n                file.unlink()",
          "            pass", "tests/test_fallback.py -k litter"),
    (CACHE, "    if warned:\n        return\n", "", "tests/test_fallback.py -k said_once"),
    # the choice of kernels
    (KERNELS, "except Exception as error:  # a broken Numba", "except ImportError as error:  # a broken Numba",
          "tests/test_fallback.py -k without_a_working_numba"),
    (KERNELS, "if numba.config.DISABLE_JIT:", "if False:",
          "tests/test_fallback.py -k without_a_working_numba"),
    (KERNELS, "if active is None:  # no other thread", "if True:  # no other thread",
          "tests/test_fallback.py -k threads_that_meet"),
    (KERNELS, "isinstance(n, bool) or ", "",
          "tests/test_compiled.py -k wrong_numbers_of_threads"),
    # numbers that are not finite, in both sets of kernels
    (REFERENCE, 'silent = np.errstate(all="ignore")', "silent = np.errstate()",
          "tests/test_kernels.py -k whatever_seterr_says"),
    (REFERENCE, "    theta -= lr * velocity\n    return bool(np.isfinite(theta).all())",
          "    theta -= lr * velocity\n    return bool(np.isfinite(grad).all())", f"{UPDATES} {ALL} -k reference"),
    (REFERENCE, " and np.isfinite(theta).all())", ")", f"{UPDATES} {ALL} -k reference"),
    (REFERENCE, "np.isfinite(square).all() and ", "", f"{UPDATES} {ALL} -k reference"),
    (REFERENCE, "return bool(np.isfinite(average).all())", "return True", f"{NOT_FINITE} {ALL} -k reference"),
    (LOOPS, "finite &= abs(theta[i]) < np.inf", "finite &= abs(grad[i]) < np.inf",
          f"{UPDATES} {ALL} -k compiled"),
    (LOOPS, "finite &= square + abs(theta[i]) < np.inf", "finite &= v[i] < np.inf",
          f"{UPDATES} {ALL} -k compiled"),
    (LOOPS, "finite &= abs(average[i]) < np.inf", "finite &= True", f"{NOT_FINITE} {ALL} -k compiled"),
    ("npgan/optim.py", "if not is_finite:", "if False:", f"{UPDATES} -k reference"),
    ("npgan/gan.py", '        check_finite(penalty=values["penalty"])\n', "", f"{UPDATES} {ALL} -k reference"),
    ("npgan/gan.py",
          '    check_finite({"real images": real, "fake images": fake}, logits_of_D=logits, loss_D=value)\n',
          "", f"{UPDATES} {ALL} -k reference"),
    ("npgan/gan.py", '{"real images": real, "fake images": fake}, ', "", f"{UPDATES} {ALL} -k reference"),
    ("npgan/gan.py", "    check_finite(logits_of_D=logits_fake, loss_G=value)\n", "",
          f"{UPDATES} {ALL} -k reference"),
    ("npgan/training/step.py", "    if not kernels.ema_update(gan.average_.theta",
          "    if None is kernels.ema_update(gan.average_.theta",
          f"{NOT_FINITE} {ALL} -k reference"),
    ("npgan/training/saving.py",
          '    check_finite(**{words: arrays[part] for part, words in PARTS.items()})\n', "",
          f"{NOT_FINITE} {ALL} -k reference"),
    ("npgan/training/saving.py", "np.array(row) for n, row", "np.array(row[-1:]) for n, row",
          f"{NOT_FINITE} {ALL} -k reference"),
    ("npgan/training/saving.py", 'if x.dtype.kind == "f"})', "if False})", f"{NOT_FINITE} {ALL} -k reference"),
    # signals
    (SIGNALS, "if in_main_thread() and signal.getsignal(number) is signal.SIG_DFL", "if in_main_thread()",
          "tests/test_cli.py -k process_ignores_stays_ignored"),
    (SIGNALS, "        if pressed.is_set():\n            raise KeyboardInterrupt\n", "",
          "tests/test_cli.py -k second_ctrl_c"),
    (SIGNALS, "            handler.number = number\n", "            pass\n",
          "tests/test_cli.py -k ends_a_command"),
    (SIGNALS, "not in (signal.SIG_IGN, None):", "is not None:",
          f"tests/reliability/test_signals.py {ALL} -k signal_that_is_ignored"),
    ("npgan/training/loop.py", "                    if interrupted():\n                        raise Interrupted\n", "",
          "tests/test_cli.py -k ctrl_c_saves_and_resume"),
    ("npgan/training/fitting.py", "            processes.lead(lambda: save_interrupted(", "            (lambda _: None)(lambda: save_interrupted(",
          "tests/test_cli.py -k ctrl_c_saves_and_resume"),
    ("npgan/cli/main.py", "    except KeyboardInterrupt:\n        return 130", "    except KeyError:\n        return 130",
          "tests/test_cli.py -k ctrl_c_during_the_imports"),
    ("npgan/cli/main.py", "with interruptible() as interrupted:", "interrupted = bool\n        if True:",
          "tests/test_cli.py -k ctrl_c_in_a_callback"),
    ("npgan/cli/main.py", "130 if interrupted() else ", "", "tests/test_cli.py -k ctrl_c_in_a_callback"),
    # streams
    (RUN, "            code = 128 + ending.number", "            code = 130", "tests/test_cli.py -k ends_a_command"),
    (RUN, "    except BrokenPipeError:\n        return 1\n", "", "tests/test_cli.py -k reader_that_has_gone"),
    (RUN, "    open_closed_streams()\n    try", "    try",
          "tests/reliability/test_streams.py -k number_of_a_closed_stream"),
    (RUN, "        discard_unwritten()\n", "        pass\n",
          "tests/test_progress.py -k without_stderr"),
    (OUTPUT, "        discard(sys.stdout)\n", "", "tests/test_cli.py -k cannot_be_printed"),
    (OUTPUT, "    if sys.stdout is None:\n        return\n", "",
          f"tests/reliability/test_streams.py {ALL} -k closed"),
    (OUTPUT, "        sys.stdout.flush()\n", "", "tests/test_cli.py -k cannot_be_printed"),
    (MESSAGES, "    except Exception:  # no stderr", "    except KeyError:  # no stderr",
          "tests/test_progress.py -k no_stderr_ends"),
    (MESSAGES, "    except UnicodeEncodeError:", "    except KeyError:",
          "tests/test_progress.py -k cannot_encode"),
    (MESSAGES, "    except Exception:  # whatever an object", "    except KeyError:  # whatever an object",
          "tests/test_progress.py -k no_stderr_ends"),
    # progress and notebooks
    (PROGRESS, "        except Exception:  # whatever stderr", "        except KeyError:  # whatever stderr",
          "tests/test_progress.py -k no_stderr_ends"),
    (PROGRESS, "            self.stop()\n\n    def stop", "            pass\n\n    def stop",
          "tests/test_progress.py -k nothing_more_is_written"),
    (PROGRESS, "leave=False, dynamic_ncols=True", "leave=False, ncols=100",
          f"{TERMINALS} {ALL} -k bar_fits"),
    (PROGRESS, "leave=False, ", "", f"{TERMINALS} {ALL} -k kinds_of"),
    (PROGRESS, "partial(self.bar.write, printable(line)", "partial(self.bar.write, line",
          "tests/test_progress.py -k above_the_bar"),
    (NOTEBOOK, "with suppress(Exception):", "with suppress(KeyError):",
          "tests/test_notebook.py -k failure_to_show"),
    (NOTEBOOK, "not in_notebook() or ", "", "tests/test_notebook.py -k notebook_only"),
    (NOTEBOOK, "        if began < due and state.epoch < state.epochs:\n            return\n", "",
          "tests/test_notebook.py -k at_times"),
    (NOTEBOOK, " and state.epoch < state.epochs", "", "tests/test_notebook.py -k at_times"),
    # the processes of a benchmark, pictures, and a zip file
    ("npgan/bench/child.py", "        weakref.finalize(self, kill, self.process)\n", "",
     "tests/reliability/test_signals.py -o addopts= -k bench"),
    ("npgan/plot/figures.py", "if not ours or figure.stale or not hasattr(canvas, \"renderer\"):", "if True:",
     "tests/test_plot.py -k drawn_again"),
    ("npgan/metrics/judge.py", "    if path.parent.is_dir():", "    if True:",
          "tests/test_metrics.py -k zip"),
]  # fmt: skip
"""Every guard removed in turn makes a test fail."""
