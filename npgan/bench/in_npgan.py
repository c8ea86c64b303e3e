"""The training step in npgan."""

from __future__ import annotations

import os

import numpy as np

import npgan
import npgan.kernels.compiled  # belongs to the import time; the first step compiles
from npgan import Adam, Discriminator, Generator, discriminator_step, generator_step
from npgan.bench.problem import BETA1, LR, Step, Weights, sizes_of

npgan.set_threads(int(os.environ["OMP_NUM_THREADS"]))


def step(G0: Weights, D0: Weights) -> Step:
    npgan.use_kernels("compiled")
    latent, *hidden, out = sizes_of(G0)
    inputs, *hidden_D, _ = sizes_of(D0)
    G, D = Generator(latent, hidden, out), Discriminator(inputs, hidden_D)
    G.theta[:], D.theta[:] = npgan.flatten(G0), npgan.flatten(D0)
    adam_G, adam_D = Adam(G, LR, BETA1), Adam(D, LR, BETA1)

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        fake, pull_G = G.forward(z)
        loss_D = discriminator_step(D, adam_D, real, fake)["loss_D"]
        return loss_D, generator_step(D, adam_G, fake, pull_G)["loss_G"]

    return step
