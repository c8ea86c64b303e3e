"""Health: after each epoch, reports in words what is wrong with a run. It changes nothing.

`diagnose` turns the losses and the statistics of samples (sample_statistics.py) into findings;
`monitor` makes the function that measures and diagnoses after every epoch. The thresholds were set
by runs in which each state was caused on purpose, tools/health_runs.py; docs/reading-a-run.md shows
them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..datasets import Images
from ..losses import LOSSES
from .loop import State
from .protocol import GANLike
from .sample_statistics import Reference, SampleStatistics, draw_reference, measure
from .settings import Config
from .smoothing import loss_of

N_SAMPLES = 500  # that are measured
STEPS_BETWEEN = 400  # updates of G, at least, between two measurements: 2 % of the time
# Before so many updates of G nothing is reported: early samples are all alike, and D is often far
# ahead.
FIRST_STEPS = 1500

# The margin is D(real) - D(fake), both as means.
MARGIN_STRONG = 0.9  # above it D is almost never wrong
MARGIN_WEAK = 0.1  # below it D is hardly better than chance
MARGIN_NONE = 0.02  # below it D is not better than chance
MARGIN_FOOLED = -0.05  # below it D is wrong more often than right
# Of the statistics of samples:
SPREAD_COLLAPSED = 0.3
SPREAD_LOW = 0.6
VARIETY_COLLAPSED = 0.1
DISTANCE_FAR = 1.8
MISSING_SHARE = 0.35
COPIES = 0.25
# Of D's loss: the standard deviation around its trend, relative to its mean, over so many blocks.
SWING = 0.2
SWING_BLOCKS = 8


class Finding(NamedTuple):
    """One thing to report of a run."""

    name: str
    text: str


def diagnose(
    history: Mapping[str, Sequence[float]],
    config: Config,
    steps: int,
    samples: SampleStatistics | None = None,
) -> list[Finding]:
    """The findings after an epoch, most urgent first; none if nothing is wrong.

    Parameters
    ----------
    history : mapping
        `GAN.history_`.
    config : Config
        `GAN.config`.
    steps : int
        Updates of G so far.
    samples : SampleStatistics, optional
        What `measure` returned. Without it there are no findings that need it: collapse,
        memorisation, D too weak, and equilibrium.

    Notes
    -----
    D's outputs are checked only with losses for which they are probabilities.
    """
    if steps < FIRST_STEPS:
        return []
    means = block_means(history, steps)
    found: list[Finding] = []
    if LOSSES[config["loss"]].gives_probabilities:
        last = {name: float(values[-1]) for name, values in means.items()}
        found = (
            too_strong(last, config)
            or too_weak(last, config, samples)
            or oscillation(means["loss_D"], config)
            or equilibrium(last, config, samples)
        )
    return found if samples is None else found + collapse(samples, config) + memorisation(samples)


def block_means(
    history: Mapping[str, Sequence[float]], steps: int
) -> dict[str, npt.NDArray[np.float64]]:
    """The history as means over blocks of epochs, each of STEPS_BETWEEN steps or more.

    The mean over an epoch of five steps would be mostly noise.
    """
    epochs = len(history["loss_G"])
    size = min(epochs, math.ceil(STEPS_BETWEEN * epochs / steps))
    first = epochs % size
    return {
        name: np.asarray(values[first:], np.float64).reshape(-1, size).mean(1)
        for name, values in history.items()
        if len(values) == epochs
    }


def penalty_advice(config: Config) -> str:
    """The advice that lets D change less steeply: a penalty, or a larger weight of it."""
    return "--penalty r1" if config["penalty"] is None else "a larger --penalty-weight"


def answers(last: Mapping[str, float]) -> str:
    """D's mean answers in words."""
    return f"D(real) {last['D_real']:.2f}, D(fake) {last['D_fake']:.2f}"


def too_strong(last: Mapping[str, float], config: Config) -> list[Finding]:
    """D that is almost never wrong; with smoothed labels the margin is at most 1 - smoothing."""
    if last["D_real"] - last["D_fake"] <= MARGIN_STRONG - config["smoothing"]:
        return []
    if config["loss"] == "minimax":
        effect = "the gradient of the minimax loss vanishes there; try --loss nonsaturating"
    else:
        effect = (
            "the generator learns little from it; try a smaller learning rate for D, "
            f"or {penalty_advice(config)}"
        )
    text = f"D too strong: it is almost never wrong ({answers(last)}), and {effect}"
    return [Finding("D too strong", text)]


def margin_of_generated(last: Mapping[str, float], config: Config) -> float:
    """D(real) - D(fake) without the images with wrong labels, if D recognises these."""
    share = config["wrong_labels"]
    if config["loss"] == "relativistic":  # there D(real) is a mean over the same pairs
        return (last["D_real"] - last["D_fake"] - share) / (1 - share)
    return last["D_real"] - last["D_fake"] / (1 - share)


def too_weak(
    last: Mapping[str, float], config: Config, samples: SampleStatistics | None
) -> list[Finding]:
    """D that is wrong, or gives the same answer to every image, while the samples are not good."""
    margin = margin_of_generated(last, config)
    if samples is None or margin >= MARGIN_WEAK:
        return []
    shown = answers(last) + (" with the wrong labels" if config["wrong_labels"] else "")
    advice = "Try a larger learning rate for D, --d-steps 2, or wider --hidden-D"
    if margin < MARGIN_NONE and samples.spread < SPREAD_LOW:
        text = f"it is wrong more often than right ({shown})"
        if margin >= MARGIN_FOOLED:
            text = f"its output is the same for every image ({shown})"
            less = "" if config["penalty"] is None else ", or a smaller --penalty-weight"
            advice = f"Try a smaller learning rate for D{less}"
        text += f", and the samples' spread is {samples.spread:.0%} of the data's"
    elif unlike_data(samples):
        text = (
            f"it cannot tell real from generated ({shown}), but the samples are not like the data"
        )
    else:
        return []
    return [Finding("D too weak", f"D too weak: {text}. {advice}")]


