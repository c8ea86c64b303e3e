"""The classic mistakes: what each changes in one step of the tiny GAN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..autograd import Tensor
from ..layers import flatten
from .swaps import (
    LABELS_FLIPPED,
    LEAKY_WITHOUT_GATE,
    MEAN_FOR_SUM,
    NOTHING,
    TANH_WITHOUT_GATE,
    Swap,
)
from .tape import update_of
from .write_tape import Data, Walk


class Mistake(NamedTuple):
    """A mistake that a backward pass or a training step often has."""

    key: str
    title: str
    sentence: str
    swap: Swap = NOTHING


TANH = Mistake(
    "tanh_gate",
    "tanh gate dropped",
    "The backward pass through tanh forgets the factor 1 - y². The loss is the same. Each "
    "gradient of G.2 is too large, most where a point is near ±1; further back the sums may be too "
    "large, too small, or of the wrong sign. Adam divides by their size, so G still trains.",
    TANH_WITHOUT_GATE,
)
LEAKY = Mistake(
    "leaky_gate",
    "LeakyReLU gate dropped",
    "The backward pass through LeakyReLU forgets the slope, 0.2, where the input was negative. "
    "There the gradients are 5 times too large, and further back right and wrong ones are added: "
    "the direction of the step is wrong, not only its length.",
    LEAKY_WITHOUT_GATE,
)
LABELS_D = Mistake(
    "labels",
    "labels flipped",
    "D is told that the real points are fake and the generated ones real. Nearly every gradient "
    "has another size or sign, and the loss is another number; it falls during training all the "
    "same.",
    LABELS_FLIPPED,
)
LABELS_G = Mistake(
    "labels",
    "labels flipped",
    "G asks D to call its points fake. D is the same, the gradient of each logit is σ(z) / n where "
    "it should be (σ(z) - 1) / n, and G moves away from the real points.",
    LABELS_FLIPPED,
)
MEAN = Mistake(
    "mean",
    "mean for sum",
    "The gradients of W and b average over the rows of the batch where the rows must be added. "
    "They are too small by the number of rows. Adam divides by the size of past gradients, so it "
    "soon hides the factor, but what is added to such a gradient, as a penalty is, counts more.",
    MEAN_FOR_SUM,
)
MOVES = Mistake(
    "d_moved",
    "D's weights moved in G's step",
    "G's step also moves D's weights along the gradient of G's loss: D learns to call generated "
    "points real, and D's own step has to undo it. G's gradient is right.",
)
STALE = Mistake(
    "stale",
    "a stale D",
    "G's step goes back through D as it was before D's last update. The numbers look right, and "
    "they belong to a D that no longer exists.",
)


def of_step(walk: Walk) -> list[Data]:
    """The mistakes that this step can have."""
    c = walk.computation
    if c.kind != "step":
        return []
    is_G = bool(c.others)
    ops_used = {node.op for node in walk.nodes}
    found = [
        mistake_data(walk, m)
        for m in (TANH, LEAKY, LABELS_G if is_G else LABELS_D, MEAN)
        if ops_used & m.swap.keys()
    ]
    if is_G and c.adam_of_d is not None:
        gradients = [walk.gradients[walk.ids[t.number]] for t in c.others]
        move, also, start = update_of(c.adam_of_d, flatten(gradients)).move, {}, 0
        for tensor in c.others:
            stop = start + tensor.size
            also[str(walk.ids[tensor.number])] = move[start:stop].tolist()
            start = stop
        found.append(mistake_data(walk, MOVES, also=also))
        found.append(mistake_data(walk, STALE, dict(zip(c.others, c.before, strict=True))))
    return found


def mistake_data(
    walk: Walk, mistake: Mistake, values: Mapping[Tensor, np.ndarray] | None = None,
    also: dict[str, list[float]] | None = None,
) -> Data:  # fmt: skip
    """What the step would be with this mistake."""
    return {
        "key": mistake.key,
        "title": mistake.title,
        "sentence": mistake.sentence,
        "values": walk.packed(*walk.again(values, mistake.swap)),
        "also_moves": also or {},
        "training": None,
    }
