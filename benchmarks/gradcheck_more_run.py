"""Second set: the experiments. Each returns what was measured, for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from gradcheck_more_hints import score
from gradcheck_more_kinds import Edit, Kind, dout_for, gradients, is_float, planted
from gradcheck_more_oracles import KINDS
from gradcheck_more_regimes import OF_ZERO, REGIMES, Trial, locked, scaled, trials, zero_trials

from npgan.testing import FAIL, INCONCLUSIVE, PASS, check_gradients, numerical_gradient

EPS = {"float64": 2.2e-16, "float32": 1.2e-7}
SMALLEST = {"float64": 1e-6, "float32": 1e-2}  # the relative size from which a bug must be caught
GROSS = 1e-2
Summary = dict[str, Any]


def bugs(dtype: str, scale: float = 1.0, every: int = 1) -> Summary:
    """Every bug of every kind: caught, inconclusive, missed; and what the hints said."""
    count, hints = Counter(), Counter()
    missed, silent, false, unnamed = [], [], [], []
    for kind, bug in [(k, e) for k in KINDS for e in k.edits][::every]:
        size, effect = sizes(kind, bug, dtype, scale)
        if not size >= SMALLEST[dtype]:
            count["below the size"] += 1
            continue
        changed = in_regime(kind._replace(grad=planted(kind.grad, bug)), dtype, scale)
        count["bugs"] += 1
        report = checked(changed, kind.args(0, dtype), 0)
        if isinstance(report, Exception):
            count["raised"] += 1
            missed.append(f"{kind.name}: {bug.old!r} -> {bug.new!r}: raises {report!r}")
            continue
        count[report.verdict] += 1
        label = f"{kind.name}: {bug.old!r} -> {bug.new!r} (size {size:.1e}, visible {effect:.1e})"
        if report.verdict == PASS:
            missed.append(label)
        elif report.verdict == INCONCLUSIVE:
            silent.append(f"{label}: {report.summary()}")
        elif size >= GROSS:
            verdict, hint = score(kind, bug, report)
            hints[verdict] += 1
            if verdict != "named":
                causes = " ".join(bug.causes)
                (false if verdict == "false" else unnamed).append(f"{label}: {causes}: {hint}")
    return {
        "kinds": len(KINDS), "count": count, "hints": hints, "missed": missed, "silent": silent, "false": false, "unnamed": unnamed,
    }  # fmt: skip


def checked(kind: Kind, args: tuple[Any, ...], seed: int) -> Any:
    """The report, or the exception that the check let through."""
    try:
        return check_gradients(kind.func, kind.grad, args, style=kind.style, seed=seed)
    except Exception as error:
        return error


def in_regime(kind: Kind, dtype: str, scale: float) -> Kind:
    """The kind with its loss scaled, or computed in float32."""
    kind = scaled(kind, scale) if scale != 1 else kind
    return locked(kind) if dtype == "float32" else kind


def sizes(kind: Kind, bug: Edit, dtype: str, scale: float) -> tuple[float, float]:
    """A bug's error in units of the largest entry, and its effect in units of the output's rounding."""
    args = kind.args(0)
    dout = dout_for(kind, args)
    right = gradients(kind, kind.grad, dout, args)
    wrong = gradients(kind, planted(kind.grad, bug), dout, args)
    rounding = EPS[dtype] * float(np.max(np.abs(dout * np.asarray(kind.func(*args)))))
    size = effect = 0.0
    floats = [a for a in args if is_float(a)]
    for x, r, w in zip(floats, right, wrong, strict=True):
        if np.shape(r) != np.shape(w):
            return np.inf, np.inf
        gap = np.abs(np.asarray(r, float) - w)
        size = max(size, float(np.max(gap) / max(np.max(np.abs(r)), 1e-300)))
        effect = max(effect, float(np.max(gap * np.maximum(np.abs(x), 0.1))) / rounding)
    return size, effect


def all_trials(regime: str, seed: int, every: int = 1) -> list[Trial]:
    """The trials of a regime, those of arguments without effect at the end; or some of both."""
    without_effect = list(zero_trials(regime, seed)) if regime in OF_ZERO else []
    return [*list(trials(regime, seed))[::every], *without_effect[::every]]


def right(regime: str, seed: int = 0, every: int = 1) -> Summary:
    """Right gradients in a regime: false alarms, and each INCONCLUSIVE with its reason."""
    count: Counter[str] = Counter()
    alarms, silent, unused = [], [], []
    made = all_trials(regime, seed, every)
    for trial in made:
        kind = trial.kind
        report = checked(kind, trial.args, seed)
        count["checks"] += 1
        if isinstance(report, Exception):
            count["raised"] += 1
            alarms.append(f"{kind.name}: raises {report!r}")
            continue
        count[report.verdict] += 1
        if report.verdict == FAIL:
            alarms.append(f"{kind.name}: {report.summary()}")
        elif report.verdict == INCONCLUSIVE:
            visible, why = resolution(trial, report, regime == "float32 locked")
            count["below resolution" if not visible else "avoidable"] += 1
            (silent if not visible else unused).append(f"{kind.name}: {report.summary()} [{why}]")
    return {"count": count, "alarms": alarms, "below resolution": silent, "avoidable": unused}


def resolution(trial: Trial, report: Any, is_locked: bool) -> tuple[bool, str]:
    """Whether a slope of each inconclusive argument could be told from rounding, and the numbers."""
    out = np.asarray(trial.kind.func(*trial.args))
    if not np.all(np.isfinite(out)):
        return False, "the output is not finite"
    if not all(np.all(np.isfinite(g)) for g in trial.exact):
        return False, "the gradient is not finite"
    rounding = EPS["float32" if is_locked else "float64"] * float(np.max(np.abs(trial.dout * out)))
    floats = [a for a in trial.args if is_float(a)]
    words, visible = [], not report.arguments
    for k, row in enumerate(report.arguments):
        if row.verdict == INCONCLUSIVE:
            effect = np.max(np.abs(trial.exact[k]) * np.maximum(np.abs(floats[k]), 0.1)) / max(
                rounding, 1e-300
            )
            visible |= bool(effect > 1e3)
            words.append(
                f"{row.name}: gradient {np.max(np.abs(trial.exact[k])):.1e}, {effect:.1e} x rounding"
            )
    return visible, "; ".join(words)


def bounds(regime: str, seed: int = 0, every: int = 1) -> Summary:
    """The bound of numerical_gradient at every entry, against the exact gradient."""
    entries = unmeasured = 0
    violated, ratios = [], []
    made = all_trials(regime, seed, every)
    for trial in made:
        kind = trial.kind
        style = "loss" if kind.style == "loss" else "dout"
        dout = None if style == "loss" else trial.dout
        try:
            found = numerical_gradient(kind.func, trial.args, dout=dout, style=style, seed=seed)
        except Exception as error:  # what a right function raises at a shifted point is a finding
            violated.append(f"{kind.name}: raises {error!r}")
            continue
        pairs = [(g, b) for g, b in zip(*found, strict=True) if g is not None]
        for k, ((g, b), exact) in enumerate(zip(pairs, trial.exact, strict=True)):
            g, b = np.asarray(g, float), np.asarray(b, float)
            known = np.isfinite(g) & np.isfinite(b) & np.isfinite(exact)
            entries += g.size
            unmeasured += int(np.sum(~known))
            own_rounding = kind.precision * float(np.max(np.abs(exact), initial=0))
            wrong = known & (np.abs(g - exact) > b + own_rounding)
            for i in np.argwhere(wrong)[:2]:
                j = tuple(int(n) for n in i)
                violated.append(
                    f"{kind.name}, argument {k} {list(j)}: {g[j]:.10g} ± {b[j]:.1e}, exact {exact[j]:.10g}"
                )
            ratios.append(int(np.sum(wrong)))
    return {
        "entries": entries, "unmeasured": unmeasured, "wrong": int(sum(ratios)), "violated": violated,
    }  # fmt: skip


PIECES: dict[str, Callable[[], Summary]] = {
    "more-bugs-float64-1": lambda: bugs("float64"),
    "more-bugs-float64-1e-06": lambda: bugs("float64", 1e-6),
    "more-bugs-float32-1": lambda: bugs("float32"),
    **{f"more-right-{r.replace(' ', '-')}": lambda r=r: right(r) for r in REGIMES},
    **{f"more-bounds-{r.replace(' ', '-')}": lambda r=r: bounds(r) for r in REGIMES},
}