def unlike_data(samples: SampleStatistics) -> bool:
    """Whether samples differ from the data so much that any D that learns would notice."""
    return samples.spread < SPREAD_COLLAPSED or samples.distance > DISTANCE_FAR


def like_data(samples: SampleStatistics) -> bool:
    """Whether samples have the spread, distance and variety of the data, and every class."""
    near = not samples.distance > 1.2  # NaN, where it cannot be said, passes
    return 0.85 < samples.spread < 1.2 and near and samples.variety > 0.5 and not samples.missing


def oscillation(loss_D: npt.NDArray[np.float64], config: Config) -> list[Finding]:
    """A loss of D that goes up and down around its trend."""
    values = loss_D[-SWING_BLOCKS:]
    if len(values) < SWING_BLOCKS:
        return []
    change, time = np.diff(values), np.arange(SWING_BLOCKS)
    turns = np.sum(change[1:] * change[:-1] < 0)
    residual = values - np.polyval(np.polyfit(time, values, 1), time)
    swing = float(residual.std() / max(float(np.abs(values).mean()), 1e-12))
    if swing < SWING or turns < 2:
        return []
    text = (
        f"oscillation: D's loss goes up and down by {swing:.0%}. "
        f"Try a smaller learning rate, a smaller --beta1, or {penalty_advice(config)}"
    )
    return [Finding("oscillation", text)]


def equilibrium(
    last: Mapping[str, float], config: Config, samples: SampleStatistics | None
) -> list[Finding]:
    """Both losses at the values of an equilibrium, with samples like the data."""
    loss = loss_of(config)
    if loss.equilibrium is None or loss.equilibrium_labels is None:
        return []
    (loss_D, loss_G), (label, _) = loss.equilibrium, loss.equilibrium_labels
    near = abs(last["loss_D"] / loss_D - 1) < 0.045 and abs(last["loss_G"] / loss_G - 1) < 0.15
    near = near and abs(last["D_real"] - 0.5) < 0.02
    if not near or samples is None or not like_data(samples):
        return []
    text = (
        "equilibrium: D no longer tells real from generated "
        f"(loss D {last['loss_D']:.2f}, {label} is {loss_D:.2f}), "
        "and the samples spread like the data. "
        "The losses give no more information; look at the pictures"
    )
    return [Finding("equilibrium", text)]


def collapse(samples: SampleStatistics, config: Config) -> list[Finding]:
    """Samples of few classes, or with few different images."""
    if samples.missing_share >= MISSING_SHARE:
        more = ", ..." if len(samples.missing) > 4 else ""
        classes = ", ".join(map(str, samples.missing[:4])) + more
        share = f"{samples.missing_share:.0%} of the data"
        what = f"hardly any sample looks like class {classes} ({share})"
    elif samples.spread < SPREAD_COLLAPSED:
        what = f"the samples are alike; their spread is {samples.spread:.0%} of the data's"
    elif samples.variety < VARIETY_COLLAPSED:
        variety = f"{samples.variety:.0%} of the data's"
        what = f"the samples are variations of a few; their variety is {variety}"
    else:
        return []
    text = f"collapse: {what}. Try a smaller learning rate, or {penalty_advice(config)}"
    return [Finding("collapse", text)]


def memorisation(samples: SampleStatistics) -> list[Finding]:
    """Samples that repeat training images."""
    if samples.copies < COPIES:
        return []
    text = (
        f"memorisation: about {min(samples.copies, 1):.0%} of the samples repeat a training image. "
        "Try more images, fewer epochs, or smaller networks"
    )
    return [Finding("memorisation", text)]


def monitor(
    data: Images, rng: Callable[[], np.random.Generator]
) -> Callable[[State[GANLike]], list[str]]:
    """A function that returns, after each epoch, the lines to report.

    A finding is explained the first time; later only its name is reported. Samples are measured at
    most every STEPS_BETWEEN updates of G, so that short epochs are not slowed down.

    Parameters
    ----------
    data : Images
        The training images.
    rng : function
        Makes a generator that nothing else uses, so that the bits of the run do not change.
    """
    real: Reference | None = None
    samples: SampleStatistics | None = None
    measured_at = -STEPS_BETWEEN
    explained: set[str] = set()

    def remarks(state: State[GANLike]) -> list[str]:
        nonlocal real, samples, measured_at
        gan = state.model
        steps = int(gan.adam_G.t)
        if steps - measured_at >= STEPS_BETWEEN:
            real = draw_reference(data, rng()) if real is None else real
            of_G = gan.sample(N_SAMPLES, rng(), refine=0, keep=1)
            samples, measured_at = measure(of_G, real), steps
        found = diagnose(gan.history_, gan.config, steps, samples)
        lines = [finding.text for finding in found if finding.name not in explained]
        repeated = [f.name for f in found if f.name in explained - {"equilibrium"}]
        if repeated:
            lines.append(f"still {', '.join(repeated)}")
        explained.update(finding.name for finding in found)
        return lines

    return remarks
