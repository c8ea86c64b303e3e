"""Backward passes in which several rules meet."""

from __future__ import annotations

from .. import outcomes
from .exercise import Exercise, Mistake, unchanged

SEVERAL_RULES = (
    Exercise(
        "07_batch_norm",
        "the backward pass of batch normalisation",
        outcomes.gradients("07_batch_norm", "dL/dx"),
        (
            "The path through the variance: what does a little more of x[i] do to the whole "
            "column?",
            "It shrinks the column in proportion to y, by y[i] / B. So y meets dy.",
            "The ? is dy * y: with y = forward(x), the last term is y * (dy * y).mean(axis=0).",
        ),
        (
            Mistake(" - dy.mean(axis=0)", "", "the path through the mean is missing"),
            Mistake(" - y * (dy * y).mean(axis=0)", "", "the path through the variance is missing"),
            Mistake(
                "(dy - dy.mean(axis=0) - y * (dy * y).mean(axis=0)) / s",
                "dy / s",
                "the paths through mean and variance are missing",
            ),
            Mistake(
                "(dy * y).mean(axis=0)", "(dy * x).mean(axis=0)", "the last term contains y, not x"
            ),
            Mistake("x.var(axis=0) + EPS", "x.var(axis=0)", "EPS is missing in s"),
            Mistake(".mean(axis=0)) / s", ".mean(axis=0))", "the division by s is missing"),
            Mistake(
                "(dy * y).mean",
                "(dy * y).sum",
                "the last term is a sum over the batch: take the mean",
            ),
        ),
    ),
    Exercise(
        "08_two_layers",
        "a pullback through two layers",
        outcomes.pullback("08_two_layers", "dL/dx", "dL/dW1", "dL/dW2"),
        (
            "y = h @ W2 is exercise 3 without a bias: dh = dy @ W2.T, and dW2 = ?",
            "dW2 = h.T @ dy. da is dh times the gate of exercise 4, with a in the place of x.",
            "x @ W1 is exercise 3 again, with da in the place of dy: "
            "return da @ W1.T, x.T @ da, dW2",
        ),
        (
            Mistake(
                "da = dh * np.where(a > 0, 1, SLOPE)", "da = dh", "the gate of LeakyReLU is missing"
            ),
            Mistake(
                "1, SLOPE)\n        return",
                "1, 0)\n        return",
                "where a < 0 the derivative is SLOPE, not 0",
            ),
            Mistake(
                "1, SLOPE)\n        return",
                "SLOPE, 1)\n        return",
                "the gate of LeakyReLU is the wrong way round",
            ),
            Mistake("h.T @ dy", "a.T @ dy", "dW2 contains h, the input of the second layer, not a"),
            Mistake("x.T @ da", "x.T @ dh", "dW1 contains da, after the gate, not dh"),
            Mistake("da @ W1.T", "dh @ W1.T", "dx contains da, after the gate, not dh"),
            Mistake(
                "x.T @ da, h.T @ dy",
                "x.T @ da / len(x), h.T @ dy / len(x)",
                "the gradients of the weights are divided by the batch size",
            ),
        ),
    ),
    Exercise(
        "09_stale_cache",
        "a layer whose cache becomes stale",
        outcomes.two_passes,
        (
            "What is in self.x after two forward passes?",
            "A function that is defined inside forward keeps the local variables of its own call.",
            "Define pull(dy) inside forward, with x and y instead of self.x and self.y, and return "
            "y, pull.",
        ),
        (
            unchanged("the second forward pass overwrites what the first one stored on self"),
            Mistake(
                "return d @ self.W.T, x.T @ d",
                "return d @ self.W.T, x.T @ d / len(x)",
                "dW is divided by the batch size",
            ),
            Mistake(
                "        def pull(dy):\n",
                "        self.y = y\n\n        def pull(dy):\n            y = self.y\n",
                "y is still that of the last forward pass: keep it in forward's own variable",
            ),
            Mistake("d = dy * (1 - y**2)", "d = dy", "the derivative of tanh is missing"),
            Mistake(
                "        def pull(dy):\n",
                "        self.x = x\n\n        def pull(dy):\n            x = self.x\n",
                "x is still that of the last forward pass: keep it in forward's own variable",
            ),
        ),
        symptom="after a second forward pass, the first pullback returns other gradients",
    ),
    Exercise(
        "10_convolution",
        "the backward pass of a convolution, as a matrix product",
        outcomes.gradients("10_convolution", "dL/dx", "dL/dk"),
        (
            "y = patches @ k is a dense layer with one output. dk: sum over all patches of dy * "
            "patch.",
            "np.tensordot(dy, patches(x), axes=3) is this sum. For dx, loop over the nine places "
            "of k.",
            "With rows, columns = dy.shape[1:], place (i, j) is "
            "dx[:, i : i + rows, j : j + columns] += dy * k[i, j]; dk is the tensordot, "
            ".reshape(3, 3)",
        ),
        (
            Mistake(
                "+= dy * k[i, j]",
                "= dy * k[i, j]",
                "dx is assigned: a pixel of several patches gets a sum",
            ),
            Mistake(
                "dy * k[i, j]",
                "dy * k[2 - i, 2 - j]",
                "the kernel is turned round: place (i, j) goes with k[i, j]",
            ),
            Mistake("dy * k[i, j]", "dy * k[j, i]", "the kernel is transposed"),
            Mistake("+= dy * k[i, j]", "+= dy", "dx does not contain the kernel"),
            Mistake(".reshape(3, 3)", ".reshape(3, 3) / len(x)", "dk is divided by the batch size"),
            Mistake(".reshape(3, 3)", ".reshape(3, 3).T", "dk is transposed"),
        ),
    ),
)
