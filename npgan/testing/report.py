"""What a check found, as a table for people and as a dict for programs."""

from __future__ import annotations

import math
import sys
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
        The smallest error, in units of the largest entry of the gradient, that no entry and no pair
        of entries can hide.
    weakest : tuple of int or None
        The entry that `power` is about.
    size : float
        The largest entry of the gradient, as an absolute value.
    kinks : int
        How many entries met a kink (for projections: how many outputs).
    unjudged : int
        How many entries could not be checked.
    unsupported : bool
        Whether the argument has a gradient, but is of a type that cannot be checked.
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
    unsupported: bool = False
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
        """One line: the verdict; of a FAIL what is wrong, where, by how much, and the cause."""
        return printable_on_stdout(first_line(self))

    def __str__(self) -> str:
        head = f"gradient check{' of ' + self.title if self.title else ''}: {first_line(self)}"
        lines = [head, *(f"  {fault}" for fault in self.faults[1:])]
        if self.arguments:
            lines += ["", *table(self.arguments)]
        for row in self.arguments:
            lines += sentences(row)
        lines += [f"  note: {note}" for note in self.notes]
        if self.evaluations:
            lines.append(f"  {self.evaluations:,} calls of func and grad, seed {self.seed}")
        return printable_on_stdout("\n".join(lines))

    __repr__ = __str__  # what an interactive session and a notebook show


def overall_verdict(rows: list[ArgumentReport]) -> str:
    """FAIL if one row fails, PASS if all pass."""
    verdicts = {row.verdict for row in rows}
    return FAIL if FAIL in verdicts else PASS if verdicts == {PASS} else INCONCLUSIVE


def first_line(report: Report) -> str:
    """The summary in Unicode."""
    if report.faults:
        return f"{report.verdict}: {report.faults[0]}"
    if report.verdict == PASS and not report.arguments:
        return f"PASS: {report.notes[0]}" if report.notes else PASS
    if report.verdict == PASS:
        row = max(report.arguments, key=lambda row: row.power)
        if row.reason:
            return f"PASS: {row.name} {row.reason}"
        return f"PASS: {power_sentence(row)} in {row.name}"
    rows = [row for row in report.arguments if row.verdict == report.verdict]
    if not rows:
        return report.verdict
    others = ", ".join(row.name for row in rows[1:])
    if report.verdict == FAIL:
        also = f" (wrong, too: {others})" if others else ""
        return f"FAIL: {what_is_wrong(rows[0])}{also}"
    also = f" (nor could {others})" if others else ""
    return f"INCONCLUSIVE: {rows[0].name} could not be checked{also}: {rows[0].reason}"


def what_is_wrong(row: ArgumentReport) -> str:
    """A sentence for learners: which gradient is wrong, where, by how much, and why."""
    cause = row.hint or "no simple pattern"
    if not (math.isfinite(row.analytic) and math.isfinite(row.numeric)):
        return f"the gradient of {row.name} is wrong: {cause}"
    if row.index is None:
        where, right = "along a random direction", "the slope of func is"
        numbers = f"it gives the slope {row.analytic:.6g}, and {right} {row.numeric:.6g}"
    else:
        where = f"at {row.entry}" if row.index else ""
        numbers = f"backward returns {row.analytic:.6g}, and {row.numeric:.6g} is right"
    said = f"{where} {numbers}".strip()
    return f"the gradient of {row.name} is wrong: {said}{how_much(row)}. Likely cause: {cause}"


def how_much(row: ArgumentReport) -> str:
    """The error in per cent of the right number; "" where that is 0, or the number is too large."""
    error = abs(row.analytic - row.numeric)
    if not 0 < error < 10 * abs(row.numeric):
        return ""
    percent = 100 * error / abs(row.numeric)
    return f" (off by {percent:.0f} %)" if percent >= 10 else f" (off by {percent:.2g} %)"


# What stands for characters beyond ASCII in a report.
IN_ASCII = str.maketrans(
    {"±": "+-", "²": "^2", "³": "^3", "ᵀ": ".T", "×": "x", "·": "*", "Σ": "sum ", "√": "sqrt"}
    | {"ε": "eps", "≤": "<=", "≥": ">=", "−": "-", "–": "-", "∂": "d", "’": "'", "…": "..."}
)


def printable_on_stdout(text: str) -> str:
    """The text, in ASCII where stdout has an encoding that is not UTF-8."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if encoding.lower().replace("-", "").replace("_", "").startswith("utf"):
        return text
    return text.translate(IN_ASCII).encode("ascii", "backslashreplace").decode("ascii")


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
    shape = "" if row.unsupported else "x".join(map(str, row.shape)) or "scalar"
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
