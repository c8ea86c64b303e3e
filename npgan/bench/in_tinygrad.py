"""The training step in tinygrad: one TinyJit, on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad import Context, Tensor, TinyJit
from tinygrad.nn.optim import Adam

from npgan.bench.problem import BETA1, BETA2, EPS, LR, SLOPE, Step, Weights


def forward(weights: list[Any], x: Any) -> Any:
    for i in range(0, len(weights), 2):
        x = x.matmul(weights[i]) + weights[i + 1]
        if i + 2 < len(weights):
            x = x.leaky_relu(SLOPE)
    return x


def step(G0: Weights, D0: Weights) -> Step:
    G, D = ([Tensor(w).is_param_() for w in net] for net in (G0, D0))
    adam_G, adam_D = (Adam(net, lr=LR, b1=BETA1, b2=BETA2, eps=EPS) for net in (G, D))

    @TinyJit
    def update(real: Any, z: Any) -> Any:
        fake = forward(G, z).tanh()
        adam_D.zero_grad()
        logits = forward(D, real.cat(fake.detach()))
        loss_D = (-logits[: len(real)]).softplus().mean() + logits[len(real) :].softplus().mean()
        loss_D.backward()
        loss_D.realize(*adam_D.schedule_step())
        adam_G.zero_grad()
        loss_G = (-forward(D, fake)).softplus().mean()
        loss_G.backward()
        loss_G.realize(*adam_G.schedule_step())
        return Tensor.stack(loss_D, loss_G).realize()

    def step(real: np.ndarray, z: np.ndarray) -> tuple[float, float]:
        with Context(TRAINING=1):
            loss_D, loss_G = update(Tensor(real).realize(), Tensor(z).realize()).tolist()
        return loss_D, loss_G

    return step
