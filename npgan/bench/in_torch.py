"""The training step in PyTorch: as well-known scripts write it, tuned, and compiled."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from npgan.bench.problem import BETA1, BETA2, LR, SLOPE, Step, Weights

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def network(weights: Weights, last: list[Any]) -> Any:
    layers: list[Any] = []
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        dense = torch.nn.Linear(*W.shape)
        dense.weight.data, dense.bias.data = torch.tensor(W.T.copy()), torch.tensor(b.copy())
        layers += [dense, torch.nn.LeakyReLU(SLOPE, inplace=True)]
    return torch.nn.Sequential(*layers[:-1], *last)


def eager(G0: Weights, D0: Weights) -> Step:
    """The step of the MLP script of eriklindernoren/PyTorch-GAN, without its batch norm.

    It uses BCELoss of D's sigmoid, one Adam per network, and new targets in each step. D is called
    separately on real and on detached generated images, and G's update computes gradients of D that
    are not used. The script updates G first and halves D's loss; here D is updated first, as in the
    other peers, and its loss is the sum.
    """
    G, D = network(G0, [torch.nn.Tanh()]), network(D0, [torch.nn.Sigmoid()])
    bce = torch.nn.BCELoss()
    adam_G = torch.optim.Adam(G.parameters(), lr=LR, betas=(BETA1, BETA2))
    adam_D = torch.optim.Adam(D.parameters(), lr=LR, betas=(BETA1, BETA2))

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        ones = torch.empty(len(z), 1).fill_(1.0)
        zeros = torch.empty(len(z), 1).fill_(0.0)
        fake = G(torch.from_numpy(z))
        adam_D.zero_grad()
        loss_D = bce(D(torch.from_numpy(real)), ones) + bce(D(fake.detach()), zeros)
        loss_D.backward()
        adam_D.step()
        adam_G.zero_grad()
        loss_G = bce(D(fake), ones)
        loss_G.backward()
        adam_G.step()
        return loss_D.item(), loss_G.item()

    return step


def tuned(G0: Weights, D0: Weights, compiled: bool = False) -> Step:
    """Losses of logits, fused Adam, one pass of D over all images, D frozen in G's update."""
    G, D = network(G0, [torch.nn.Tanh()]), network(D0, [])
    softplus = torch.nn.functional.softplus
    adam_G = torch.optim.Adam(G.parameters(), lr=LR, betas=(BETA1, BETA2), fused=True)
    adam_D = torch.optim.Adam(D.parameters(), lr=LR, betas=(BETA1, BETA2), fused=True)

    def of_D(real: Any, fake: Any) -> Any:
        logits = D(torch.cat([real, fake]))
        return softplus(-logits[: len(real)]).mean() + softplus(logits[len(real) :]).mean()

    def of_G(fake: Any) -> Any:
        return softplus(-D(fake)).mean()

    generate = G
    if compiled:
        generate, of_D, of_G = (torch.compile(f) for f in (G, of_D, of_G))

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        fake = generate(torch.from_numpy(z))
        loss_D = of_D(torch.from_numpy(real), fake.detach())
        loss_D.backward()
        adam_D.step()
        adam_D.zero_grad(set_to_none=True)
        D.requires_grad_(False)
        loss_G = of_G(fake)
        loss_G.backward()
        adam_G.step()
        adam_G.zero_grad(set_to_none=True)
        D.requires_grad_(True)
        return loss_D.item(), loss_G.item()

    return step


def compiled(G0: Weights, D0: Weights) -> Step:
    return tuned(G0, D0, compiled=True)
