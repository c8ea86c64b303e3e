"""Guards of the kernels: their cache, and the choice between the two sets.

The fields are those of `guards.Guard`: file, text, what takes its place, tests of which one fails.
"""

CACHE = "npgan/kernels/compiled/cache.py"
KERNELS = "npgan/kernels/__init__.py"

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
]  # fmt: skip
"""Every guard removed in turn makes a test fail."""
