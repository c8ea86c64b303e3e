"""What the other files of this folder use of the class GAN, so that none of them imports it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..layers import Network
from ..optim import Adam
from ..parallel.group import Group
from .settings import Config
from .streams import Stream


class GANLike(Protocol):
    """The attributes and methods of a GAN that has been started; model.py explains them."""

    config: Config
    group: Group
    images_per_step: int
    generator_: Network
    discriminator_: Network
    average_: Network
    average_D_: Network  # noqa: N815
    critic_: dict[str, float]
    adam_G: Adam  # noqa: N815
    adam_D: Adam  # noqa: N815
    z_rng: np.random.Generator
    shape_: tuple[int, ...] | None
    pixels_: bool
    classes_: list[int]
    data_: dict[str, Any]
    epoch_: int
    position_: int
    sums_: dict[str, float]
    history_: dict[str, list[float]]

    def stream(self, purpose: Stream, *path: int) -> np.random.Generator: ...

    def start(
        self, shape: Sequence[int], pixels: bool = True, classes: Sequence[int] = ()
    ) -> None: ...

    def step(
        self, real: npt.NDArray[Any], labels: npt.NDArray[Any] | None = None
    ) -> dict[str, float]: ...

    def shuffle_rng(self, epoch: int) -> np.random.Generator: ...

    def schedule_for(self, last_epoch: int | None, steps: int = 1) -> None: ...

    def fraction_done(self) -> float: ...

    def generate(
        self, z: npt.NDArray[Any], labels: npt.ArrayLike | None = None
    ) -> npt.NDArray[Any]: ...

    def sample(
        self,
        n: int = 64,
        rng: int | np.random.Generator | None = None,
        label: npt.ArrayLike | None = None,
        refine: int | None = None,
        keep: float | None = None,
    ) -> npt.NDArray[Any]: ...

    def save(self, path: str | os.PathLike[str]) -> None: ...
