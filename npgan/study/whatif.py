"""What if one number of a leaf were another: the whole step again, for every cell of every leaf."""

from __future__ import annotations

from .write_tape import Walk

DELTAS = (-0.5, -0.2, 0.2, 0.5)


def what_ifs(walk: Walk) -> dict[str, str]:
    """All values, gradients and moves with one cell changed, by "leaf,cell,delta"."""
    found = {}
    for leaf in walk.leaves:
        tensor = walk.tensors[leaf]
        for cell in range(tensor.size):
            for delta in DELTAS:
                changed = tensor.data.copy()
                changed.flat[cell] += delta
                found[f"{leaf},{cell},{delta}"] = walk.packed(*walk.again({tensor: changed}))
    return found


def size_of(walk: Walk) -> int:
    """How many characters `what_ifs` would take."""
    cells = sum(tensor.size for tensor in walk.tensors)
    moves = sum(walk.tensors[i].size for i in walk.moving)
    inputs = sum(walk.tensors[i].size for i in walk.leaves)
    return inputs * len(DELTAS) * (2 * cells + moves) * 4 * 4 // 3
