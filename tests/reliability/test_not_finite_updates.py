"""F8: updates and explicit steps whose numbers are not finite raise, and name the numbers."""

import numpy as np
import pytest
from suite import thinned

from npgan import SGD, Adam, Dense, Network, discriminator_step, generator_step, use_kernels
from npgan.gan import Discriminator, Generator
from npgan.losses import LOSSES

KERNELS = ("compiled", "reference")

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def kernels_as_before():
    yield
    use_kernels("auto")


OPTIMISERS = {
    "SGD": lambda net: SGD(net, 0.1),
    "SGD with momentum": lambda net: SGD(net, 0.1, momentum=0.9),
    "Adam": lambda net: Adam(net, 0.1),
    "Adam with beta1 = 0": lambda net: Adam(net, 0.1, beta1=0.0),
}
# The first ones run by default: kernels of float64 would have to be compiled.
DTYPES = {"compiled": ("float32", "float64"), "reference": ("float64", "float32")}
UPDATES = [
    (kernels, name, dtype, size, value)
    for kernels in KERNELS
    for name in OPTIMISERS
    for size in (3, 70_000)
    for dtype in DTYPES[kernels]
    for value in ("nan", "inf", "-inf", "overflow")
]


@pytest.mark.parametrize("fault", thinned(UPDATES, 16, ["-".join(map(str, f)) for f in UPDATES]))
def test_an_update_by_a_gradient_that_is_not_finite_or_overflows(fault, injected):
    injected("F8")
    kernels, name, dtype, size, value = fault
    use_kernels(kernels)
    theta = np.ones(size, dtype)
    optimiser = OPTIMISERS[name](theta)
    gradient = np.ones(size, dtype)
    optimiser.step(gradient)
    largest = float(np.finfo(dtype).max)
    gradient[size // 2] = largest if value == "overflow" else float(value)
    if name == "SGD" and value == "overflow":
        theta[size // 2] = -largest
    pattern = rf"(gradient|Adam's v|SGD's velocity|new weight) of \[{size // 2}\] is -?(nan|inf|\d)"
    twelve_steps = lambda: [optimiser.step(gradient) for _ in range(12)]  # a velocity grows
    with pytest.raises(FloatingPointError, match=pattern):
        twelve_steps()


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(
    ("make", "state", "words"),
    [
        (lambda n: SGD(n, 1.0, momentum=0.9), {"velocity": np.inf}, "SGD's velocity of"),
        (lambda n: SGD(n, 1.0, momentum=0.9), {"velocity": np.nan}, "SGD's velocity of"),
        (lambda n: SGD(n, 1e10, momentum=0.9), {"velocity": 3e38}, "new weight of"),
        (lambda n: SGD(n, 1e-320, momentum=0.9), {"velocity": np.inf}, "SGD's velocity of"),
        (lambda n: Adam(n), {"m": np.nan}, "Adam's m of"),
        (lambda n: Adam(n), {"v": np.inf}, "Adam's v of"),
        (lambda n: Adam(n), {"v": -1e10}, "new weight of"),
        (lambda n: Adam(n, 1.0), {"m": 3e38}, "new weight of"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_state_that_is_not_finite_is_named(kernels, make, state, words, injected):
    injected("F8")
    use_kernels(kernels)
    net = Network([Dense(3, 2, rng=0)])
    optimiser = make(net)
    for name, value in state.items():
        optimiser.slots[name][5] = value
    with pytest.raises(FloatingPointError, match=rf"{words}.*Network 0\.W\[2, 1\] is"):
        optimiser.step(np.full(8, 1e3, np.float32))


@pytest.mark.parametrize("kernels", KERNELS)
def test_a_square_that_overflows_only_after_the_correction_is_noticed(kernels, injected):
    """v is finite and v/(1-β2^t) is not: the weight would not move, without a word."""
    injected("F8")
    use_kernels(kernels)
    theta = np.ones(4, np.float32)
    gradient = np.array([1, 1, 5e19, 1], np.float32)
    with pytest.raises(FloatingPointError, match=r"the gradient of \[2\] is 5\.0*1?\d*e\+19"):
        Adam(theta, beta2=0.99).step(gradient)
    Adam(np.ones(4, np.float32), beta2=0.99).step(gradient / 10)


STEPWISE = [
    (kernels, name, value)
    for kernels in KERNELS
    for name in ("real", "fake", "theta of D", "penalty", "real of G's step", "fake of G's step", "theta of D in G's step", "pull of G")
    for value in (np.nan, np.inf)
]  # fmt: skip


@pytest.mark.parametrize("fault", thinned(STEPWISE, 8, ["-".join(map(str, f)) for f in STEPWISE]))
def test_an_explicit_step_names_what_is_not_finite(fault, injected):
    injected("F8")
    kernels, name, value = fault
    use_kernels(kernels)
    G, D = Generator(3, (5,), 6, rng=0), Discriminator(6, (4,), rng=1)
    real = np.zeros((8, 6), np.float32)
    fake, pull = G.forward(np.ones((8, 3), np.float32))
    fake = fake.copy()
    before = D.theta.copy(), G.theta.copy()
    penalty, loss = None, LOSSES["relativistic" if "real of G" in name else "nonsaturating"]
    if name.startswith("real"):
        real[2, 3] = value
    elif name.startswith("fake"):
        fake[2, 3] = value
    elif name.startswith("theta"):
        D.theta[3] = value
    elif name == "penalty":
        penalty = lambda D, real, fake: (value, np.zeros_like(D.theta))
    else:
        pull = lambda g, wrt: np.full_like(G.theta, value)
    words = {"real": "real images", "fake": "fake images", "penalty": "penalty", "pull of G": "gradient of Generator"}  # fmt: skip
    said = words.get(name, "logits of D")
    if name == "real of G's step":
        said = "loss G|logits"
    step = (
        (lambda: discriminator_step(D, Adam(D), real, fake, loss, penalty))
        if name in ("real", "fake", "theta of D", "penalty")
        else (lambda: generator_step(D, Adam(G), fake, pull, loss, real))
    )
    with (
        np.errstate(invalid="ignore", over="ignore"),
        pytest.raises(FloatingPointError, match=rf"{said}.* (became|is) -?(nan|inf)"),
    ):
        step()
    if not name.startswith("theta"):
        np.testing.assert_array_equal(D.theta, before[0])
    if name != "pull of G":
        np.testing.assert_array_equal(G.theta, before[1])
