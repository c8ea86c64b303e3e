"""The points at which a gradient is judged: the user's own, and others beside it where it lies on a kink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .noise import Noise
from .numeric import Point, magnitude, quiet
from .preconditions import Ground, as_gradients
from .streams import JITTER, stream
from .styles import OUTSIDE, Problem

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
DISTANCES = (
    2.0**-5,
    2.0**-9,
    2.0**-14,
)  # in units of each argument; smaller where func does not accept it


class Settings(NamedTuple):
    """The options of check_gradients that its judges read."""

    rtol: float
    atol: float
    method: str
    kinks: str


class Place(NamedTuple):
    """A point with the analytic gradients there and their rounding noise, one array per leaf."""

    point: Point
    gradients: list[np.ndarray | None]
    blur: list[np.ndarray | None]


class Places:
    """One problem with the points it is judged at, each made when it is first asked for.

    native is the problem in the user's dtypes; ground what is known of its gradients at the user's point.
    """

    def __init__(
        self,
        native: Problem,
        problem: Problem,
        dout: np.ndarray,
        noise: Noise,
        ground: Ground,
        settings: Settings,
        seed: int,
    ):
        self.native, self.problem, self.dout, self.noise = native, problem, dout, noise
        self.ground, self.settings, self.seed = ground, settings, seed
        self.made: dict[int, Place] = {}

    def place(self, turn: int) -> Place:
        """The user's point at turn 0, jittered ones after it."""
        if turn not in self.made:
            self.made[turn] = self.jittered(turn) if turn else self.given()
        return self.made[turn]

    def gradient(self, leaf: int) -> np.ndarray:
        """What backward said at the user's point."""
        gradient = self.ground.gradients[leaf]
        assert gradient is not None
        return gradient

    def given(self) -> Place:
        return Place(self.point(self.problem.values), self.ground.gradients, self.ground.blur)

    def point(self, values: Sequence[np.ndarray]) -> Point:
        return Point(self.problem, values, self.dout, self.noise)

    def jittered(self, turn: int) -> Place:
        """Beside the user's point, as far away as the function accepts; no gradients where it does not."""
        for i, distance in enumerate(DISTANCES):
            rng = stream(self.seed, JITTER, turn, i)
            values = [pushed(v, distance, rng) for v in self.problem.values]
            try:
                point = self.point(values)
                if not np.isfinite(point.outputs).all():
                    continue
                with quiet():
                    gradients = as_gradients(
                        self.problem, self.problem.gradients(values, self.dout)
                    )[0]
            except OUTSIDE:
                continue
            return Place(point, gradients, self.ground.blur)
        return self.place(0)._replace(gradients=[None] * len(self.problem.values))


def pushed(v: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Every entry moved by between a half and one and a half of the distance, in units of its own size."""
    unit = np.abs(v) + 0.5 * magnitude(v)
    push = rng.uniform(-1.0, 1.0, v.shape)
    push += np.copysign(0.5, push)
    with quiet():
        return (v + distance * unit * push).astype(v.dtype)
