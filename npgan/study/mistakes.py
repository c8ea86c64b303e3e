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
from .words import cell_name, short_number
from .write_tape import DIFFERENCES, Data, Place, Walk, differences_of, order, worst_of


class Mistake(NamedTuple):
    """A mistake that a backward pass or a training step often has."""

    key: str
    title: str
    sentence: str
    swap: Swap = NOTHING
    blind: str = "no gradient of this step is wrong"  # why the gradient check cannot see it


OF_WRONG_LOSS = "the gradient of the wrong loss is right"
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
    OF_WRONG_LOSS,
)
LABELS_G = Mistake(
    "labels",
    "labels flipped",
    "G asks D to call its points fake. D is the same, the gradient of each logit is σ(z) / n where "
    "it should be (σ(z) - 1) / n, and G moves away from the real points.",
    LABELS_FLIPPED,
    OF_WRONG_LOSS,
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
    blind="no gradient is wrong; D's is used where it should not be",
)
STALE = Mistake(
    "stale",
    "a stale D",
    "G's step goes back through D as it was before D's last update. The numbers look right, and "
    "they belong to a D that no longer exists. The long training below goes further: it copies D "
    "only every 50 steps.",
    blind="each gradient is right for the loss that the old D gives",
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
    tensors, gradients = walk.again(values, mistake.swap)
    differences = {leaf: differences_of(walk, leaf, values, mistake.swap) for leaf in walk.leaves}
    return {
        "key": mistake.key,
        "title": mistake.title,
        "sentence": mistake.sentence,
        "values": walk.packed(tensors, gradients, "<f8"),
        "differences": {str(leaf): numbers for leaf, numbers in differences.items()},
        "check": gradient_check(walk, mistake, gradients, differences),
        "also_moves": also or {},
        "training": None,
    }


def gradient_check(
    walk: Walk, mistake: Mistake, gradients: list[np.ndarray], differences: dict[int, list[float]]
) -> Data:
    """What a gradient check of the parameters says of a step with a mistake."""
    worst: tuple[float, Place] = (0.0, None)
    for leaf in walk.parts:
        error = np.abs(np.array(differences[leaf]) - gradients[leaf].ravel()) / walk.scale
        worst = max(worst, worst_of(error, leaf), key=lambda pair: order(pair[0]))
    error, place = worst
    if place is None or error <= DIFFERENCES:
        sentence = f"The gradient check cannot see it, since {mistake.blind}."
        return {"found": False, "worst": error, "sentence": sentence}
    leaf, cell = place
    name = cell_name(walk.nodes[leaf].name, walk.tensors[leaf].shape, cell)
    sentence = (
        f"The gradient check finds it: for {name} the backward pass gives "
        f"{short_number(float(gradients[leaf].flat[cell]))}, and the finite difference of the "
        f"loss is {short_number(differences[leaf][cell])}."
    )
    return {"found": True, "worst": error, "sentence": sentence}
