"""Programs that train a GAN on MNIST, each as its users run it: program(images, seed, clock).

The images are (n, 784) uint8, in memory. After every step a program calls clock.tick(sample), where
sample(n) returns n images (n, 784) uint8. `tick` measures the time, takes samples, and ends the
program with an exception. npgan also gives it a function that samples with the help of D. Each program runs in a process of its own and imports its library itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from npgan import GAN, set_threads
from npgan.datasets import Images
from npgan.training.guidance import measure_critic

Sample = Callable[[int], np.ndarray]


class Clock(Protocol):
    """The methods of quality.Clock that programs call."""

    def tick(self, sample: Sample, helped: Sample | None = None) -> None: ...
    def done(self) -> float: ...


Program = Callable[[np.ndarray, int, Clock], None]


class Entry(NamedTuple):
    package: str  # what the program needs
    program: Program | None  # None: its samples come from the runs of another one
    scheduled: bool = False  # it depends on the end of the run, so each time is a separate run


def npgan_with(with_help: bool = False, **settings: Any) -> Entry:
    """GAN(**settings).fit(images), as `npgan train` does, without files.

    A schedule ends with the seconds instead of the epochs. The samples are G's alone; with_help
    asks for a second set, drawn as `npgan sample` draws them.
    """
    config = GAN(**settings).config

    def program(images: np.ndarray, seed: int, clock: Clock) -> None:
        if threads := os.environ.get("OMP_NUM_THREADS"):  # as for the other programs
            set_threads(int(threads))

        class Timed(GAN):
            def step(self, *batch: Any) -> dict[str, float]:
                values = super().step(*batch)
                alone = lambda n: self.sample(n, rng=seed, refine=0, keep=1).reshape(n, -1)
                clock.tick(alone, self.helped if with_help else None)
                return values

            def helped(self, n: int) -> np.ndarray:
                # fit() measures what D says after each epoch; this run ends within one.
                self.critic_ = measure_critic(self, Images("mnist", images, None, (28, 28)))
                return self.sample(n, rng=seed).reshape(n, -1)

            def fraction_done(self) -> float:
                return clock.done()  # the share of the seconds instead of the epochs

        Timed(rng=seed, **settings).fit(images.reshape(-1, 28, 28), epochs=10_000, progress=False)

    return Entry("npgan", program, config["lr_decay"] > 0 or config["instance_noise"] > 0)


def pytorch_gan(images: np.ndarray, seed: int, clock: Clock) -> None:
    """implementations/gan/gan.py of eriklindernoren/PyTorch-GAN, with its default arguments.

    Its BatchNorm1d(width, 0.8) sets epsilon and not, as was probably meant, the momentum; this is
    kept. Like the script it draws samples in training mode, 64 images at a time. Batches are taken
    from one tensor instead of a DataLoader, which converts one image after the other, and nothing
    is printed; both make it faster.
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
    """gan/gan.py of eriklindernoren/Keras-GAN with its settings, in Keras 3.

    A step trains D on 16 real and 16 generated images and G on 32. Keras 3 requires two changes:
    each model has its own Adam, and D takes its first step before it is frozen, because it would
    stay frozen otherwise. predict_on_batch replaces predict, which takes many times as long for a batch.
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
    """examples/generative_adversarial_net.py of HIPS/autograd; its author says that it collapses.

    Networks with one hidden layer of 200, noise of 10 uniform numbers, batches of 100 in the order
    of the data, both networks updated together by Adam with a learning rate of 0.01, initial
    weights of 0.001 times a normal number, float64.
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
    """Pixels from floats in [-1, 1]."""
    return np.clip(np.rint((x + 1) * 127.5), 0, 255).astype(np.uint8)


HELPED = ", D helps"
PROGRAMS = {
    "npgan": npgan_with(with_help=True),
    f"npgan{HELPED}": Entry("npgan", None),
    "PyTorch-GAN": Entry("torch", pytorch_gan),
    "Keras-GAN": Entry("keras", keras_gan),
    "HIPS-autograd": Entry("autograd", autograd_gan),
}
