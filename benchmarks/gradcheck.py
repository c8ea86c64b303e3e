"""Gradient checkers side by side: bugs caught, false alarms, cost.

    python benchmarks/gradcheck.py run e1 e2 e3 e4 e5 e6 e7     # each writes its results to --out
    python benchmarks/gradcheck.py run more                     # the second set, npgan.testing alone
    python benchmarks/gradcheck.py table                        # the results, as tables into docs/gradcheck.md

Needs the bench extra (torch 2.13, jax, autograd, scipy). An experiment takes a minute or two on one core.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import gradcheck_more_run
import gradcheck_mutants
import numpy as np
from gradcheck_cases import REGIMES, cases, locked, mnist_layer, planted, scaled
from gradcheck_more_table import second_set
from gradcheck_peers import checkers
from gradcheck_real import BUGS as REAL
from gradcheck_table import grid, in_lines, table

from npgan import Discriminator
from npgan.testing import FAIL, PASS, check_gradients, check_layer

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "gradcheck.md"
BEGIN, END = "<!-- measured: begin", "<!-- measured: end -->"
BEGIN_MORE, END_MORE = "<!-- second set: begin", "<!-- second set: end -->"
SCALES = (1.0, 1e-6, 1e6)
DTYPES = {"float64": 1e-6, "float32": 1e-2}  # the relative size from which every bug must be caught


def at_scale(case: Any, dtype: str, scale: float) -> Any:
    case = scaled(case, scale) if scale != 1 else case
    return locked(case) if dtype == "float32" else case


def dout_for(case: Any, seed: int = 0) -> Any:
    out = np.asarray(case.forward(*case.args))
    return np.random.default_rng([seed, 5]).standard_normal(out.shape).astype(out.dtype)[()]


def rejects(check: Any, case: Any, backward: Any) -> bool:
    try:
        return bool(check(case, backward, dout_for(case)))
    except Exception:  # a peer that raises on a wrong gradient has noticed it
        return True


def e1(dtype: str, scale: float, large: bool = False) -> dict[str, Any]:
    """Of the bugs above the size for this dtype, how many each checker reports."""
    bugs = []
    for case in [mnist_layer(0, dtype)] if large else cases(0, dtype):
        bugs += [
            p
            for p in planted(at_scale(case, dtype, scale), arguments=large)
            if p.size >= DTYPES[dtype]
        ]
    if large:  # torch's slow mode and scipy go entry by entry: hours
        slow = (
            "torch gradcheck",
            "torch, scaled tolerances",
            "scipy check_grad",
            "scipy, scaled tolerance",
        )
        chosen = {name: check for name, check in checkers().items() if name not in slow}
    else:
        chosen = checkers()
    found = {"bugs": len(bugs), "kinds": len({p.bug.name for p in bugs})}
    found["caught"] = {
        name: sum(rejects(check, p.case, p.backward) for p in bugs)
        for name, check in chosen.items()
    }
    if large:  # what it is worth: the right gradient of 20 such layers
        right = [at_scale(mnist_layer(seed, dtype), dtype, scale) for seed in range(20)]
        found["alarms"] = {
            name: sum(rejects(check, c, c.backward) for c in right)
            for name, check in chosen.items()
        }
    return found


def e1_one_entry(dtype: str) -> dict[str, Any]:
    """One wrong entry of 100,352, twenty times: found, and its index named."""
    found = named = 0
    for seed in range(20):
        case = at_scale(mnist_layer(seed, dtype), dtype, 1.0)
        index = tuple(int(n) for n in np.random.default_rng([seed, 8]).integers((784, 128)))

        def backward(g: Any, *args: Any, case: Any = case, index: Any = index) -> Any:
            dx, dw, db = (np.array(d) for d in case.backward(g, *args))
            dw[index] += np.abs(dw).max() * dw.dtype.type(0.5)
            return dx, dw, db

        report = check_gradients(
            case.forward, backward, case.args, argnames=("x", "W", "b"), style="dout", seed=seed
        )
        found += report["W"].verdict == FAIL
        named += report["W"].index == index and report["x"].verdict == PASS
    return {"found": found, "named": named, "of": 20}


def e2(regime: str, ours_seeds: int = 15, peer_seeds: int = 4) -> dict[str, Any]:
    """False alarms: right gradients that are rejected."""
    verdicts, alarms, n = Counter(), Counter(), 0
    with np.errstate(all="ignore"):
        for seed in range(ours_seeds):
            for case in REGIMES[regime](seed):
                verdicts[
                    check_gradients(
                        case.forward, case.backward, case.args, style="dout", seed=seed
                    ).verdict
                ] += 1
        for seed in range(peer_seeds):
            for case in REGIMES[regime](seed):
                n += 1
                for name, check in list(checkers().items())[1:]:
                    alarms[name] += rejects(check, case, case.backward)
    return {
        "ours": dict(verdicts),
        "checks": ours_seeds * 15,
        "peers": dict(alarms),
        "peer_checks": n,
    }


def e3() -> dict[str, Any]:
    """A backward pass that returns zeros, and the reported power against the measured one."""
    passes, tried, ratios = 0, 0, []
    for dtype in DTYPES:
        for scale in (1e-12, *SCALES):
            for case in [*cases(1, dtype), mnist_layer(1, dtype)]:
                case = at_scale(case, dtype, scale)
                tried += 1
                zeros = lambda g, *args: tuple(np.zeros_like(a) for a in args)
                passes += (
                    check_gradients(case.forward, zeros, case.args, style="dout").verdict == PASS
                )
        for case in [*cases(2, dtype), mnist_layer(2, dtype)]:
            case = at_scale(case, dtype, 1.0)
            report = check_gradients(
                case.forward, case.backward, case.args, style="dout", dout=dout_for(case)
            )
            for k, row in enumerate(report.arguments):
                if row.verdict == PASS:
                    ratios.append([row.power / smallest_caught(case, k, row), row.mode, dtype])
    return {"zero_passes": passes, "zero_tried": tried, "ratios": ratios}


def smallest_caught(case: Any, k: int, row: Any) -> float:
    """The smallest error of one entry that is caught, in units of the largest entry, by bisection."""
    dout = dout_for(case)
    g = np.abs(case.backward(dout, *case.args)[k])
    index = (
        row.weakest if row.weakest is not None else tuple(np.unravel_index(g.size // 3, g.shape))
    )

    def caught(size: float) -> bool:
        def backward(d: Any, *args: Any) -> Any:
            gradients = [np.array(a, np.float64) for a in case.backward(d, *args)]
            gradients[k][index] += (
                size * row.size * np.ravel(d)[0] / np.ravel(dout)[0]
            )  # linear in dout
            return tuple(gradients)

        return (
            check_gradients(case.forward, backward, case.args, style="dout", dout=dout).verdict
            == FAIL
        )

    low, high = row.power / 1e3, row.power * 1e3
    for _ in range(9):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if caught(middle) else (middle, high)
    return high


def e4() -> dict[str, Any]:
    """Whether argument, index and first hint are right, for bugs that have one explanation."""
    count, misses = Counter(), []
    for dtype in DTYPES:
        for case in cases(3, dtype):
            for p in planted(at_scale(case, dtype, 1.0), seed=3):
                if not p.bug.gross or p.size < 10 * DTYPES[dtype]:
                    continue
                report = check_gradients(p.case.forward, p.backward, p.case.args, style="dout")
                rows = [r for r in report.arguments if r.verdict == FAIL]
                hint = " ".join([*report.faults, *(r.hint for r in rows[:1])])
                count["bugs"] += 1
                right = any(words.strip() in hint for words in p.bug.hint.split("|"))
                count["hint"] += right
                if not right:
                    misses.append(f"{dtype} {case.name}: {p.bug.name} -> {hint}")
                if p.argument is not None and p.bug.name != "two gradients swapped":
                    count["arguments"] += 1
                    count["argument right"] += [report.arguments.index(r) for r in rows] == [
                        p.argument
                    ]
                if p.index is not None:
                    count["indices"] += 1
                    count["index right"] += bool(rows) and rows[0].index == p.index
    return {**count, "misses": misses}


def e5() -> dict[str, Any]:
    """Cost, the best of several runs on one core."""

    def best(run: Any, n: int) -> float:
        times = []
        for _ in range(n):
            start = time.perf_counter()
            assert run().verdict == PASS
            times.append(time.perf_counter() - start)
        return min(times)

    case = mnist_layer()
    D, x = (
        Discriminator(rng=0),
        np.random.default_rng(0).standard_normal((64, 784)).astype(np.float32),
    )
    forward = time.perf_counter()
    for _ in range(20):
        case.forward(*case.args)
    forward = (time.perf_counter() - forward) / 20
    return {
        "layer": best(lambda: check_gradients(case.forward, case.backward, case.args), 15),
        "forward": forward,
        "discriminator": best(lambda: check_layer(D, x), 4),
    }


def e6() -> list[dict[str, Any]]:
    """Bugs from public threads."""
    found = []
    with np.errstate(all="ignore"):
        for bug in REAL:
            report = check_gradients(bug.func, bug.grad, bug.args, style=bug.style)
            found.append(
                {
                    "url": bug.url,
                    "what": bug.what,
                    "verdict": report.verdict,
                    "hint": report.summary(),
                }
            )
    return found


PIECES: dict[str, Any] = {
    **{f"e1-{d}-{s:g}": lambda d=d, s=s: e1(d, s) for d in DTYPES for s in SCALES},
    **{f"e1-large-{d}-{s:g}": lambda d=d, s=s: e1(d, s, large=True) for d in DTYPES for s in SCALES},
    **{f"e1-entry-{d}": lambda d=d: e1_one_entry(d) for d in DTYPES},
    **{f"e2-{r.replace(' ', '-')}": lambda r=r: e2(r) for r in REGIMES},
    "e3": e3, "e4": e4, "e5": e5, "e6": e6, "e7": gradcheck_mutants.run, **gradcheck_more_run.PIECES,
}  # fmt: skip


def write(pieces: dict[str, Any]) -> None:
    """Write the sections of which something was measured into the page."""
    text = PAGE.read_text(encoding="utf-8")
    second = second_set(pieces, grid)
    sections = ((BEGIN, END, table(pieces)), (BEGIN_MORE, END_MORE, second and in_lines([second])))
    for begin, end, section in sections:
        if section:  # else what stands there stays
            head, rest = text.split(begin)
            note, tail = rest.split("\n", 1)[0], rest.split(end)[1]
            text = f"{head}{begin}{note}\n{section}{end}{tail}"
    PAGE.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("run", "table", "list"))
    parser.add_argument("pieces", nargs="*", help="names or their beginnings; all without any")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gradcheck")
    args = parser.parse_args()
    exact = [name for name in args.pieces if name in PIECES]
    begun = tuple(name for name in args.pieces if name not in PIECES)
    chosen = [
        name
        for name in PIECES
        if not args.pieces or name in exact or (begun and name.startswith(begun))
    ]
    if args.command == "list":
        print("\n".join(chosen))
    elif args.command == "run":
        args.out.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = PIECES[name]()
            (args.out / f"{name}.json").write_text(
                json.dumps(found, indent=1, default=float) + "\n"
            )
            print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    else:
        write(
            {
                name: json.loads(path.read_text())
                for name in PIECES
                if (path := args.out / f"{name}.json").exists()
            }
        )


if __name__ == "__main__":
    main()
