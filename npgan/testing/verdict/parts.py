"""Rows of arguments that are no floats: integers, and the two parts of complex numbers."""

from __future__ import annotations

from ..problem.problem import Problem
from ..report import FAIL, INCONCLUSIVE, PASS, ArgumentReport
from .tolerance import RESOLUTION


def drop_zero_integers(native: Problem, rows: dict[int, ArgumentReport], notes: list[str]) -> None:
    """Turn the rows of integers with a gradient of zero on both sides (labels) into notes."""
    for leaf, row in list(rows.items()):
        is_integer = row.name in native.integers and len(rows) > 1
        if is_integer and row.verdict == INCONCLUSIVE and row.size == 0:
            del rows[leaf]
            notes.append(f"{row.name}: no slope was seen, and backward returns zeros")


def say_convention(native: Problem, rows: dict[int, ArgumentReport], notes: list[str]) -> None:
    """Which of the two gradients by a complex number is checked; a hint where it is the other."""
    is_complex = [i for i, name in enumerate(native.names) if name not in native.leaf_names]
    if not is_complex:
        return
    notes.append(
        "by a complex z = x + iy the gradient dL/dx + i dL/dy is checked, as PyTorch returns it; "
        "JAX returns its conjugate: write np.conj(gradient)"
    )
    for i in is_complex[::2]:
        if i in rows and i + 1 in rows:
            compare_parts(rows[i], rows[i + 1])


def compare_parts(real: ArgumentReport, imag: ArgumentReport) -> None:
    """Judge a part that is zero by the size of the other one, and name a conjugate."""
    for part, other in ((real, imag), (imag, real)):
        is_zero = part.verdict == INCONCLUSIVE and part.size <= 1e-9 * other.size
        if is_zero and other.verdict == PASS and part.error_bound <= RESOLUTION * other.size:
            part.verdict, part.reason, part.unjudged = PASS, "is zero on both sides", 0
    is_opposite = abs(imag.analytic + imag.numeric) <= 1e-3 * abs(imag.numeric)
    if real.verdict == PASS and imag.verdict == FAIL and is_opposite:
        imag.set_hints("this is the complex conjugate, as JAX returns it: write np.conj(gradient)")
