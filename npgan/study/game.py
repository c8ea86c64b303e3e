"""The game of G and D in the plane: what the page shows of the ring's training, frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..autograd import value_and_grad
from ..datasets import ring
from ..layers import Network
from ..ops import sigmoid
from .ring import DISTANCE, LATENT, SEED, Scenario, distance, in_parts, train
from .scenarios import RIGHT, SCENARIOS, TRAININGS
from .write_tape import Data, pack

STEPS, FRAMES = 800, 40
GRID, EXTENT, MESH, POINTS = 32, 1.2, 12, 64
ARROW = 0.1  # of the gradient, in the plane
ABOUT = (
    "The points of the plane that G draws, and D's opinion of every place. Blue places look real "
    "to D. Each arrow says where D's gradient pulls a point: it goes from the point p to "
    f"p \N{MINUS SIGN} {ARROW:g} · dL/dp, so a longer arrow is a larger gradient."
)


class Camera:
    """The fixed numbers that every frame is drawn from."""

    def __init__(self) -> None:
        rng = np.random.default_rng(SEED + 1)
        self.z = rng.standard_normal((POINTS, LATENT), dtype=np.float32)
        self.real = ring(n=POINTS, rng=rng).images
        axis = np.linspace(-EXTENT, EXTENT, GRID, dtype=np.float32)
        self.places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        axis = np.linspace(-2, 2, MESH, dtype=np.float32)
        self.mesh = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)

    def frame(self, step: int, G: Network, D: Network, scenario: Scenario) -> Data:
        """What is seen at this step."""
        fake = G(self.z)
        logits, pull = D.forward(fake)
        loss_G, (dlogits,) = value_and_grad(lambda y: scenario.loss.generator(None, y), logits)
        arrows = -POINTS * pull(dlogits, "input")  # of the loss of each point, not of their mean
        loss_D = scenario.loss.discriminator(D(self.real), logits)
        return {
            "step": step,
            "heat": pack(np.rint(255 * sigmoid(in_parts(D, self.places))), "u1"),
            "fake": fixed(fake, 8192),
            "arrow": fixed(arrows, 2048),
            "mesh": fixed(in_parts(G, self.mesh), 8192),
            "loss_D": float(loss_D),
            "loss_G": float(loss_G),
        }


def fixed(array: np.ndarray, unit: int) -> str:
    """Numbers in units of 1/unit as int16, cut off at the ends."""
    return pack(np.clip(np.rint(array * unit), -32768, 32767), "<i2")


def game(say: Callable[[str], None] = lambda line: None) -> tuple[Data, dict[str, Data]]:
    """The game, and the trainings of the mistakes by the mistake's key."""
    camera = Camera()
    frames: dict[str, list[Data]] = {}
    curves: dict[str, list[float]] = {}
    every = STEPS // FRAMES
    for scenario in (RIGHT, *SCENARIOS, *TRAININGS):
        say(f"the ring, {STEPS} steps: {scenario.title}")
        frames[scenario.key], curves[scenario.key] = [], []
        for step, G, D in train(scenario, STEPS):
            if step % every == 0:
                curves[scenario.key].append(round(distance(G), 4))
                if scenario not in TRAININGS:
                    frames[scenario.key].append(camera.frame(step, G, D, scenario))
    labels = RIGHT.loss.equilibrium_labels or ("", "")
    loss_D, loss_G = RIGHT.loss.equilibrium or (0.0, 0.0)
    equilibrium = {
        "loss_D": loss_D,
        "loss_G": loss_G,
        "words": f"if D cannot tell real from generated points: {labels[0]} and {labels[1]}",
    }
    data = {
        "about": ABOUT,
        "arrow": ARROW,
        "measure": DISTANCE,
        "grid": GRID,
        "extent": EXTENT,
        "real": fixed(camera.real, 8192),
        "mesh_side": MESH,
        "scenarios": [
            {
                "key": s.key,
                "title": s.title,
                "sentence": s.sentence,
                "frames": frames[s.key],
                "distances": curves[s.key],
                "equilibrium": equilibrium,
            }
            for s in (RIGHT, *SCENARIOS)
        ],
    }
    trainings = {
        key: {
            "steps": list(range(0, STEPS + 1, every)),
            "right": curves[RIGHT.key],
            "wrong": curve,
            "measure": "distance to the ring",
            "about": DISTANCE,
        }
        for key, curve in curves.items()
        if key != RIGHT.key
    }
    return data, trainings
