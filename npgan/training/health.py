"""What the numbers of a run mean, in plain words, after each epoch. It tells, and never steers.

Three steps: `measure` holds a few hundred samples against the data, `diagnose` turns that and the losses into
findings, `watch` does both after every epoch. The thresholds come from runs in which each state was made to
happen, tools/health_runs.py; docs/reading-a-run.md shows them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..datasets import Images
from ..losses import LOSSES
from .loop import State

SAMPLES, REALS = 500, 2000  # held against each other
STEPS = 400  # of G, at least, from one look at the samples to the next: 2 % of the time
EARLY = 1500  # steps of G before which nothing is said: young samples are alike, and D runs ahead

WON = 0.9  # D(real) - D(fake), where D is hardly ever wrong
BLIND = 0.1  # where it can hardly tell
FLAT = 0.02  # where it cannot tell at all
FOOLED = -0.05  # and where it is wrong more often than right
ALIKE = 0.3  # spread, compared with the data's
FEW = 0.1  # variety, likewise
FAR = 1.8  # distance, likewise
THIN = 0.6  # spread, likewise, that a D which has any answers would see
DUE = 0.1  # a class is drawn if it has this part of the share that it has in the data
LOST = 0.35  # of the data, in classes that are not drawn
COPY = 0.5  # distance to a training image, compared with the distance between that one and the next
COPIES = 0.25  # of the samples
SWING = 0.2  # standard deviation of D's loss around its trend, as a part of its mean
WINDOW = 8  # blocks in which to look for it

# The losses for which D(real), D(fake) are probabilities: that an image is real, or the real one of a pair.
PROBABILITIES = ("nonsaturating", "minimax", "relativistic")


class Finding(NamedTuple):
    """One thing that is to be said of a run."""

    name: str
    text: str


class Samples(NamedTuple):
    """What `measure` finds; 1 is what real images have, and NaN what cannot be said."""

    spread: float  # root of the total variance
    variety: float  # how many different real images are the nearest to a sample
    distance: float  # median distance to the nearest real image
    lost: tuple[int, ...]  # classes that are not drawn
    lost_share: float  # of the data, in them
    copies: float  # share of the samples that repeat a training image


class Reals(NamedTuple):
    """The real images that samples are held against."""

    x: np.ndarray  # (n, d) float32
    neighbours: np.ndarray  # of each, the nearest other one
    gaps: np.ndarray  # and how far away that is
    labels: np.ndarray | None
    total: int  # training images, of which these are some
    pixels: bool


# ---- samples against the data ----


def chosen(data: Images, rng: np.random.Generator) -> Reals:
    """Some of the real images, and how far apart they lie."""
    rows = rng.permutation(len(data))[:REALS]
    x = floats(data.images[rows])
    square = square_distances(x, x)
    np.fill_diagonal(square, np.inf)
    labels = None if data.labels is None else data.labels[rows]
    return Reals(
        x,
        square.argmin(1),
        np.sqrt(square.min(1)),
        labels,
        len(data),
        data.images.dtype == np.uint8,
    )


def measure(samples: np.ndarray, real: Reals) -> Samples:
    """Samples (n, ...) against real images; uint8 counts as 0 to 1, and a sample has its neighbour's class.

    A copy is much nearer to a training image than that is to the next one. Where only some of the training
    images are looked at, the share of copies is scaled up by as much.
    """
    x = floats(samples)
    spread = math.sqrt(x.var(0).sum() / max(float(real.x.var(0).sum()), 1e-12))
    if len(real.x) < 2:
        return Samples(spread, math.nan, math.nan, (), 0.0, 0.0)
    square = square_distances(x, real.x)
    nearest = square.argmin(1)
    variety = len(np.unique(nearest)) / len(np.unique(real.neighbours[: len(x)]))
    distance, gap = np.sqrt(square[np.arange(len(x)), nearest]), real.gaps[nearest]
    lost, lost_share = missing(real.labels, nearest)
    far, copies = math.nan, 0.0  # in a plane the real points are too close together to compare with
    if real.pixels:
        far = float(np.median(distance) / max(float(np.median(real.gaps)), 1e-12))
        copies = float(np.mean(distance < COPY * gap)) * real.total / len(real.x)
    return Samples(spread, variety, far, lost, lost_share, copies)


def missing(labels: np.ndarray | None, nearest: np.ndarray) -> tuple[tuple[int, ...], float]:
    """The classes that next to no sample is nearest to, and their share of the data."""
    if labels is None:
        return (), 0.0
    classes, index = np.unique(labels, return_inverse=True)
    due = np.bincount(index) / len(index)
    drawn = np.bincount(index[nearest], minlength=len(classes)) / len(nearest)
    lost = (drawn < DUE * due) & (due * len(nearest) > 10)  # of a rare class, none may be by chance
    return tuple(classes[lost].tolist()), float(due[lost].sum())


def square_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b|² of every row of a (n, d) and of b (m, d)."""
    both = (
        np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1) - 2 * kernels.gemm(a, b, False, True)
    )
    return np.maximum(both, 0.0)


