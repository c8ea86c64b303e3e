"""Train a judge: the classifier whose features `npgan evaluate` uses to score generated images.

    python tools/train_judge.py --out judge.npz [--kind dense|conv] [--data mnist|PATH] [--bend 1.0]
                                [--epochs 60] [--seed 0]

PATH holds a training and a test split with labels, in a form that npgan.datasets.load reads. The
judges in the package were made by four commands, which give the same bits on the same machine, with
these options:

    mnist                none
    fashion-mnist        --bend 0.4 --epochs 30 --data FOLDER
    mnist-conv           --kind conv --bend 0.7 --epochs 16
    fashion-mnist-conv   --kind conv --bend 0.4 --epochs 14 --data FOLDER

FOLDER is called fashion-mnist and holds the four files of the Fashion-MNIST repository, or those of
Debian's package dataset-fashion-mnist. An epoch of a convolutional judge takes about a minute on
one core.

The network is made of npgan's layers: Dense and LeakyReLU, and for "conv" also Convolution and
MaxPool (see npgan/metrics/networks.py). Adam trains it on the softmax
cross-entropy, with a learning rate that falls to 0. In each epoch every image is distorted anew:
shifted, rotated, scaled, sheared and bent elastically, as in Simard et al. 2003, section 2.1, and
Cireşan et al. 2010, section 2. The average of the weights is kept.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from npgan import Adam, Network, kernels, ops, value_and_grad  # noqa: E402
from npgan.datasets import DataError, Images, load, to_unit  # noqa: E402
from npgan.datasets.fingerprints import image_crc32  # noqa: E402
from npgan.files import checkpoint  # noqa: E402
from npgan.metrics.judge import Judge  # noqa: E402
from npgan.metrics.networks import input_shape, judge_layers  # noqa: E402
from npgan.metrics.scores import make_reference, reference_scores  # noqa: E402

KINDS = {  # channels of the convolutions, widths of the hidden layers, images per step
    "dense": ((), (512, 256, 128), 128),
    "conv": ((24, 48), (128,), 64),
}  # the last width is the number of features
AVERAGE = 0.999  # decay of the exponential moving average of the weights


class Distortion:
    """Distorts images (n, h, w) in [-1, 1], each at random; pixels from outside are -1.

    Pixel (y, x) of the result is interpolated bilinearly at A (y, x) + shift + field(y, x). The
    matrix A rotates, scales and shears around the centre, and field is smoothed Gaussian noise.
    `strength` multiplies all of these distortions.
    """

    def __init__(self, shape: tuple[int, ...], strength: float = 1.0):
        self.h, self.w = shape
        self.shift, self.elastic = 2.0 * strength, 1.5 * strength  # pixels
        self.turn, self.scale, self.shear = 0.2 * strength, 0.12 * strength, 0.15 * strength
        self.smooth = smoother(self.h), smoother(self.w)
        y, x = np.mgrid[: self.h, : self.w].astype(np.float32).reshape(2, -1)
        self.y, self.x = y - (self.h - 1) / 2, x - (self.w - 1) / 2

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n, h, w = images.shape

        def uniform(size: float) -> np.ndarray:
            return rng.uniform(-size, size, (n, 1)).astype(np.float32)

        turn, shear, taller, wider = map(uniform, (self.turn, self.shear, self.scale, self.scale))
        field = (
            self.smooth[0] @ rng.standard_normal((2, n, h, w), dtype=np.float32) @ self.smooth[1].T
        )
        field = field.reshape(2, n, h * w) * (self.elastic * rng.random((n, 1), dtype=np.float32))
        c, s = np.cos(turn), np.sin(turn)
        y = (
            (1 + taller) * (c * self.y + (s + shear) * self.x)
            + field[0]
            + uniform(self.shift)
            + h / 2
            + 0.5
        )
        x = (1 + wider) * (c * self.x - s * self.y) + field[1] + uniform(self.shift) + w / 2 + 0.5

        framed = np.full((n, h + 2, w + 2), -1, np.float32)
        framed[:, 1:-1, 1:-1] = images
        y, x = np.clip(y, 0, h + 0.999), np.clip(x, 0, w + 0.999)
        row, column = y.astype(np.int32), x.astype(np.int32)
        y, x = y - row, x - column
        first = np.arange(n, dtype=np.int32)[:, None] * ((h + 2) * (w + 2))
        index, values = first + row * (w + 2) + column, framed.ravel()
        above = values[index] * (1 - x) + values[index + 1] * x
        below = values[index + w + 2] * (1 - x) + values[index + w + 3] * x
        return above * (1 - y) + below * y


def smoother(side: int, sigma: float = 3.5) -> np.ndarray:
    """The matrix (side, side) that smooths a column of white noise and keeps its variance."""
    i = np.arange(side)
    weights = np.exp(-0.5 * ((i[:, None] - i) / sigma) ** 2)
    return (weights / np.sqrt(np.sum(weights**2, axis=1, keepdims=True))).astype(np.float32)


def train(
    data: Images,
    channels: tuple[int, ...],
    sizes: list[int],
    batch: int,
    epochs: int,
    strength: float,
    seed: int,
    report: Callable[[int, Network], None],
) -> Network:
    """Train for so many epochs with images that are distorted anew, and return the average."""
    rng = np.random.default_rng(seed)
    net = Network(judge_layers(data.shape, channels, sizes, rng))
    averaged, adam, distort = net.copy(), Adam(net, lr=1e-3), Distortion(data.shape, strength)
    one_hot = np.eye(sizes[-1], dtype=np.float32)
    steps = epochs * (len(data) // batch)
    for epoch in range(epochs):
        order = rng.permutation(len(data))[: len(data) // batch * batch]
        for chosen in order.reshape(-1, batch):
            x = distort(to_unit(data.images[chosen]).reshape(-1, *data.shape), rng)
            targets = one_hot[data.labels[chosen]]
            logits, pull = net.forward(x.reshape(-1, *input_shape(data.shape, channels)))
            _, (dlogits,) = value_and_grad(
                lambda z, t=targets: ops.softmax_cross_entropy(z, t), logits
            )
            adam.hyper["lr"] = 1e-3 * (1 - adam.t / steps)
            adam.step(pull(dlogits, wrt="params"))
            kernels.ema_update(
                averaged.theta, net.theta, min(AVERAGE, (1 + adam.t) / (10 + adam.t))
            )
        report(epoch + 1, averaged)
    return averaged


def accuracy(net: Network, data: Images, channels: tuple[int, ...]) -> float:
    """The share of the images that the network classifies correctly."""
    x = data.images.reshape(-1, *input_shape(data.shape, channels))
    found = [net(to_unit(x[i : i + 250])).argmax(1) for i in range(0, len(x), 250)]
    return float(np.mean(np.concatenate(found) == data.labels))


def build(source: str, kind: str, out: Path, epochs: int, strength: float, seed: int) -> None:
    """Train on the training split, and write the judge with the scores of real images and noise."""
    data, test = (load(source, split) for split in ("train", "test"))
    for split in (data, test):
        if split.labels is None or len(split.shape) != 2 or split.images.dtype != np.uint8:
            raise DataError(f"{source}: a judge needs greyscale images with labels, in both splits")
    channels, hidden, batch = KINDS[kind]
    sizes = [data.images.shape[1], *hidden, int(data.labels.max()) + 1]
    began = time.perf_counter()

    def report(epoch: int, net: Network) -> None:
        right, seconds = accuracy(net, test, channels), time.perf_counter() - began
        print(f"epoch {epoch}: {right:.2%} of the test images, {seconds:.0f} s", flush=True)

    net = train(data, channels, sizes, batch, epochs, strength, seed, report)
    theta = net.theta.astype(np.float16)
    net.theta[:] = theta
    crc32 = {"train": image_crc32(data), "test": image_crc32(test)}
    meta = dict(
        judge=data.name,
        accuracy=accuracy(net, test, channels),
        shape=data.shape,
        sizes=sizes,
        crc32=crc32,
    )
    if channels:
        meta["channels"] = channels
    judge = Judge(theta, {**meta, "bounds": {}})
    meta["bounds"] = reference_scores(judge, make_reference(judge, data, test))
    checkpoint.save(out, {"theta": theta}, meta)
    print(f"{out}: {out.stat().st_size:,} bytes, SHA-256 of the weights {judge.sha256}; {judge}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", default="mnist", help="mnist, or where the images are (default: mnist)"
    )
    parser.add_argument(
        "--kind", choices=KINDS, default="dense", help="the layers of the judge (default: dense)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the judge's file")
    parser.add_argument(
        "--bend", type=float, default=1.0, help="strength of the distortions (default: 1)"
    )
    parser.add_argument(
        "--epochs", type=int, default=60, help="passes over the images (default: 60)"
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    args = parser.parse_args()
    try:
        build(args.data, args.kind, args.out, args.epochs, args.bend, args.seed)
    except (DataError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
