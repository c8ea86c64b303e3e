"""What the pages for learners say in numbers is what npgan computes."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from npgan import Tensor, grad
from npgan.losses import LOSSES

DOCS = Path(__file__).parents[1] / "docs"


def table(page, heading):
    """The rows of the first table below a heading, as {first cell: the other cells}."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(f"# {heading}\n")[2]
    rows = re.search(r"(?:^\|.*\|\n)+", text, re.M)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {first: rest for first, *rest in cells}


EQUILIBRIA = table("derivations.md", "The equilibria of all losses")


def test_the_table_has_every_loss():
    assert list(EQUILIBRIA) == list(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_the_equilibria_of_the_derivations(name):
    """q = p: the same logits are those of real and of generated images."""
    logits, of_D, of_G = EQUILIBRIA[name]
    best = {"0": [0.0], "½": [0.5], "any number c from -1 to 1": [-1.0, 0.3, 1.0]}
    for c in best.get(logits, [-7.0, 0.0, 2.5]):
        same = Tensor(np.full((5, 1), c))
        loss_D = LOSSES[name].discriminator(same, same)
        if abs(c) != 1:  # there hinge has a kink
            np.testing.assert_allclose(grad(loss_D, same, unused="zero"), 0, atol=1e-12)
        assert float(loss_D.data) == pytest.approx(number(of_D), abs=5e-4)
        loss_G = float(LOSSES[name].generator(same, same).data)
        assert loss_G == pytest.approx(-c if of_G == "-c" else number(of_G), abs=5e-4)
    for elsewhere in {"0": [-0.1, 0.1], "½": [0.4, 0.6]}.get(logits, [-1.1, 1.1]):
        other = Tensor(np.full((5, 1), elsewhere))
        slope = grad(LOSSES[name].discriminator(other, other), other, unused="zero")
        assert logits == "any number c" or np.abs(slope).min() > 0.005
    known = LOSSES[name].equilibrium
    assert (known is None) == (of_G == "-c")
    if known:
        assert [number(of_D), number(of_G)] == pytest.approx(known, abs=5e-4)


def number(cell):
    """`2 ln 2 = 1.386`: both sides must agree; the right one."""
    words, _, digits = cell.partition(" = ")
    sides = {"2 ln 2": 2, "ln 2": 1, "-ln 2": -1}
    value = sides[words] * math.log(2) if words in sides else {"¼": 0.25, "⅛": 0.125}.get(words)
    assert float(digits) == pytest.approx(float(words) if value is None else value, abs=5e-4)
    return float(digits)
