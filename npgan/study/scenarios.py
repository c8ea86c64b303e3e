"""The ring's trainings: the right one, those of the game, and those of the other mistakes."""

from __future__ import annotations

from ..losses import cross_entropy, nonsaturating
from .ring import Scenario
from .swaps import LEAKY_WITHOUT_GATE, MEAN_FOR_SUM, TANH_WITHOUT_GATE

RIGHT = Scenario(
    "right",
    "with R1",
    "R1 keeps D's slope small at the real points. The arrows grow, but at the end they are shorter "
    "than without R1; D stays smooth, and G comes near the ring sooner.",
)
NONE = Scenario(
    "none",
    "without R1",
    "D may be as steep as it likes. At the end the arrows are longer than with R1, and the points "
    "jump between the modes. G comes near the ring later; at the end it is as near.",
    gamma=0.0,
)
FAST = Scenario(
    "fast",
    "D too fast",
    "D's learning rate is 30 times G's. D changes its opinion before G has followed the last one; "
    "both losses jump, and the points never come to rest.",
    gamma=0.0,
    faster=30.0,
)
GATE = Scenario(
    "leaky_gate",
    "LeakyReLU gate dropped",
    "The backward pass of LeakyReLU passes every gradient on as it is. The arrows point in wrong "
    "directions, and the points gather away from the ring. Nothing crashes.",
    swap=LEAKY_WITHOUT_GATE,
)
LABELS = Scenario(
    "labels",
    "labels flipped",
    "D is told that real points are fake. Its loss falls, so all seems well, but G is driven away "
    "from the data, into a corner.",
    loss=nonsaturating._replace(
        discriminator=lambda real, fake: nonsaturating.discriminator(fake, real)
    ),
)
STALE = Scenario(
    "stale",
    "stale D",
    "G's step goes back through a D that is copied only every 50 steps. G runs where D pointed "
    "long ago, and runs too far.",
    refreshed=50,
)
SCENARIOS = (NONE, FAST, GATE, LABELS, STALE)

TANH = Scenario("tanh_gate", "tanh gate dropped", swap=TANH_WITHOUT_GATE)
LABELS_OF_G = Scenario(
    "labels of G",
    "G asks for fake",
    loss=nonsaturating._replace(generator=lambda real, fake: cross_entropy(fake, 0.0)),
)
MEAN = Scenario("mean", "mean for sum", swap=MEAN_FOR_SUM)
MOVES = Scenario("d_moved", "D's weights moved in G's step", also_moves_d=True)
TRAININGS = (TANH, LABELS_OF_G, MEAN, MOVES)
