"""A layer with a rule of your own, and how to catch a wrong one: python examples/your_own_layer.py

The layer is Swish with a steepness per feature, learned like any weight (Ramachandran et al. 2017):

    y = x σ(s x)          x (B, F), s (F,)  ->  y (B, F)

On paper, with p = σ(s x) and p' = p (1 - p):

    dy/dx = p + s x p'            dy/ds = x² p'

s is repeated for every row of the batch, so its gradient is summed over the rows: `sum_to`.
"""

import numpy as np

import npgan
from npgan import Dense, Layer, Network, Tensor, grad, primitive
from npgan.ops import sigmoid, sum_to
from npgan.ops import sum as total


@primitive
def swish(x, s):
    """x σ(s x)"""
    return x * sigmoid(s * x)


def by_x(g, y, x, s):
    p = sigmoid(s * x)
    return g * (p + s * x * p * (1.0 - p))


def by_s(g, y, x, s):
    p = sigmoid(s * x)
    return sum_to(g * x * x * p * (1.0 - p), shape=np.shape(s))


swish.rules = (by_x, by_s)


# ---- two ways to get a rule wrong ----


@primitive
def forgetful(x, s):
    """swish again"""
    return swish(x, s)


# The product rule forgotten: p is treated as a constant. Wrong at once.
forgetful.rules = (lambda g, y, x, s: g * sigmoid(s * x), by_s)


@primitive
def frozen(x, s):
    """swish again"""
    return swish(x, s)


def by_x_frozen(g, y, x, s):
    bare = lambda a: a.data if isinstance(a, Tensor) else a
    p = sigmoid(bare(s) * bare(x))  # an array, where the tape should have seen x and s
    return g * (p + s * x * p * (1.0 - p))


# Right numbers, but p has left the tape: the first derivative is perfect, and the second is not.
frozen.rules = (by_x_frozen, by_s)


# ---- the check ----


def differences(f, x, h=1e-6):
    """The slope of f, array -> number, along each element of x: (f(x + h) - f(x - h)) / 2h."""
    slope = np.empty_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        slope[i] = (f(up) - f(down)) / (2 * h)
    return slope


def error(got, expected):
    return float(np.max(np.abs(got - expected)) / np.max(np.abs(expected)))


def check(op, rng=0):
    """The largest relative error of the rules of op(x, s) at order 1, and at order 2.

    Order 1 differentiates a loss, Σ w y with random weights w. Order 2 differentiates Σ v dL/dx + Σ u dL/ds,
    where dL/dx and dL/ds are what the rules say: it asks whether the rules can be differentiated themselves.
    """
    rng = np.random.default_rng(rng)
    x, s = (
        rng.standard_normal((5, 3)),
        rng.uniform(0.5, 2.0, 3),
    )  # float64: differences need its digits
    w, v, u = *rng.standard_normal((2, 5, 3)), rng.standard_normal(3)

    def loss(x, s):
        return total(w * op(x, s))

    def slopes(x, s):  # of arrays, a number; of Tensors, a Tensor with the rules on its tape
        tape = isinstance(x, Tensor)
        leaves = [x, s] if tape else [Tensor(x), Tensor(s)]
        dx, ds = grad(loss(*leaves), leaves, create_graph=tape)
        return total(v * dx) + total(u * ds)

    orders = []
    for f in (loss, slopes):
        leaves = [Tensor(x), Tensor(s)]
        dx, ds = grad(f(*leaves), leaves)
        error_x = error(dx, differences(lambda x, f=f: f(x, s), x))
        error_s = error(ds, differences(lambda s, f=f: f(x, s), s))
        orders.append(max(error_x, error_s))
    return tuple(orders)


# ---- the layer in a network ----


def train(steps=300, rng=0):
    """Fit sin(3x) with a network of swish layers. Returns the loss before and after, and the network."""
    rng = np.random.default_rng(rng)
    net = Network(
        [Dense(1, 32, rng=rng), Layer(swish, {"s": np.ones(32)}), Dense(32, 1, "glorot", rng)]
    )
    adam = npgan.Adam(net, lr=0.02)
    x = np.linspace(-2, 2, 128, dtype=np.float32)[:, None]
    target = np.sin(3 * x)
    losses = []
    for _ in range(steps):
        y, pull = net.forward(x)
        losses.append(float(np.mean((y - target) ** 2)))
        adam.step(pull(2 * (y - target) / y.size, wrt="params"))
    return losses[0], losses[-1], net


def main():
    found = {op.__name__: check(op) for op in (swish, forgetful, frozen)}
    print("largest relative error   order 1        order 2")
    for name, errors in found.items():
        marks = [f"{e:.0e} {'WRONG' if e > 1e-6 else 'right'}" for e in errors]
        print(f"  {name:<22} {'    '.join(marks)}")
    before, after, net = train()
    s = net.layers[1].params["s"]
    print(f"trained {net!r}")
    print(
        f"  mean square error {before:.3f} -> {after:.3f};  s began at 1, now {s.min():.2f} to {s.max():.2f}"
    )
    return found, before, after


if __name__ == "__main__":
    main()
