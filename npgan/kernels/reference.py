"""The kernels in plain NumPy: the specification, and the fallback where Numba is missing.

A kernel is a bare computation on arrays of one dtype (float32 or float64): no tape, no derivative.
`npgan.kernels.compiled` has the same names with the same signatures and, to rounding, the same
results. In the shapes B is the batch, n the inputs of a layer, and m its outputs.

Whatever np.seterr() says, no kernel warns or raises at an overflow or underflow, as no compiled one
does: the results are checked where they are used.
"""

import numpy as np

silent = np.errstate(all="ignore")


@silent
def gemm(a, b, ta=False, tb=False, out=None):
    """a b, a bᵀ (tb) or aᵀ b (ta), for two matrices; into `out` if given."""
    return np.matmul(a.T if ta else a, b.T if tb else b, out=out)


@silent
def affine(x, W, b):
    """x W + b, for x (B, n), W (n, m), b (m,)."""
    y = np.matmul(x, W)
    y += b
    return y


@silent
def affine_leaky(x, W, b, slope):
    """leaky_relu(affine(x, W, b)); the compiled kernel needs one pass over memory for both."""
    return leaky_relu(affine(x, W, b), slope)


@silent
def gemm_gate(g, W, y, slope):
    """leaky_gate(g Wᵀ, y), for g (B, m), W (n, m), y (B, n); one pass when compiled."""
    return leaky_gate(gemm(g, W, tb=True), y, slope)


@silent
def weight_gradients(x, g, dW, db):
    """dW = xᵀ g and db = Σ g over the batch, for x (B, n), g (B, m); one pass when compiled.

    The results are written into dW (n, m) and db (m,).
    """
    gemm(x, g, ta=True, out=dW)
    db[:] = column_sum(g)


@silent
def column_sum(x):
    """Σ over the rows, one after the other."""
    return np.add.reduce(x, axis=0)


@silent
def leaky_relu(x, slope):
    """x where x > 0, else slope x."""
    return np.where(x > 0, x, slope * x)


@silent
def leaky_gate(g, y, slope):
    """g where y > 0, else slope g."""
    return np.where(y > 0, g, slope * g)


@silent
def tanh(x):
    """The hyperbolic tangent of each element."""
    return np.tanh(x)


@silent
def tanh_gate(g, y):
    """g (1 - y²)."""
    return g * (1 - y * y)


@silent
def sigmoid(x):
    """1 / (1 + e^-x), without overflow and without losing small results."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


@silent
def sigmoid_gate(g, y):
    """g y (1 - y)."""
    return g * (y * (1 - y))


@silent
def softplus(x):
    """log(1 + e^x), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@silent
def bce_with_logits(z, t):
    """Binary cross-entropy: the mean of -t log σ(z) - (1 - t) log(1 - σ(z)).

    As a sum of two positive terms it is computed without cancellation.
    """
    return np.mean(t * softplus(-z) + (1 - t) * softplus(z), dtype=z.dtype)


@silent
def bce_with_gradient(z, target):
    """bce_with_logits for one target, 0 or 1, and its gradient: (σ(z) - target) / n."""
    dz = -sigmoid(-z) if target else sigmoid(z)
    return bce_with_logits(z, target), dz / z.size


@silent
def mean_sigmoid(z):
    """The mean of σ(z)."""
    return sigmoid(z).mean(dtype=z.dtype)


@silent
def sgd(theta, grad, velocity, lr, momentum):
    """velocity = momentum velocity + grad;  theta -= lr velocity;  both in place.

    Returns whether theta is finite: it is not if grad or velocity is not.
    """
    velocity *= momentum
    velocity += grad
    theta -= lr * velocity
    return bool(np.isfinite(theta).all())


@silent
def adam(theta, grad, m, v, lr, beta1, beta2, eps, t):
    """Step t = 1, 2, … of Adam (Kingma & Ba 2015, algorithm 1); theta, m and v in place.

    With β₁ = 0 the mean of the gradients is the gradient, so m is not used. Returns whether theta
    and v/(1-β₂^t) are finite: that is not if grad is not, or if its square is too large.
    """
    v *= beta2
    v += (1 - beta2) * grad * grad
    if beta1 > 0:
        m *= beta1
        m += (1 - beta1) * grad
    mean = m if beta1 > 0 else grad
    square = v / (1 - beta2**t)
    theta -= lr / (1 - beta1**t) * mean / (np.sqrt(square) + eps)
    return bool(np.isfinite(square).all() and np.isfinite(theta).all())


@silent
def ema_update(average, theta, decay):
    """One step of an exponential moving average, in place.

    average = decay average + (1 - decay) theta

    Returns whether average is finite.
    """
    average += (1 - decay) * (theta - average)
    return bool(np.isfinite(average).all())
