"""The GAN losses against their formulas, written once more in NumPy, and what is known of each."""

import math

import numpy as np
import pytest

from npgan import losses
from npgan.losses import LOSSES

REAL, FAKE = np.array([[0.5], [-1.25], [3.0]]), np.array([[2.0], [-0.5], [1.75]])


def cross_entropy(logits, target):
    p = 1 / (1 + np.exp(-logits))
    return np.mean(-target * np.log(p) - (1 - target) * np.log(1 - p))


def squares(logits, target):
    return np.mean((logits - target) ** 2) / 2


FORMULAS = {  # name: (D's loss with the target t at real images, G's loss)
    "nonsaturating": (
        lambda r, f, t: cross_entropy(r, t) + cross_entropy(f, 0),
        lambda r, f: cross_entropy(f, 1),
    ),
    "minimax": (
        lambda r, f, t: cross_entropy(r, t) + cross_entropy(f, 0),
        lambda r, f: -cross_entropy(f, 0),
    ),
    "least_squares": (
        lambda r, f, t: squares(r, t) + squares(f, 0),
        lambda r, f: squares(f, 1),
    ),
    "hinge": (
        lambda r, f, t: np.mean(np.maximum(0, 1 - r)) + np.mean(np.maximum(0, 1 + f)),
        lambda r, f: -np.mean(f),
    ),
    "wasserstein": (lambda r, f, t: np.mean(f) - np.mean(r), lambda r, f: -np.mean(f)),
    "relativistic": (
        lambda r, f, t: cross_entropy(r - f, 1),
        lambda r, f: cross_entropy(f - r, 1),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_follows_its_formula(name):
    loss, (discriminator, generator) = LOSSES[name], FORMULAS[name]
    assert loss.name == name
    expected = discriminator(REAL, FAKE, 1.0)
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), expected, rtol=1e-12)
    np.testing.assert_allclose(loss.generator(REAL, FAKE), generator(REAL, FAKE), rtol=1e-12)


def test_what_is_known_of_each_loss():
    targets = {"nonsaturating", "minimax", "least_squares"}
    assert {name for name, loss in LOSSES.items() if loss.with_target} == targets
    probabilities = {name for name, loss in LOSSES.items() if loss.gives_probabilities}
    assert probabilities == {"nonsaturating", "minimax", "relativistic"}
    assert {name for name, loss in LOSSES.items() if loss.needs_real} == {"relativistic"}
    assert {name for name, loss in LOSSES.items() if loss.equilibrium} == targets | {"relativistic"}


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.equilibrium])
def test_the_labels_of_an_equilibrium_are_its_numbers(name):
    numbers = {"ln 2": math.log(2), "-ln 2": -math.log(2), "2 ln 2": 2 * math.log(2)}
    labels = LOSSES[name].equilibrium_labels
    assert tuple(numbers.get(label) or float(label) for label in labels) == LOSSES[name].equilibrium


@pytest.mark.parametrize("name", ["nonsaturating", "minimax", "least_squares"])
@pytest.mark.parametrize("target", [1.0, 0.75])
def test_with_target_changes_the_target_at_real_images_alone(name, target):
    expected = FORMULAS[name][0](REAL, FAKE, target)
    np.testing.assert_allclose(LOSSES[name].with_target(REAL, FAKE, target), expected, rtol=1e-12)


def test_bce_with_logits_returns_value_and_gradient():
    targets = np.array([[1.0], [0.0], [0.3]])
    value, gradient = losses.bce_with_logits(REAL, targets)
    np.testing.assert_allclose(value, cross_entropy(REAL, targets), rtol=1e-12)
    np.testing.assert_allclose(gradient, (1 / (1 + np.exp(-REAL)) - targets) / 3, rtol=1e-12)
