"""check_gradients and assert_gradients: one problem from its arguments to its report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from .hints import Evidence, hints
from .judge import RESOLVED, Elements, Judged, Place, Settings, verdict_of
from .noise import Noise, measure_noise
from .numeric import Point, magnitude, quiet
from .preconditions import Ground, as_gradients, check_backward, check_function
from .projections import Found, Projections
from .report import FAIL, INCONCLUSIVE, PASS, ArgumentReport, Report
from .styles import BudgetError, Problem, StyleError

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
SMALL, WORK = 400, 2e7  # entries, and entries x numbers handled per call: up to here element by element
JITTER = (2.0**-5, 2.0**-9, 2.0**-14)  # in units of each argument; smaller where func does not accept it
OUTSIDE = (ValueError, ArithmeticError, AssertionError)  # how functions refuse a point out of their domain


def check_gradients(
    func: Callable,
    grad: Callable,
    args: Any,
    *,
    argnames: Any = None,
    dout: Any = None,
    style: str = "auto",
    method: str = "auto",
    mode: str = "auto",
    rtol: float | None = None,
    atol: float | None = None,
    n_directions: int = 8,
    kinks: str = "jitter",
    seed: int = 0,
    max_evals: int = 20_000,
) -> Report:
    """Compare grad with the measured slopes of func at args; the verdict is PASS, FAIL or INCONCLUSIVE.

    style "loss": func(*args) -> scalar, grad(*args); "dout": func(*args) -> out, grad(dout, *args);
    "cache": func(*args) -> (out, cache), grad(dout, cache); "auto" finds out. args: a tuple of any nesting of
    arrays. method "auto" or "complex" (both with differences to check the complex step) or "differences";
    mode "elements", "projections" or "auto" (by size); kinks "jitter" or "stay". Tolerances come from the
    slopes' error bars; rtol and atol allow more. dout: None draws one.  Raises ValueError on bad usage.
    """
    check_choice("method", method, ("auto", "complex", "differences"))
    check_choice("mode", mode, ("auto", "elements", "projections"))
    check_choice("kinks", kinks, ("jitter", "stay"))
    if n_directions < 1 or max_evals < 1:
        raise ValueError(f"n_directions and max_evals must be 1 or more, got {n_directions} and {max_evals}")
    settings = Settings(rtol or 0.0, atol or 0.0, method, kinks)
    try:
        problem = Problem(func, grad, args, argnames, style, max_evals)
        return Check(problem, settings, dout, mode, n_directions, seed).run()
    except StyleError as error:
        return Report(FAIL, [], [str(error)], seed=seed)


def assert_gradients(
    func: Callable, grad: Callable, args: Any, *, inconclusive: str = "raise", **options: Any
) -> None:
    """Raise AssertionError with the report unless check_gradients (same options) says PASS.

    inconclusive="allow" lets pass what could not be judged, such as a gradient that is zero on both sides.
    """
    check_choice("inconclusive", inconclusive, ("raise", "allow"))
    report = check_gradients(func, grad, args, **options)
    demand(report, inconclusive)


def demand(report: Report, inconclusive: str = "raise") -> None:
    """Raise AssertionError with the report unless it is a PASS."""
    if report.verdict == FAIL or (report.verdict == INCONCLUSIVE and inconclusive == "raise"):
        raise AssertionError(str(report)) from None


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


class NativeGap(NamedTuple):
    """Where a float32 gradient is furthest from the float64 one, beyond its rounding noise."""

    spot: tuple[int, ...]
    narrow: float
    wide: float
    excess: float  # in units of the largest entry, as is `relative`, the largest difference of all
    relative: float


class Check:
    """One run: the problem in the precision it is judged in, its points, its leaves, its report."""

    def __init__(
        self, problem: Problem, settings: Settings, dout: Any, mode: str, n_directions: int, seed: int
    ):
        self.native = self.problem = problem
        self.settings, self.mode, self.n, self.seed = settings, mode, n_directions, seed
        self.given = dout
        self.places: dict[int, Place] = {}
        self.notes: list[str] = []

    def rng(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose])

    def run(self) -> Report:
        native = self.native
        try:
            outputs, faults = check_function(native)
            if faults:
                return self.report([], faults)
            if not np.isfinite(outputs).all():
                reason = "func returns NaN or infinity at these arguments: there is nothing to compare"
                return self.report([], [reason], INCONCLUSIVE)
            self.widen()
            if np.float16 in [*(v.dtype for v in self.problem.values), *self.problem.out_dtypes]:
                reason = "func works in float16, whose three digits give no slopes; let it accept float64"
                return self.report([], [reason], INCONCLUSIVE)
            self.dout = self.make_dout(self.given, 1)
            ground = self.ground(native, native is not self.problem or self.noise.coarse)
            unusable = [fault for leaf, fault in ground.faults if leaf is None]
            if unusable:
                return self.report([], unusable)
            if native is not self.problem:
                self.native_ground, ground = ground, self.ground(self.problem, False)
        except BudgetError:
            return self.report(
                [], [f"max_evals={native.max_evals} is used up before any comparison"], INCONCLUSIVE
            )
        self.base = ground
        faults_of = {leaf: fault for leaf, fault in ground.faults if leaf is not None}
        reports = []
        for leaf in range(len(self.problem.names)):
            if leaf in faults_of and ground.gradients[leaf] is None:
                reports.append(self.blank(leaf, FAIL, hint=faults_of[leaf], hints=[faults_of[leaf]]))
            elif ground.gradients[leaf] is None:
                self.notes.append(
                    f"{self.problem.names[leaf]} is not checked: backward returned no gradient for it"
                )
            elif self.problem.values[leaf].size:
                row = self.judge(leaf)
                if leaf in faults_of:
                    row.verdict = FAIL
                    row.hints = [faults_of[leaf], *row.hints]
                    row.hint = "; ".join(row.hints[:2])
                reports.append(row)
        if self.problem is not native:
            self.compare_native(reports)
        self.notes += ground.notes
        return self.report(reports, [])

    def widen(self) -> None:
        """Judge in float64 what accepts float64, at the very same numbers; measure the noise either way."""
        native = self.native
        self.narrow = ", ".join(sorted({str(v.dtype) for v in native.values if v.dtype != np.float64}))
        narrow = bool(self.narrow)
        self.noise = self.noise_of(native, narrow)
        if not narrow:
            return
        try:
            wide = native.cast(np.float64)
            ok = all(dtype == np.float64 for dtype in wide.out_dtypes)
            noise = self.noise_of(wide, False) if ok else None
            if noise is None or noise.coarse:
                raise ValueError
            if wide.grad is not None:
                with quiet():
                    wide.gradients(wide.values, np.ones(wide.out_size))
        except (TypeError, *OUTSIDE):
            self.notes.append(f"func works in {self.narrow}, so it is judged at {self.narrow}'s resolution")
            return
        self.problem, self.noise = wide, noise
        self.notes.append("judged in float64 at the same numbers")

    def noise_of(self, problem: Problem, coarse: bool) -> Noise:
        def outputs(values: Any) -> np.ndarray:
            try:
                return problem.outputs(values)
            except OUTSIDE:
                return np.full(problem.out_size, np.nan)

        coarse = coarse or any(dtype != np.float64 for dtype in problem.out_dtypes)
        with quiet():
            return measure_noise(
                outputs, problem.values, [magnitude(v) for v in problem.values], self.rng(2), coarse
            )

    def make_dout(self, given: Any, purpose: int) -> np.ndarray:
        """The flat dout, in numbers that the output's dtype can hold."""
        native = self.native
        if native.style == "loss":
            return np.ones(1)
        if given is None:
            flat = self.rng(purpose).standard_normal(native.out_size)
        else:
            flat = (
                native.flat(given)
                if not isinstance(given, (int, float))
                else np.full(native.out_size, float(given))
            )
        return native.flat(native.dout_tree(flat))

    def ground(self, problem: Problem, coarse: bool) -> Ground:
        elsewhere = [
            v + (0.5 * magnitude(v) * self.rng(3, i).uniform(-1, 1, v.shape)).astype(v.dtype)
            for i, v in enumerate(problem.values)
        ]
        try:
            with quiet():
                problem.outputs(elsewhere)
        except (*OUTSIDE, IndexError):
            elsewhere = problem.values
        other = self.make_dout(None, 4)
        return check_backward(problem, self.dout, other, elsewhere, self.rng(5), coarse, self.settings.rtol)

    # ---- the points ----

    def place(self, turn: int) -> Place:
        if turn not in self.places:
            self.places[turn] = self.jittered(turn) if turn else self.place_at(self.problem.values, self.base)
        return self.places[turn]

    def place_at(self, values: Any, ground: Ground) -> Place:
        return Place(Point(self.problem, values, self.dout, self.noise), ground.gradients, ground.blur)

    def jittered(self, turn: int) -> Place:
        for i, size in enumerate(JITTER):
            rng = self.rng(6, turn, i)
            values = []
            for v in self.problem.values:
                unit = np.abs(v) + 0.5 * magnitude(v)
                push = rng.uniform(-1.0, 1.0, v.shape)
                push += np.copysign(0.5, push)
                with quiet():
                    values.append((v + size * unit * push).astype(v.dtype))
            try:
                point = Point(self.problem, values, self.dout, self.noise)
                if not np.isfinite(point.outputs).all():
                    continue
                with quiet():
                    gradients = as_gradients(self.problem, self.problem.gradients(values, self.dout))[0]
            except OUTSIDE:
                continue
            return Place(point, gradients, self.base.blur)
        return self.place(0)._replace(gradients=[None] * len(self.problem.values))

    def watch(self, items: range, label: str) -> Iterator[int]:
        if len(items) < 8:
            return iter(items)
        return iter(tqdm(items, desc=label, leave=False, delay=2, disable=None))

    # ---- one leaf ----

    def blank(self, leaf: int, verdict: str, **more: Any) -> ArgumentReport:
        value = self.native.values[leaf]
        return ArgumentReport(self.problem.names[leaf], value.shape, str(value.dtype), verdict, **more)

    def by_elements(self, leaf: int) -> bool:
        if self.mode != "auto":
            return self.mode == "elements"
        n = self.problem.values[leaf].size
        handled = self.problem.out_size + sum(v.size for v in self.problem.values)
        return n <= SMALL and n * 8 * handled <= WORK and n * 20 <= self.problem.max_evals

    def judge(self, leaf: int) -> ArgumentReport:
        try:
            if self.by_elements(leaf):
                row = self.report_elements(leaf, Elements(self, leaf, self.problem.names[leaf]).run())
            else:
                projections = Projections(self, leaf, self.problem.names[leaf], self.n, self.seed)
                row = self.report_projections(leaf, projections, projections.run())
            if row.kinks and row.verdict != FAIL:
                self.judge_shift(leaf, row)
            return row
        except BudgetError:
            return self.blank(leaf, INCONCLUSIVE, reason=self.unfinished())

    def judge_shift(self, leaf: int, row: ArgumentReport) -> None:
        """On the kink itself: a shift of all entries may meet none (ties of a max); slopes must agree."""
        along = Projections(self, leaf, row.name, 0, self.seed)
        ones, place = np.ones(along.shape), self.place(0)
        found = [along.measure(place, ones, ladder, None) for ladder in ("usual", "wide")]
        estimate, limit = verdict_of(found)
        # Ties are shared out wrongly by whole shares; a small gap may be rounding, like a kink it feigned.
        gross = RESOLVED * max(abs(estimate.slope), abs(estimate.slope - estimate.gap), row.size)
        if abs(estimate.gap) > limit + gross and not any(one.kinks for one, _ in found):
            row.verdict, row.index, row.power = FAIL, None, math.inf
            row.analytic, row.numeric, row.error_bound = estimate.slope - estimate.gap, estimate.slope, limit
            row.hint = (
                "wrong at this very point, where some entries tie or lie on a kink, and right beside it: "
                "the sum of its entries is not the slope along (1, ..., 1)"
            )
            row.hints = [row.hint]

    def unfinished(self) -> str:
        return f"max_evals={self.native.max_evals:,} was used up; allow more, or mode='projections'"

    def report_elements(self, leaf: int, judged: Judged) -> ArgumentReport:
        gap = np.abs(judged.numeric - judged.analytic)
        known = judged.known
        row = self.blank(leaf, PASS, mode="elements", method=judged.method, kinks=judged.kinks)
        row.size = float(
            max(np.max(np.abs(judged.numeric[known]), initial=0), np.max(np.abs(judged.analytic), initial=0))
        )
        wrong = known & (gap > judged.bound)
        resolved = known & (judged.bound <= self.resolved() * row.size) & (row.size > 0)
        ratio = (
            np.where(known, gap, -1.0)
            if wrong.any()
            else np.where(known, gap / np.maximum(judged.bound, 1e-300), -1.0)
        )
        flat = int(np.argmax(np.where(wrong, ratio, -1.0) if wrong.any() else ratio))
        index = tuple(int(i) for i in np.unravel_index(flat, gap.shape))
        row.index = index
        row.analytic, row.numeric = float(judged.analytic[index]), float(judged.numeric[index])
        row.error_bound = float(judged.bound[index])
        row.unjudged = int((~resolved).sum())
        if resolved.any():
            hidden = np.where(resolved, judged.bound + gap, 0.0)
            row.power = float(np.max(hidden)) / row.size
            row.weakest = tuple(int(i) for i in np.unravel_index(int(np.argmax(hidden)), gap.shape))
        if wrong.any():
            row.verdict = FAIL
            row.hints = hints(self.evidence_of_elements(leaf, judged, wrong, index))
            row.hint = row.hints[0]
        elif row.unjudged > 0.1 * gap.size or not self.base_gradient(leaf).any():
            row.verdict = INCONCLUSIVE
            row.reason = self.why_inconclusive(row, judged)
        return row

    def base_gradient(self, leaf: int) -> np.ndarray:
        gradient = self.base.gradients[leaf]
        assert gradient is not None
        return gradient

    def resolved(self) -> float:
        return max(RESOLVED, 2 * self.settings.rtol)

    def why_inconclusive(self, row: ArgumentReport, judged: Judged) -> str:
        if self.problem.evals >= self.problem.max_evals:
            return self.unfinished()
        uniform = self.given is not None and self.dout.size > 1 and np.ptp(self.dout) == 0
        hint = " with this uniform dout: leave dout=None for a random one" if uniform else ""
        bound = np.max(judged.bound[judged.known], initial=0.0)
        if judged.kinks and (row.size == 0 or not np.any(judged.analytic)):
            return "backward returns zeros at this point, which lies on a kink; choose arguments beside it"
        if row.size == 0:
            return f"the gradient is zero on both sides{hint}; nothing could have failed"
        if judged.kinks and not judged.known.any():
            return "every point tried lies on a kink; nothing could be judged"
        if self.settings.atol and self.settings.atol > self.resolved() * row.size:
            return (
                f"atol={self.settings.atol:g} would hide the whole gradient, which is {row.size:.1e} at most"
            )
        if row.size > 0 and bound > self.resolved() * row.size:
            return (
                f"the gradient ({row.size:.1e} at most) is below what slopes resolve ({bound:.1e}){hint}; "
                "choose arguments at which it is larger, or use float64"
            )
        return f"{row.unjudged} of {judged.bound.size} entries could not be judged"

    def report_projections(self, leaf: int, projections: Projections, judged: Judged) -> ArgumentReport:
        gap, known = np.abs(judged.numeric - judged.analytic), judged.known
        row = self.blank(leaf, PASS, mode="projections", method=judged.method, kinks=judged.kinks)
        gradient = self.base_gradient(leaf)
        row.size = float(np.max(np.abs(gradient), initial=0))
        length = max(float(np.linalg.norm(gradient)), float(np.max(np.abs(judged.numeric[known]), initial=0)))
        wrong = known & (gap > judged.bound)
        if wrong.any():
            row.verdict = FAIL
            row.unjudged = 0
            found = projections.locate()
            worst = int(np.argmax(np.where(wrong, gap, -1.0)))
            row.analytic, row.numeric, row.error_bound = (
                float(a[worst]) for a in (judged.analytic, judged.numeric, judged.bound)
            )
            if found:
                row.index, row.analytic, row.numeric, row.error_bound = found[:4]
            row.hints = hints(self.evidence_of_projections(leaf, projections, judged, found))
            row.hint = row.hints[0]
            return row
        bound = float(np.max((judged.bound + gap)[known], initial=0.0)) if known.any() else np.inf
        if row.size:
            row.power = bound / row.size
        if not known.any() or bound > self.resolved() * length or row.size == 0:
            row.verdict = INCONCLUSIVE
            row.unjudged = gradient.size
            row.reason = self.why_inconclusive(row, judged._replace(bound=np.where(known, judged.bound, 0.0)))
            row.unjudged = 0
        else:
            worst = int(np.argmax(np.where(known, gap / np.maximum(judged.bound, 1e-300), -1.0)))
            row.analytic, row.numeric, row.error_bound = (
                float(a[worst]) for a in (judged.analytic, judged.numeric, judged.bound)
            )
        return row

    # ---- hints ----

    def context(self, leaf: int) -> dict[str, Any]:
        problem, shapes = self.problem, self.problem.out_shapes
        single = len(shapes) == 1 and shapes[0] != () and problem.style != "loss"
        point = self.place(0).point
        sizes = {}
        batch = (
            shapes[0][0]
            if shapes and shapes[0]
            else problem.values[0].shape[0]
            if problem.values[0].ndim
            else 1
        )
        sizes["the batch size"] = int(batch)
        sizes["the number of outputs"] = problem.out_size
        for name, v in zip(problem.names, problem.values, strict=True):
            sizes.setdefault(f"the size of {name}", v.size)
            for n in v.shape:
                sizes.setdefault(f"a side of {name}", n)
        others = [
            (n, g)
            for i, (n, g) in enumerate(zip(problem.names, self.base.gradients, strict=True))
            if i != leaf and g is not None
        ]
        return dict(
            name=problem.names[leaf],
            x=problem.values[leaf].astype(np.float64),
            others=others,
            sizes=sizes,
            out=point.outputs.reshape(shapes[0]) if single else None,
            dout=self.dout.reshape(shapes[0]) if single else None,
        )

    def evidence_of_elements(
        self, leaf: int, judged: Judged, wrong: np.ndarray, index: tuple[int, ...]
    ) -> Evidence:
        a, n, known = judged.analytic, judged.numeric, judged.known
        size = float(np.max(np.abs(n[known]), initial=0))
        allowed = 4 * judged.bound + (5e-3 if self.noise.coarse else 1e-4) * size

        def explains(candidate: np.ndarray) -> bool:
            return bool(np.all(np.abs(candidate - n)[known] <= allowed[known]))

        square = float(np.vdot(a[known], a[known]))
        ratio = float(np.vdot(a[known], n[known])) / square if square else np.nan
        whole = known.all()
        return Evidence(
            analytic=a,
            numeric=n if whole else None,
            wrong=wrong,
            spot=index,
            explains=explains,
            ratio=ratio,
            confined=lambda mask: not np.any(wrong & ~mask),
            **self.context(leaf),
        )

    def evidence_of_projections(
        self, leaf: int, p: Projections, judged: Judged, found: Found | None
    ) -> Evidence:
        rows = [
            (p.directions[d], turn, estimate, limit) for d, (turn, estimate, limit) in p.estimates.items()
        ]
        turn = rows[0][1]
        gradient = self.place(turn).gradients[leaf]
        assert gradient is not None
        slopes = np.array([estimate.slope for _, _, estimate, _ in rows])
        size = float(np.sqrt(np.mean(slopes**2)))
        allowed = np.array([limit for *_, limit in rows]) * 4 + (5e-3 if self.noise.coarse else 1e-4) * size

        def explains(candidate: np.ndarray) -> bool:
            predicted = np.array([np.vdot(v, candidate) for v, *_ in rows])
            return bool(np.all(np.abs(predicted - slopes) <= allowed))

        def confined(mask: np.ndarray) -> bool:
            estimate, limit = p.measure(
                self.place(turn), np.where(mask, 0.0, p.directions[p.wrong()[0]]), p.ladder, p.rungs
            )
            return abs(estimate.gap) <= limit

        predicted = slopes - np.array([estimate.gap for _, _, estimate, _ in rows])
        square = float(np.dot(predicted, predicted))
        ratio = float(np.dot(predicted, slopes)) / square if square else np.nan
        return Evidence(
            analytic=gradient,
            numeric=None,
            wrong=None,
            spot=found.spot if found else None,
            explains=explains,
            ratio=ratio,
            confined=confined,
            **self.context(leaf),
        )

    # ---- the end ----

    def compare_native(self, reports: list[ArgumentReport]) -> None:
        """The gradient as the user runs it, in float32, entry by entry against the one judged in float64."""
        worst = 0.0
        for row in reports:
            leaf = self.problem.names.index(row.name)
            if row.verdict != PASS:
                continue
            gaps = [self.native_gap(leaf, 0)]
            while gaps[-1].excess > RESOLVED and len(gaps) < 3:  # perhaps only there, on a kink
                gaps.append(self.native_gap(leaf, len(gaps)))
            worst = max(worst, gaps[-1].relative)
            if gaps[-1].excess > RESOLVED:
                row.verdict, row.error_bound = FAIL, math.nan
                row.index, row.analytic, row.numeric = gaps[0][:3]
                row.hint = (
                    f"right in float64, wrong in {self.narrow}: it overflows, cancels, or is cast on the way"
                )
                row.hints = [row.hint]
        self.notes.append(
            f"the gradient in {self.narrow} differs from it by {worst:.0e} of its largest entry"
        )

    def native_gap(self, leaf: int, turn: int) -> NativeGap:
        place = self.place(turn)
        wide, blur = place.gradients[leaf], self.native_ground.blur[leaf]
        values = [v.astype(n.dtype) for v, n in zip(place.point.values, self.native.values, strict=True)]
        with quiet():
            narrow = as_gradients(self.native, self.native.gradients(values, self.dout))[0][leaf]
        if wide is None or narrow is None:
            return NativeGap((), math.nan, math.nan, math.inf, math.inf)
        gap, size = np.abs(narrow - wide), max(float(np.max(np.abs(wide))), 1e-300)
        beyond = gap if blur is None else gap - 10 * blur
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(beyond)), gap.shape))
        excess, relative = float(beyond[index]) / size, float(np.max(gap)) / size
        return NativeGap(index, float(narrow[index]), float(wide[index]), excess, relative)

    def report(self, rows: list[ArgumentReport], faults: list[str], verdict: str = FAIL) -> Report:
        verdicts = {row.verdict for row in rows}
        if not faults:
            verdict = FAIL if FAIL in verdicts else PASS if verdicts == {PASS} else INCONCLUSIVE
            if not rows:
                empty = not any(v.size for v in self.problem.values)
                why = "the arguments are empty" if empty else "backward returned no gradient"
                faults = [f"nothing was checked: {why}"]
        evals = self.native.evals + (self.problem.evals if self.problem is not self.native else 0)
        return Report(verdict, rows, faults, self.notes, evals, self.seed, name_of(self.native.func))


def name_of(func: Callable) -> str:
    name = getattr(func, "__name__", "") or type(func).__name__
    return "" if name == "<lambda>" else name
