"""Backward passes of one function each."""

from __future__ import annotations

from .. import outcomes
from .exercise import Exercise, Mistake

ONE_RULE = (
    Exercise(
        "01_multiply",
        "the backward pass of a product",
        outcomes.gradients("01_multiply", "dL/da", "dL/db"),
        (
            "If a grows by a little, by how much does one entry of a * b grow?",
            "By b times as much: dy/da = b. What arrives at a is dL/dy times that.",
            "return dy * b, dy * (the other one)",
        ),
        (
            Mistake("dy * b, dy * a", "dy * a, dy * b", "da and db are exchanged: dy/da is b"),
            Mistake("dy * b, dy * a", "b, a", "dy is missing: multiply each derivative with dy"),
            Mistake("dy * a", "dy * b", "db is computed with b, but dy/db is a"),
            Mistake("dy * b, dy * a", "dy, dy", "this is the rule of a + b: dy/da is b, not 1"),
        ),
    ),
    Exercise(
        "02_bias",
        "the backward pass of adding a bias",
        outcomes.gradients("02_bias", "dL/dx", "dL/db"),
        (
            "In how many entries of y does b[0] occur? And x[0, 0]?",
            "x[0, 0] is in one entry: its gradient is dy[0, 0]. b[0] is in all entries of column "
            "0: its gradient is the sum of dy over this column.",
            "return dy, dy.sum(axis=...) with the axis of the batch, the first one",
        ),
        (
            Mistake("dy, dy.sum(axis=0)", "dy, dy", "db must be summed over the batch"),
            Mistake("dy.sum(axis=0)", "dy.mean(axis=0)", "db is a mean over the batch: sum"),
            Mistake("dy.sum(axis=0)", "dy.sum(axis=1)", "db is summed over the wrong axis"),
            Mistake("dy.sum(axis=0)", "dy.sum()", "db is one number: sum over the batch alone"),
            Mistake(
                "dy.sum(axis=0)", "(dy * x).sum(axis=0)", "the derivative of x + b by b is 1, not x"
            ),
        ),
    ),
    Exercise(
        "03_affine",
        "the backward pass of a dense layer",
        outcomes.gradients("03_affine", "dL/dx", "dL/dW", "dL/db"),
        (
            "db is exercise 2. dx must be (B, n): which of dy (B, m) and W (n, m) must be "
            "transposed, so that their product has this shape?",
            "dx = dy @ W.T. dW must be (n, m): which of x (B, n) and dy (B, m) must be transposed, "
            "and which comes first?",
            "dW = x.T @ dy. So: return dy @ W.T, x.T @ dy, and the db of exercise 2",
        ),
        (
            Mistake("x.T @ dy,", "x.T @ dy / len(x),", "dW is divided by the batch size"),
            Mistake("dy.sum(axis=0)", "dy.mean(axis=0)", "db is a mean over the batch: sum"),
            Mistake("dy @ W.T", "x", "dx must be dy times W transposed"),
            Mistake("dy.sum(axis=0)", "dy", "db must be summed over the batch"),
            Mistake("x.T @ dy,", "dy.T @ x,", "dW is transposed: it must have the shape of W"),
            Mistake(
                "x.T @ dy,", "x.T @ (dy * (x @ W + b)),", "dW contains y, but y is linear in W"
            ),
        ),
    ),
    Exercise(
        "04_leaky_relu",
        "the backward pass of LeakyReLU",
        outcomes.gradients("04_leaky_relu", "dL/dx"),
        (
            "What is the slope of the function to the right of 0, and what to the left?",
            "1 where x > 0, and SLOPE elsewhere; np.where(condition, value, other value) makes "
            "such an array. What arrives at x is dy times this derivative.",
            "return dy * np.where(x > 0, 1, ...)",
        ),
        (
            Mistake("1, SLOPE", "1, 0", "where x < 0 the derivative is SLOPE: this is ReLU's gate"),
            Mistake("dy * np.where(x > 0, 1, SLOPE)", "dy", "the gate is missing"),
            Mistake("x > 0, 1, SLOPE)\n", "x >= 0, 1, SLOPE)\n", "at x = 0, use SLOPE"),
            Mistake(
                "dy * np.where(x > 0, 1, SLOPE)",
                "np.where(x > 0, 1, SLOPE)",
                "dy is missing: multiply the derivative with dy",
            ),
            Mistake(
                "dy * np.where(x > 0, 1, SLOPE)",
                "dy * np.where(x > 0, x, SLOPE * x)",
                "dy is multiplied with y, but the derivative is 1 or SLOPE",
            ),
            Mistake(
                "dy * np.where(x > 0, 1, SLOPE)",
                "np.where(dy > 0, dy, SLOPE * dy)",
                "the gate depends on x, not on dy",
            ),
        ),
    ),
    Exercise(
        "05_tanh",
        "the backward pass of tanh, from its output",
        outcomes.gradients("05_tanh", "dL/dx"),
        (
            "The derivative is 1 - tanh(x)². Which part of it do you have already?",
            "tanh(x) is y, so the derivative is 1 - y². What arrives at x is dy times that.",
            "A square is written y**2, and the difference needs parentheses: return dy * (1 - ...)",
        ),
        (
            Mistake("1 - y**2", "1 - y", "the square is missing: 1 - y²"),
            Mistake("1 - y**2", "1 - np.tanh(y) ** 2", "y is the output already: no second tanh"),
            Mistake("1 - y**2", "y * (1 - y)", "y (1 - y) is the derivative of the sigmoid"),
            Mistake("dy * (1 - y**2)", "dy", "the derivative of tanh is missing"),
            Mistake(
                "dy * (1 - y**2)", "1 - y**2", "dy is missing: multiply the derivative with dy"
            ),
        ),
    ),
    Exercise(
        "06_cross_entropy",
        "binary cross-entropy of logits, without overflow",
        outcomes.cross_entropy,
        (
            "The text has the formula of one example. max is np.maximum, the logarithm is "
            "np.log1p(np.exp(-np.abs(z))), and the loss is the mean of all.",
            "loss: np.mean(np.maximum(z, 0) - t * z + the logarithm). Its gradient: the first and "
            "last part are log(1 + exp(z)), with the derivative sigmoid(z); -t z has -t.",
            "backward: return (sigmoid(z) - t) / z.size",
        ),
        (
            Mistake("(sigmoid(z) - t) / z.size", "sigmoid(z) - t", "the loss is a mean: / z.size"),
            Mistake("sigmoid(z) - t", "t - sigmoid(z)", "the sign of dz is wrong: sigmoid(z) - t"),
            Mistake("np.mean(np.maximum", "np.sum(np.maximum", "the loss is a sum: take the mean"),
            Mistake("np.mean(np.maximum", "(np.maximum", "the loss is one number: take the mean"),
            Mistake("np.log1p(", "np.log(", "log1p(u) is log(1 + u): here the 1 is missing"),
            Mistake(
                "(sigmoid(z) - t)", "sigmoid(z)", "dz lacks the derivative of -t z, which is -t"
            ),
            Mistake(
                "np.maximum(z, 0) - t * z",
                "np.maximum(z, 0) + t * z",
                "the term -t z has the wrong sign",
            ),
            Mistake(
                "np.log1p(np.exp(-np.abs(z)))",
                "np.log1p(np.exp(np.abs(z)))",
                "exp(|z|) overflows: exp(-|z|)",
            ),
            Mistake(
                "(sigmoid(z) - t)",
                "(sigmoid(z) - t) * sigmoid(z) * (1 - sigmoid(z))",
                "the derivative of sigmoid is in sigmoid(z) - t already",
            ),
        ),
    ),
)
