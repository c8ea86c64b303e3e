"""check_layer and assert_layer_gradients: the pullback of a layer or network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...convolution import Convolution, MaxPool, Reshape
from ...gan import Discriminator, Generator
from ...layers import Dense, Layer, LeakyReLU, Network, Pull, Sigmoid, Tanh
from ..check import check_gradients, raise_unless_passed
from ..problem.random_streams import Stream, generator
from ..problem.tree import describe
from ..report import Report

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def check_layer(layer: Layer | Network, x: ArrayLike, **options: Any) -> Report:
    """Check the pullback of a layer or network: the gradient by its input and by every parameter.

    Parameters
    ----------
    layer : Layer or Network
        What to check. It is copied, and checked in float64 at its own numbers.
    x : array_like
        The input; integers are turned into float32.
    **options
        The options of `check_gradients`.

    Returns
    -------
    Report
        A row for ``x`` and one for every parameter by its name, such as ``0.W``.

    Raises
    ------
    TypeError
        layer is neither a Layer nor a Network.
    ValueError
        An option is not allowed, or x does not fit the layer.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan import Dense
    >>> from npgan.testing import check_layer
    >>> report = check_layer(Dense(4, 3, rng=0), np.eye(4))
    >>> [row.name for row in report.arguments], report.verdict
    (['x', 'W', 'b'], 'PASS')
    """
    if isinstance(layer, Network):
        named = list(layer.named_parameters())
    elif isinstance(layer, Layer):
        named = list(layer.params.items())
    else:
        raise TypeError(
            f"expected an npgan layer or network, got {describe(layer)}; see check_gradients"
        )
    x = np.asarray(x)
    if x.dtype.kind != "f":
        x = x.astype(np.float32)

    def forward(x: np.ndarray, *params: np.ndarray) -> tuple[np.ndarray, Pull]:
        return layer.with_theta(join(layer, params)).forward(x)

    def backward(dout: np.ndarray, pull: Pull) -> tuple[np.ndarray, ...]:
        dx, dtheta = pull(dout, wrt="both")
        return (dx, *(g.copy() for g in split(dtheta, [p.shape for _, p in named])))

    options = {"argnames": ("x", *(name for name, _ in named)), "method": "differences", **options}
    args = (x, *(p.copy() for _, p in named))
    report = check_gradients(forward, backward, args, style="cache", **options)
    report.title = repr(layer)
    return report


def assert_layer_gradients(
    layer: Layer | Network, x: ArrayLike, *, inconclusive: str = "raise", **options: Any
) -> None:
    """Raise AssertionError unless check_layer says PASS.

    Parameters
    ----------
    layer, x
        As in `check_layer`.
    inconclusive : {"raise", "allow"}
        Whether the verdict INCONCLUSIVE raises, too.
    **options
        The options of `check_gradients`.

    Raises
    ------
    AssertionError
        The verdict is FAIL, or INCONCLUSIVE and not allowed; its text is the report.
    TypeError, ValueError
        As in `check_layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan import Dense
    >>> from npgan.testing import assert_layer_gradients
    >>> assert_layer_gradients(Dense(4, 3, rng=0), np.eye(4))
    """
    raise_unless_passed(check_layer(layer, x, **options), inconclusive)


def join(model: Layer | Network, params: Sequence[np.ndarray]) -> np.ndarray:
    """Parameters of a layer or network as one vector in theta's layout, in their own dtype."""
    empty = np.zeros(0, model.theta.dtype)  # for a layer without parameters
    return np.concatenate([empty, *(np.ravel(p) for p in params)])


def split(theta: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> Iterator[np.ndarray]:
    """A vector in theta's layout as arrays of these shapes."""
    start = 0
    for shape in shapes:
        stop = start + int(np.prod(shape))
        yield theta[start:stop].reshape(shape)
        start = stop


def layer_reports(seed: int = 0) -> Iterator[Report]:
    """Every layer, a generator, a discriminator and a network with a convolution."""
    rng = generator(seed, Stream.LAYERS)
    x = rng.standard_normal((5, 4)).astype(np.float32)
    for layer in (Dense(4, 3, rng=rng), LeakyReLU(), Sigmoid(), Tanh()):
        yield check_layer(layer, x, seed=seed)
    for net in (Generator(4, (6, 5), 7, rng=rng), Discriminator(4, (6, 5), rng=rng)):
        yield check_layer(net, x, seed=seed)
    images = rng.standard_normal((2, 5, 3, 2)).astype(np.float32)
    yield check_layer(Convolution(2, 3, 2, rng), images, seed=seed)
    yield check_layer(MaxPool(), images[:, :4, :2], seed=seed)
    yield check_layer(Reshape(10, 3), images, seed=seed)
    layers = [Convolution(2, 3, 2, rng), MaxPool(), LeakyReLU(), Reshape(6), Dense(6, 2, rng=rng)]
    yield check_layer(Network(layers), images, seed=seed)