def floats(x: np.ndarray) -> np.ndarray:
    """Rows of float32, pixels from 0 to 1."""
    flat = x.reshape(len(x), -1)
    return flat / np.float32(255) if x.dtype == np.uint8 else flat.astype(np.float32)


# ---- what to say of it ----


def diagnose(
    history: Mapping[str, Sequence[float]],
    config: Mapping[str, Any],
    steps: int,
    samples: Samples | None = None,
) -> list[Finding]:
    """The findings of the last epoch, most urgent first; none if all is well.

    history: GAN.history_. config: GAN.config. steps: updates of G so far. samples: what `measure` found;
    without it nothing is said of collapse, memory, and what needs to know whether the samples are any good.
    Of D something is said under the losses in PROBABILITIES alone, for which its answers are probabilities.
    """
    if steps < EARLY:
        return []
    means = blocks(history, steps)
    found: list[Finding] = []
    if config["loss"] in PROBABILITIES:
        last = {name: float(values[-1]) for name, values in means.items()}
        found = (
            strong(last, config)
            or weak(last, config, samples)
            or oscillation(means["loss_D"], config)
        )
        found = found or equilibrium(last, config, samples)
    return found if samples is None else found + collapse(samples, config) + memory(samples)


def blocks(history: Mapping[str, Sequence[float]], steps: int) -> dict[str, np.ndarray]:
    """The history as means of blocks, each of as many epochs as make STEPS: the mean of 5 steps is noise."""
    epochs = len(history["loss_G"])
    size = min(epochs, math.ceil(STEPS * epochs / steps))
    first = epochs % size
    return {
        name: np.asarray(values[first:], np.float64).reshape(-1, size).mean(1)
        for name, values in history.items()
        if len(values) == epochs
    }


def steadier(config: Mapping[str, Any]) -> str:
    """What keeps D from changing too steeply: a penalty, or more of it."""
    return "--penalty r1" if config["penalty"] is None else "a larger --penalty-weight"


def collapse(samples: Samples, config: Mapping[str, Any]) -> list[Finding]:
    """Few classes, or one picture again and again."""
    if samples.lost_share >= LOST:
        classes = ", ".join(map(str, samples.lost[:4])) + (", ..." if len(samples.lost) > 4 else "")
        what = (
            f"next to no sample looks like class {classes} ({samples.lost_share:.0%} of the data)"
        )
    elif samples.spread < ALIKE:
        what = f"the samples are alike; their spread is {samples.spread:.0%} of the data's"
    elif samples.variety < FEW:
        what = f"the samples are variations of a few; their variety is {samples.variety:.0%} of the data's"
    else:
        return []
    return [
        Finding("collapse", f"collapse: {what}. Try a smaller learning rate, or {steadier(config)}")
    ]


def memory(samples: Samples) -> list[Finding]:
    if samples.copies < COPIES:
        return []
    text = (
        f"memorisation: about {min(samples.copies, 1):.0%} of the samples repeat a training image. "
        "More images help, or fewer epochs, or smaller networks"
    )
    return [Finding("memorisation", text)]


def lead(last: Mapping[str, float]) -> tuple[float, str]:
    """D's lead over chance, from -1 to 1, and its answers."""
    real, fake = last["D_real"], last["D_fake"]
    return real - fake, f"D(real) {real:.2f}, D(fake) {fake:.2f}"


def strong(last: Mapping[str, float], config: Mapping[str, Any]) -> list[Finding]:
    ahead, answers = lead(last)
    if ahead <= WON - config["smoothing"]:
        return []
    flat = (
        "the gradient of the minimax loss vanishes there; try --loss nonsaturating"
        if config["loss"] == "minimax"
        else f"the generator hardly learns from it; try a smaller learning rate for D, or {steadier(config)}"
    )
    return [
        Finding("D too strong", f"D too strong: it is almost never wrong ({answers}), and {flat}")
    ]


