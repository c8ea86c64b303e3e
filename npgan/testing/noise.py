"""How rough a function is: the rounding noise of its outputs, measured and not assumed.

Along a line of tiny steps a smooth function is nearly a polynomial of degree one, and what its second
and third differences leave is rounding (Hamming 1971; Moré & Wild 2011, "Estimating computational
noise"). So a float32 buffer inside a float64 function, or a large term that cancels, shows itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours
POINTS = 5


def norm(a: np.ndarray) -> float:
    """The Euclidean length, also of numbers whose squares overflow or underflow."""
    top = float(np.max(np.abs(a), initial=0.0))
    return top * float(np.linalg.norm(a / top)) if 0 < top < np.inf else top


def rms(a: np.ndarray) -> float:
    return norm(a) / np.sqrt(max(a.size, 1))


class Noise:
    """Standard deviation of the rounding error, per output; `coarse`: the function works in float32."""

    def __init__(self, sigma: np.ndarray, coarse: bool):
        self.sigma, self.coarse = sigma, coarse
        kind = np.finfo(np.float32 if coarse else np.float64)
        self.eps, self.tiny = float(kind.eps), float(kind.tiny)

    def at(self, outputs: np.ndarray) -> np.ndarray:
        """The noise at other outputs: as measured, never below half a unit in the last place or underflow."""
        return np.maximum(self.sigma, 0.5 * self.eps * np.abs(outputs) + self.tiny)


def line(
    values: Sequence[np.ndarray], scales: Sequence[float], rng: np.random.Generator, coarse: bool
) -> Iterator[list[np.ndarray]]:
    """POINTS sets of values in a row, a few units in the last place apart, starting a little off the point.

    Off it, because points chosen by people sit on kinks, and a kink would look like noise.
    """
    delta, away = (2.0**-18, 2.0**-9) if coarse else (2.0**-30, 2.0**-12)
    shifts = [s * rng.uniform(-1.0, 1.0, v.shape) for v, s in zip(values, scales, strict=True)]
    starts = [v + away * s for v, s in zip(values, shifts, strict=True)]
    for i in range(POINTS):
        yield [
            (a + (i * delta) * s).astype(v.dtype, copy=False)
            for v, a, s in zip(values, starts, shifts, strict=True)
        ]


def rough(samples: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Two estimates of the rounding error: 2nd and 3rd differences have 6 and 20 times its variance."""
    table = np.stack([np.asarray(s, np.float64) for s in samples])
    second, third = np.diff(table, 2, axis=0), np.diff(table, 3, axis=0)
    return np.sqrt((second**2).mean(axis=0) / 6), np.sqrt((third**2).mean(axis=0) / 20)


def measure_noise(
    outputs: Callable[[Sequence[np.ndarray]], np.ndarray],
    values: Sequence[np.ndarray],
    scales: Sequence[float],
    rng: np.random.Generator,
    coarse: bool,
) -> Noise:
    """The noise of outputs(values); coarse says that the function is known to work in float32."""
    samples = [outputs(v) for v in line(values, scales, rng, coarse)]
    if not all(np.isfinite(s).all() for s in samples):
        return Noise(np.zeros_like(samples[0]), coarse)
    still = samples[0] == samples[-1]
    if not coarse and still.any():
        far = [outputs(v) for v in line(values, scales, rng, True)]
        quantised = still & np.isfinite(far[0]) & (far[0] != far[-1])
        if (
            quantised.sum() > 0.5 * (far[0] != far[-1]).sum()
        ):  # blind to steps that float64 would see
            return Noise(np.maximum(*rough(far)), True)
    if not still.all() and all(np.array_equal(s, s.astype(np.float32)) for s in samples):
        return Noise(np.maximum(*rough(samples)), True)  # float32 numbers in float64 clothes
    second, third = rough(samples)
    sigma = np.maximum(second, third)
    noisy = rms(third) > 1e-9 * rms(
        samples[0]
    )  # a fast function bends, even here: it has second differences
    if sigma.size < 8:
        sigma = 2 * sigma  # five samples can agree by chance; over many outputs that averages out
    return Noise(sigma, coarse or noisy)
