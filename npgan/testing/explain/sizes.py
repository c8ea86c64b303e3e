"""The sizes of a problem, and what they are called: a wrong factor is often one of them."""

from __future__ import annotations

import math

from ..problem.problem import Problem

Sizes = dict[int, list[str]]  # the names of every size, the likeliest first
SMALLEST = 3  # 1 and 2 are too common to mean a size


def sizes_of(problem: Problem) -> Sizes:
    """Every size of an argument or the output, and every product of sides, with its names."""
    found: Sizes = {}

    def add(n: int, name: str) -> None:
        names = found.setdefault(int(n), [])
        if n >= SMALLEST and name not in names:
            names.append(name)

    shapes = list(zip(problem.names, (v.shape for v in problem.values), strict=True))
    out = [shape for shape in problem.out_shapes if shape][:1]
    first = out[0] if out else shapes[0][1]
    if first:
        add(first[0], "the batch size")
    if len(problem.out_shapes) == 1:
        shapes.append(("the output", problem.out_shapes[0]))
    for name, shape in shapes:
        for axis, n in enumerate(shape):
            if len(shape) > 1 and not (axis == 0 and first and n == first[0]):
                add(n, f"the length of {name} along axis {axis}")
        if shape and (len(shape) > 1 or shape != first[:1]):
            add(math.prod(shape), f"the size of {name}")
    for name, shape in shapes:
        for axes in ((0, 1), (1, 2), (2, 3), (0, 2), (1, 2, 3), (0, 2, 3), (0, 1, 2)):
            if max(axes) < len(shape) > len(axes):
                add(
                    math.prod(shape[a] for a in axes),
                    f"the product of the lengths of {name} along axes "
                    + " and ".join(map(str, axes)),
                )
    return {n: names for n, names in found.items() if names}