def weak(
    last: Mapping[str, float], config: Mapping[str, Any], samples: Samples | None
) -> list[Finding]:
    """D that cannot tell, is fooled, or has no answers any more, where samples are not good."""
    ahead, answers = lead(last)
    if samples is None or ahead >= BLIND:
        return []
    advice = "Try a larger learning rate for D, --d-steps 2, or wider --hidden-D"
    if ahead < FLAT and samples.spread < THIN:
        text = f"it is wrong more often than right ({answers})"
        if ahead >= FOOLED:
            text = f"it answers the same to everything ({answers})"
            less = "" if config["penalty"] is None else ", or a smaller --penalty-weight"
            advice = f"Try a smaller learning rate for D{less}"
        text += f", and the samples' spread is {samples.spread:.0%} of the data's"
    elif poor(samples):
        text = (
            f"it cannot tell real from generated ({answers}), yet the samples are not like the data"
        )
    else:
        return []
    return [Finding("D too weak", f"D too weak: {text}. {advice}")]


def poor(samples: Samples) -> bool:
    """Whether samples are so unlike the data that any D that learns could tell."""
    return samples.spread < ALIKE or samples.distance > FAR


def good(samples: Samples) -> bool:
    """Whether samples spread like the data, lie where the data lie, and leave no class out."""
    there = 0.85 < samples.spread < 1.2 and not samples.distance > 1.2  # NaN: it cannot be said
    return there and samples.variety > 0.5 and not samples.lost


def equilibrium(
    last: Mapping[str, float], config: Mapping[str, Any], samples: Samples | None
) -> list[Finding]:
    loss_D, loss_G = LOSSES[config["loss"]].equilibrium or (math.nan, math.nan)
    near = abs(last["loss_D"] / loss_D - 1) < 0.045 and abs(last["loss_G"] / loss_G - 1) < 0.15
    near = near and abs(last["D_real"] - 0.5) < 0.02
    if not near or config["smoothing"] or samples is None or not good(samples):
        return []
    name = "ln 2" if config["loss"] == "relativistic" else "2 ln 2"
    text = (
        f"equilibrium: D can no longer tell (loss D {last['loss_D']:.2f}, {name} is {loss_D:.2f}), and the "
        "samples spread like the data. From here on the losses say nothing; look at the pictures"
    )
    return [Finding("equilibrium", text)]


def oscillation(loss_D: np.ndarray, config: Mapping[str, Any]) -> list[Finding]:
    """Swings of D's loss, up and down in turn: a trend is none."""
    values = loss_D[-WINDOW:]
    if len(values) < WINDOW:
        return []
    change, time = np.diff(values), np.arange(WINDOW)
    turns = np.sum(change[1:] * change[:-1] < 0)
    rest = values - np.polyval(np.polyfit(time, values, 1), time)
    swing = float(rest.std() / max(float(np.abs(values).mean()), 1e-12))
    if swing < SWING or turns < 2:
        return []
    text = (
        f"oscillation: D's loss swings up and down by {swing:.0%}, G and D chase each other. "
        f"Try a smaller learning rate, a smaller --beta1, or {steadier(config)}"
    )
    return [Finding("oscillation", text)]


# ---- after every epoch ----


def watch(data: Images, rng: Callable[[], np.random.Generator]) -> Callable[[State], list[str]]:
    """A function that after each epoch says, in lines, what is off: in full the first time, then by name.

    rng() makes a generator of random numbers that nothing else draws from. The samples are looked at no more
    often than every 400 steps, so that it costs little even where epochs are short.
    """
    real: Reals | None = None
    samples: Samples | None = None
    looked = -STEPS
    told: set[str] = set()

    def remarks(state: State) -> list[str]:
        nonlocal real, samples, looked
        gan = state.model
        steps = int(gan.adam_G.t)
        if steps - looked >= STEPS:
            real = chosen(data, rng()) if real is None else real
            samples, looked = measure(gan.sample(SAMPLES, rng()), real), steps
        found = diagnose(gan.history_, gan.config, steps, samples)
        lines = [finding.text for finding in found if finding.name not in told]
        if again := [finding.name for finding in found if finding.name in told - {"equilibrium"}]:
            lines.append(f"still {', '.join(again)}")
        told.update(finding.name for finding in found)
        return lines

    return remarks
