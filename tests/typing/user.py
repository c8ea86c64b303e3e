"""A user's program, for the type checker alone: tests/test_types.py runs `mypy --strict` over it.

A line that ends in "# error: CODE" is a mistake, and mypy must report it with this code; it must report
nothing else.
"""

import numpy as np

import npgan
from npgan import GAN, Adam, Dense, Generator, LeakyReLU, Network, Tensor, grad, ops, value_and_grad
from npgan.losses import LOSSES, Loss
from npgan.testing import Report, assert_gradients, check_gradients

# ---- training ----

gan: GAN = GAN(latent=16, hidden=(32, 32), lr=(1e-3, 4e-4), penalty=None).fit(
    np.zeros((8, 4, 4), np.uint8), epochs=1, progress=False
)
images: np.ndarray = gan.sample(4, rng=0)
losses: list[float] = gan.history_["loss_D"]
gan.save("gan.npz")
again: GAN = GAN.load("gan.npz")

GAN(latent="16")  # error: arg-type
GAN(hidden=32)  # error: arg-type
GAN(learning_rate=1e-3)  # error: call-arg
gan.sample("four")  # error: arg-type

# ---- networks and pullbacks ----

net = Network([Dense(4, 3, init="glorot", rng=0), LeakyReLU(0.1), Dense(3, 1)])
y, pull = net.forward(np.ones((2, 4), np.float32))
dx: np.ndarray = pull(y, "input")
dx, dtheta = pull(y)
adam = Adam(net, lr=1e-3)
adam.step(pull(y, "params"))
G: Network = Generator(latent=4, hidden=(8,), out=9)
npgan.use_rules(True)

Dense(4)  # error: call-arg
Network(Dense(4, 3))  # error: arg-type
Adam(net, learning_rate=1e-3)  # error: call-arg
adam.step()  # error: call-arg

# ---- the tape ----

x = Tensor(np.linspace(-1, 1, 5))
slope: Tensor = grad(ops.tanh(x).sum(), x, create_graph=True)
curvature: np.ndarray = grad(slope.sum(), x)
several: list[np.ndarray] = grad((x * x).sum(), [x])
value, gradients = value_and_grad(lambda a: ops.sum(a * a), np.ones(3))
number: float = value
first: np.ndarray = gradients[0]
loss: Loss = LOSSES["hinge"]

wrong: Tensor = grad(slope.sum(), x)  # error: assignment
grad(np.ones(3), x)  # error: call-overload

# ---- checking a gradient ----


def forward(a: np.ndarray) -> np.ndarray:
    y: np.ndarray = np.tanh(a)
    return y


def backward(dout: np.ndarray, a: np.ndarray) -> np.ndarray:
    da: np.ndarray = dout * (1 - np.tanh(a) ** 2)
    return da


report: Report = check_gradients(forward, backward, (np.ones(3),), seed=1)
passed: bool = report.passed
assert_gradients(forward, backward, (np.ones(3),), inconclusive="allow")

check_gradients(forward, backward, (np.ones(3),), n_directions="many")  # error: arg-type
check_gradients(forward, backward)  # error: call-arg
