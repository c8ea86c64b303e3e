"""What a check found, as a table for people and as a dict for programs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

PASS, FAIL, INCONCLUSIVE = "PASS", "FAIL", "INCONCLUSIVE"


@dataclass
class ArgumentReport:
    """What a check found for one argument: one row of the report.

    Parameters
    ----------
    name : str
        What the argument is called: ``x``, ``params['W']``, ``pair[0]``.
    shape : tuple of int
        The argument's shape.
    dtype : str
        The argument's dtype, as the user passed it.
    verdict : {"PASS", "FAIL", "INCONCLUSIVE"}
        INCONCLUSIVE: no error could have shown; see `reason`.
    mode : {"elements", "projections", ""}
        Whether every entry was compared, or the slopes along random directions; "" where nothing
        was.
    method : {"complex step", "differences", ""}
        How the slopes were measured.
    index : tuple of int or None
        The entry that `analytic` and `numeric` belong to: the worst one. None for a projection.
    analytic : float
        What the backward pass says there.
    numeric : float
        The slope that was measured there.
    error_bound : float
        The largest ``|numeric - analytic|`` that rounding, truncation and the given tolerances
        explain.
    power : float
        The smallest error, in units of the largest entry of the gradient, that no single entry can
        hide.
    weakest : tuple of int or None
        The entry that `power` is about.
    size : float
        The largest entry of the gradient, as an absolute value.
    kinks : int
        How many entries met a kink (for projections: how many outputs).
    unjudged : int
        How many entries could not be checked.
    hint : str
        For a FAIL, the likeliest mistake.
    hints : list of str
        All mistakes that would explain the error, the likeliest first.
    reason : str
        Why the verdict is INCONCLUSIVE; or for a PASS, what is special about it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    verdict: str
    mode: str = ""
    method: str = ""
    index: tuple[int, ...] | None = None
    analytic: float = math.nan
    numeric: float = math.nan
    error_bound: float = math.nan
    power: float = math.inf
    weakest: tuple[int, ...] | None = None
    size: float = 0.0
    kinks: int = 0
    unjudged: int = 0
    hint: str = ""
    hints: list[str] = field(default_factory=list)
    reason: str = ""

    @property
    def entry(self) -> str:
        """The name with the index of the worst entry: ``W[2, 2]``."""
        return self.name if not self.index else f"{self.name}[{', '.join(map(str, self.index))}]"

    def set_hints(self, *hints: str) -> None:
        """Set the hints, the likeliest first."""
        self.hint, self.hints = hints[0], list(hints)


@dataclass(repr=False)
class Report:
    """The verdict of a check with a row per argument, shown and printed as a table.

    ``report["W"]`` is the row of the argument ``W``.

    Parameters
    ----------
    verdict : {"PASS", "FAIL", "INCONCLUSIVE"}
        FAIL if one argument fails, PASS if all pass.
    arguments : list of ArgumentReport
        One row per float argument that has a gradient.
    faults : list of str
        What is wrong with func or grad as a whole, such as a style that does not fit.
    notes : list of str
        What else one should know, such as arguments that were not checked.
    evaluations : int
        Calls of func and grad.
    seed : int
        The seed of all random numbers of the check.
    title : str
        What was checked.
    """

    verdict: str
    arguments: list[ArgumentReport]
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evaluations: int = 0
    seed: int = 0
    title: str = ""

    @property
    def passed(self) -> bool:
        """Whether the verdict is PASS."""
        return self.verdict == PASS

    def __getitem__(self, name: str) -> ArgumentReport:
        for row in self.arguments:
            if row.name == name:
                return row
        names = ", ".join(row.name for row in self.arguments) or "none"
        raise KeyError(f"no argument {name!r}; there are {names}")

    def to_dict(self) -> dict[str, Any]:
        """The report as plain Python objects, for JSON; NaN and infinity become None."""
        rows = [asdict(row) for row in self.arguments]
        found: dict[str, Any] = to_plain({**asdict(self), "arguments": rows})
        return found

    def summary(self) -> str:
        """One line: the verdict with the argument that decided it."""
        if self.faults:
            return f"{self.verdict}: {self.faults[0]}"
        if self.verdict == PASS and not self.arguments:
            return f"PASS: {self.notes[0]}" if self.notes else PASS
        if self.verdict == PASS:
            row = max(self.arguments, key=lambda row: row.power)
            if row.reason:
                return f"PASS: {row.name} {row.reason}"
            return f"PASS: {power_sentence(row)} in {row.name}"
        row = next(row for row in self.arguments if row.verdict == self.verdict)
        return f"{self.verdict}: {row.hint or row.reason or row.entry}"

    def __str__(self) -> str:
        head = f"gradient check{' of ' + self.title if self.title else ''}: {self.verdict}"
        lines = [head, *(f"  {fault}" for fault in self.faults)]
        if self.arguments:
            lines += ["", *table(self.arguments)]
        for row in self.arguments:
            lines += sentences(row)
        lines += [f"  note: {note}" for note in self.notes]
        if self.evaluations:
            lines.append(f"  {self.evaluations:,} calls of func and grad, seed {self.seed}")
        return "\n".join(lines)

    __repr__ = __str__  # what an interactive session and a notebook show


def overall_verdict(rows: list[ArgumentReport]) -> str:
    """FAIL if one row fails, PASS if all pass."""
    verdicts = {row.verdict for row in rows}
    return FAIL if FAIL in verdicts else PASS if verdicts == {PASS} else INCONCLUSIVE


HEAD = ("argument", "shape", "verdict", "analytic", "numeric", "± bound", "power", "kinks", "by")


def table(rows: list[ArgumentReport]) -> list[str]:
    """The lines of the table."""
    cells = [HEAD, *(cells_of(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEAD))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def cells_of(row: ArgumentReport) -> tuple[str, ...]:
    """One row of the table, a cell per column of HEAD."""
    shape = "x".join(map(str, row.shape)) or "scalar"
    analytic, numeric = (
        f"{x:.6g}" if math.isfinite(x) else "" for x in (row.analytic, row.numeric)
    )
    bound = f"{row.error_bound:.0e}" if math.isfinite(row.error_bound) else ""
    power = f"{row.power:.0e}" if row.verdict == PASS and not row.reason else ""
    by = f"{row.mode}, {row.method}" if row.mode else ""
    kinks = str(row.kinks or "")
    return row.entry, shape, row.verdict, analytic, numeric, bound, power, kinks, by


def sentences(row: ArgumentReport) -> list[str]:
    """What stands under the table about one argument."""
    lines = []
    if row.verdict == FAIL and row.hint:
        lines.append(f"  {row.name}: {row.hint}")
    elif row.reason:
        lines.append(f"  {row.name}: {row.reason}")
    elif row.verdict == PASS:
        lines.append(f"  {row.name}: {power_sentence(row)}")
    if row.unjudged and row.verdict != INCONCLUSIVE:
        count = math.prod(row.shape)
        lines.append(f"  {row.name}: {row.unjudged} of {count} entries could not be checked")
    return lines


def power_sentence(row: ArgumentReport) -> str:
    """What a PASS is worth."""
    return f"would have noticed a relative error of {row.power:.0e}"


def to_plain(value: Any) -> Any:
    """Tuples as lists, and NaN and infinity as None, at any depth."""
    if isinstance(value, dict):
        return {key: to_plain(v) for key, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(v) for v in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
