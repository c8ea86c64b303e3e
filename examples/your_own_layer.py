"""Write a layer with its derivatives, and check them: python examples/your_own_layer.py

The layer is Swish with a trained steepness s for each feature (Ramachandran et al. 2017):

    y = x σ(s x)          x (B, F), s (F,)  ->  y (B, F)

Its derivatives, with p = σ(s x) and p' = p (1 - p):

    dy/dx = p + s x p'            dy/ds = x² p'

A rule gets g = dL/dy and returns dL/dx or dL/ds. All rows of the batch use the same s, so that its
gradient is the sum over the rows: `sum_to`.
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


# ---- two wrong rules ----


@primitive
def forgetful(x, s):
    """swish again"""
    return swish(x, s)


# The product rule is forgotten: p is treated as a constant. The first derivative is wrong.
forgetful.rules = (lambda g, y, x, s: g * sigmoid(s * x), by_s)


@primitive
def frozen(x, s):
    """swish again"""
    return swish(x, s)


def by_x_frozen(g, y, x, s):
    as_array = lambda a: a.data if isinstance(a, Tensor) else a
    p = sigmoid(as_array(s) * as_array(x))  # an array: the tape does not record x and s
    return g * (p + s * x * p * (1.0 - p))


# The numbers are right, but p is not on the tape: the first derivative is right, the second wrong.
frozen.rules = (by_x_frozen, by_s)


# ---- the check ----


def differences(f, x, h=1e-6):
    """The derivative of f, array -> number, by each element of x: (f(x + h) - f(x - h)) / 2h."""
    derivative = np.empty_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        derivative[i] = (f(up) - f(down)) / (2 * h)
    return derivative


def error(got, expected):
    """The largest error, relative to the largest expected element."""
    return float(np.max(np.abs(got - expected)) / np.max(np.abs(expected)))


def check(op, rng=0):
    """The largest relative error of the rules of op(x, s) at order 1, and at order 2.

    Order 1 differentiates the loss L = Σ w y, with random weights w. Order 2 differentiates
    Σ v dL/dx + Σ u dL/ds, where the rules compute dL/dx and dL/ds: this checks whether the rules
    themselves can be differentiated.
    """
    rng = np.random.default_rng(rng)
    # float64, because the differences lose digits.
    x, s = rng.standard_normal((5, 3)), rng.uniform(0.5, 2.0, 3)
    w, v, u = *rng.standard_normal((2, 5, 3)), rng.standard_normal(3)

    def loss(x, s):
        return total(w * op(x, s))

    def gradient_sum(x, s):  # a number for arrays; for Tensors a Tensor, with the rules on its tape
        tape = isinstance(x, Tensor)
        leaves = [x, s] if tape else [Tensor(x), Tensor(s)]
        dx, ds = grad(loss(*leaves), leaves, create_graph=tape)
        return total(v * dx) + total(u * ds)

    orders = []
    for f in (loss, gradient_sum):
        leaves = [Tensor(x), Tensor(s)]
        dx, ds = grad(f(*leaves), leaves)
        error_x = error(dx, differences(lambda x, f=f: f(x, s), x))
        error_s = error(ds, differences(lambda s, f=f: f(x, s), s))
        orders.append(max(error_x, error_s))
    return tuple(orders)


# ---- the layer in a network ----


def train(steps=300, rng=0):
    """Fit sin(3x) with a network that has a swish layer: the first and last loss, the network."""
    rng = np.random.default_rng(rng)
    swish_layer = Layer(swish, {"s": np.ones(32)})
    net = Network([Dense(1, 32, rng=rng), swish_layer, Dense(32, 1, "glorot", rng)])
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
    print(f"  mean square error {before:.3f} -> {after:.3f}")
    print(f"  s was 1 and is now {s.min():.2f} to {s.max():.2f}")
    return found, before, after


if __name__ == "__main__":
    main()
