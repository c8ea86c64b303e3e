"""Programs that learn to draw MNIST, each as its users run it: program(images, seed, clock).

images (n, 784) uint8. After every step a program calls clock.tick(sample), where sample(n) gives n images as
uint8 (n, 784); tick keeps the time, takes samples when it is time to, and ends the program by raising. Every
program has the images in memory. Each of npgan's peers imports its library itself, for it runs in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from npgan import GAN, set_threads

Sample = Callable[[int], np.ndarray]


class Clock(Protocol):
    """quality.Clock, as the programs see it."""

    def tick(self, sample: Sample) -> None: ...
    def done(self) -> float: ...


Program = Callable[[np.ndarray, int, Clock], None]


class Entry(NamedTuple):
    package: str  # what the program needs
    program: Program
    scheduled: bool = (
        False  # what it does depends on when it ends, so each time is a run of its own
    )


def npgan_with(**settings: Any) -> Entry:
    """GAN(**settings).fit(images): what `npgan train` does, without the files. A schedule ends with the seconds."""
    config = GAN(**settings).config

    def program(images: np.ndarray, seed: int, clock: Clock) -> None:
        if threads := os.environ.get("OMP_NUM_THREADS"):  # as many as the other programs have
            set_threads(int(threads))

        class Timed(GAN):
            def step(self, *batch: Any) -> dict[str, float]:
                values = super().step(*batch)
                clock.tick(lambda n: self.sample(n, rng=seed).reshape(n, -1))
                return values

            def fraction_done(self) -> float:
                # Of the seconds, not of the epochs: there are more epochs than it will see.
                return clock.done()

        Timed(rng=seed, **settings).fit(images.reshape(-1, 28, 28), epochs=10_000, progress=False)

    return Entry("npgan", program, config["lr_decay"] > 0 or config["instance_noise"] > 0)


def pytorch_gan(images: np.ndarray, seed: int, clock: Clock) -> None:
    """implementations/gan/gan.py of eriklindernoren/PyTorch-GAN, with its default arguments.

    Its BatchNorm1d(width, 0.8) sets epsilon, not the momentum that was probably meant, and is kept. It draws in
    training mode and so does this, 64 images at a time. In place of a DataLoader, which converts one image
    after the other, the batches are taken from one tensor; nothing is printed. Both make it faster.
    """
    import torch
    from torch import nn

    torch.manual_seed(seed)
    layers: list[Any] = [nn.Linear(100, 128), nn.LeakyReLU(0.2, inplace=True)]
    for a, b in ((128, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b, 0.8), nn.LeakyReLU(0.2, inplace=True)]
    G = nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh())
    D = nn.Sequential(
        nn.Linear(784, 512), nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(512, 256), nn.LeakyReLU(0.2, inplace=True), nn.Linear(256, 1), nn.Sigmoid(),
    )  # fmt: skip
    bce = nn.BCELoss()
    adam_G, adam_D = (
        torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (G, D)
    )
    data = torch.from_numpy(images).float() / 127.5 - 1

    def sample(n: int) -> np.ndarray:
        with torch.no_grad():
            pieces = [G(torch.randn(64, 100)) for _ in range(-(-n // 64))]
        return to_uint8(torch.cat(pieces)[:n].numpy())

    while True:
        for chosen in torch.randperm(len(data)).split(64):
            real = data[chosen]
            ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            adam_G.zero_grad()
            fake = G(torch.randn(len(real), 100))
            loss_G = bce(D(fake), ones)
            loss_G.backward()
            adam_G.step()
            adam_D.zero_grad()
            loss_D = (bce(D(real), ones) + bce(D(fake.detach()), zeros)) / 2
            loss_D.backward()
            adam_D.step()
            loss_D.item(), loss_G.item()  # the script prints them in every step
            clock.tick(sample)


def keras_gan(images: np.ndarray, seed: int, clock: Clock) -> None:
    """gan/gan.py of eriklindernoren/Keras-GAN with the numbers it is run with, in Keras 3.

    D learns from 16 real and from 16 generated images, G from 32. Two things are not as there, for Keras 3
    has other rules: each model has an Adam of its own, and D takes its first step before it is frozen, or it
    would stay frozen. predict_on_batch stands for predict, which takes many times as long for a batch.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    parts: list[Any] = [keras.Input((100,))]
    for width in (256, 512, 1024):
        parts += [layers.Dense(width), layers.LeakyReLU(negative_slope=0.2)]
        parts += [layers.BatchNormalization(momentum=0.8)]
    G = keras.Sequential([*parts, layers.Dense(784, activation="tanh")])
    parts = [keras.Input((784,))]
    for width in (512, 256):
        parts += [layers.Dense(width), layers.LeakyReLU(negative_slope=0.2)]
    D = keras.Sequential([*parts, layers.Dense(1, activation="sigmoid")])
    both = keras.Sequential([keras.Input((100,)), G, D])
    data = (images.astype(np.float32) - 127.5) / 127.5
    noise = lambda n: rng.standard_normal((n, 100), dtype=np.float32)

    def learn_D() -> None:
        real, fake = data[rng.integers(0, len(data), 16)], G.predict_on_batch(noise(16))
        D.train_on_batch(real, np.ones((16, 1)))
        D.train_on_batch(fake, np.zeros((16, 1)))

    D.compile(keras.optimizers.Adam(2e-4, 0.5), "binary_crossentropy", metrics=["accuracy"])
    learn_D()
    D.trainable = False
    both.compile(keras.optimizers.Adam(2e-4, 0.5), "binary_crossentropy")
    sample = lambda n: to_uint8(G.predict(noise(n), batch_size=500, verbose=0))
    while True:
        both.train_on_batch(noise(32), np.ones((32, 1)))
        clock.tick(sample)
        learn_D()


