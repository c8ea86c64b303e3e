"""What a check found, as a table for people and a dict for machines."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

PASS, FAIL, INCONCLUSIVE = "PASS", "FAIL", "INCONCLUSIVE"


@dataclass
class ArgumentReport:
    """One argument: `power` is the smallest error, in units of its largest gradient entry, that a single
    entry could not have hidden; `error_bound` what rounding and truncation explain at the worst index."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    verdict: str
    mode: str = ""  # "elements", or "projections"
    method: str = ""  # "complex step", or "differences"
    index: tuple[int, ...] | None = None
    analytic: float = math.nan
    numeric: float = math.nan
    error_bound: float = math.nan
    power: float = math.inf
    weakest: tuple[int, ...] | None = None  # the entry that the power is about
    size: float = 0.0
    kinks: int = 0
    unjudged: int = 0
    hint: str = ""
    hints: list[str] = field(default_factory=list)
    reason: str = ""

    @property
    def place(self) -> str:
        return self.name if not self.index else f"{self.name}[{', '.join(map(str, self.index))}]"


@dataclass
class Report:
    """The verdict of a check with its arguments; print it, or take to_dict()."""

    verdict: str
    arguments: list[ArgumentReport]
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evaluations: int = 0
    seed: int = 0
    title: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict == PASS

    def __getitem__(self, name: str) -> ArgumentReport:
        for a in self.arguments:
            if a.name == name:
                return a
        raise KeyError(
            f"no argument {name!r}; there are {', '.join(a.name for a in self.arguments) or 'none'}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts; what is not finite becomes None."""
        return plain({**asdict(self), "arguments": [asdict(a) for a in self.arguments]})

    def summary(self) -> str:
        """One line: the verdict with its worst argument."""
        if self.faults:
            return f"{self.verdict}: {self.faults[0]}"
        if self.verdict == PASS and not self.arguments:
            return f"PASS: {self.notes[0]}" if self.notes else PASS
        if self.verdict == PASS:
            weakest = max(self.arguments, key=lambda a: a.power)
            if weakest.reason:
                return f"PASS: {weakest.name} {weakest.reason}"
            return f"PASS: would have noticed a relative error of {weakest.power:.0e} in {weakest.name}"
        worst = next(a for a in self.arguments if a.verdict == self.verdict)
        return f"{self.verdict}: {worst.hint or worst.reason or worst.place}"

    def __str__(self) -> str:
        head = f"gradient check{' of ' + self.title if self.title else ''}: {self.verdict}"
        lines = [head, *(f"  {fault}" for fault in self.faults)]
        if self.arguments:
            lines += ["", *table(self.arguments)]
        for a in self.arguments:
            lines += sentences(a)
        lines += [f"  note: {note}" for note in self.notes]
        if self.evaluations:
            lines.append(f"  {self.evaluations:,} calls of func and grad, seed {self.seed}")
        return "\n".join(lines)


def table(rows: list[ArgumentReport]) -> list[str]:
    head = (
        "argument",
        "shape",
        "verdict",
        "analytic",
        "numeric",
        "± bound",
        "power",
        "kinks",
        "by",
    )
    cells: list[tuple[str, ...]] = [head]
    for a in rows:
        by = f"{a.mode}, {a.method}" if a.mode else ""
        power = f"{a.power:.0e}" if a.verdict == PASS and not a.reason else ""
        numbers = [f"{x:.6g}" if math.isfinite(x) else "" for x in (a.analytic, a.numeric)]
        bound = f"{a.error_bound:.0e}" if math.isfinite(a.error_bound) else ""
        cells.append((a.place, shape(a), a.verdict, *numbers, bound, power, str(a.kinks or ""), by))
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def shape(a: ArgumentReport) -> str:
    return "x".join(map(str, a.shape)) or "scalar"


def sentences(a: ArgumentReport) -> list[str]:
    lines = []
    if a.verdict == FAIL and a.hint:
        lines.append(f"  {a.name}: {a.hint}")
    elif a.reason:
        lines.append(f"  {a.name}: {a.reason}")
    elif a.verdict == PASS:
        lines.append(f"  {a.name}: would have noticed a relative error of {a.power:.0e}")
    if a.unjudged and a.verdict != INCONCLUSIVE:
        lines.append(
            f"  {a.name}: {a.unjudged} of {math.prod(a.shape)} entries could not be judged"
        )
    return lines


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