def autograd_gan(images: np.ndarray, seed: int, clock: Clock) -> None:
    """examples/generative_adversarial_net.py of HIPS/autograd, of which its author says that it collapses.

    Networks of one hidden layer of 200, uniform noise of 10 numbers, batches of 100 in the data's order,
    both networks moved at once by Adam with steps of 0.01, weights that begin at 0.001, float64.
    """
    import autograd.numpy as anp
    from autograd import grad

    rng = np.random.RandomState(seed)
    begin = lambda *sizes: [0.001 * rng.randn(*s) for s in sizes]
    G, D = begin((10, 200), (200,), (200, 784), (784,)), begin((784, 200), (200,), (200, 1), (1,))
    data = images / 255.0

    def network(weights: list[Any], x: Any) -> Any:
        W, b, V, c = weights
        return anp.dot(anp.maximum(0, anp.dot(x, W) + b), V) + c

    def draw(G: list[Any], n: int) -> Any:
        return 0.5 * (anp.tanh(network(G, rng.rand(n, 10))) + 1)

    def objective(G: list[Any], D: list[Any], real: np.ndarray) -> Any:
        log_sigmoid = lambda x: x - anp.logaddexp(0, x)
        at_fake, at_real = network(D, draw(G, 100)), network(D, real)
        return anp.mean(log_sigmoid(at_real)) - anp.mean(log_sigmoid(at_fake))

    gradients = grad(objective, (0, 1))
    slots = [[(np.zeros_like(w), np.zeros_like(w)) for w in net] for net in (G, D)]
    t = 0
    while True:
        for start in range(0, len(data), 100):
            t += 1
            for net, grads, moments, sign in zip(
                (G, D), gradients(G, D, data[start : start + 100]), slots, (1, -1), strict=True
            ):
                for i, g in enumerate(grads):
                    m, v = (0.1 * g + 0.9 * moments[i][0], 0.001 * g**2 + 0.999 * moments[i][1])
                    moments[i] = m, v
                    net[i] = net[i] + sign * 0.01 * (m / (1 - 0.9**t)) / (
                        np.sqrt(v / (1 - 0.999**t)) + 1e-8
                    )
            clock.tick(lambda n: np.rint(255 * draw(G, n)).astype(np.uint8))


def to_uint8(x: np.ndarray) -> np.ndarray:
    """From [-1, 1]"""
    return np.clip(np.rint((x + 1) * 127.5), 0, 255).astype(np.uint8)


PROGRAMS = {
    "npgan": npgan_with(),
    "PyTorch-GAN": Entry("torch", pytorch_gan),
    "Keras-GAN": Entry("keras", keras_gan),
    "HIPS-autograd": Entry("autograd", autograd_gan),
}
