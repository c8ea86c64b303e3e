"""Recipes for npgan's GAN, each trained for the same seconds on the same cores and scored by npgan's judge.

    python benchmarks/recipes.py train OUT [--seconds 60 180] [--seeds 0 1 2] [--programs default ...]
    python benchmarks/recipes.py score OUT
    python benchmarks/recipes.py table OUT          # Markdown; --page writes it into docs/recipes.md
    python benchmarks/recipes.py plot OUT DIR       # DIR/recipes.png (curves), DIR/recipes_samples.png

The clock and the scores are those of quality.py. A recipe is what `GAN()` takes; what it does not name has
the default's value.
"""

from typing import Any

from quality import main
from quality_programs import npgan_with

PLAIN: dict[str, Any] = dict(loss="nonsaturating", penalty=None, beta1=0.5, beta2=0.999)
SHORT = dict(PLAIN, beta1=0.0, beta2=0.99, lr=4e-4)  # Adam with a short memory

RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "default, batch 32": dict(batch=32),
    "default, lr 8e-4": dict(lr=8e-4),
    "default, penalty weight 0.05": dict(penalty_weight=0.05),
    "default, penalty weight 1": dict(penalty_weight=1.0),
    "default, no average": dict(average=0.0),
    "relativistic, no penalty": dict(penalty=None),
    "plain, lr 2e-4": dict(PLAIN, lr=2e-4),
    "plain, lr 4e-4": dict(PLAIN, lr=4e-4),
    "plain, batch 32, lr 3e-4": dict(PLAIN, batch=32, lr=3e-4),
    "plain, short memory": SHORT,
    "plain, short memory, R1": dict(SHORT, penalty="r1", penalty_weight=0.2),
    "plain, instance noise 0.3": dict(PLAIN, lr=4e-4, instance_noise=0.3),
    "plain, smoothing 0.1": dict(PLAIN, lr=4e-4, smoothing=0.1),
    "plain, dropout 0.3": dict(PLAIN, lr=4e-4, dropout=0.3),
    "hinge, R1": dict(SHORT, loss="hinge", penalty="r1", penalty_weight=0.2),
    "least squares, R1": dict(SHORT, loss="least_squares", penalty="r1", penalty_weight=0.2),
    "minimax": dict(PLAIN, loss="minimax", lr=4e-4),
    "wgan-gp": dict(SHORT, loss="wasserstein", penalty="wgan_gp"),
    "two D steps": dict(d_steps=2),
}

if __name__ == "__main__":
    programs = {name: ("npgan", npgan_with(**settings)) for name, settings in RECIPES.items()}
    main(__doc__ or "", programs, (60, 180), "recipes.md", "recipes")
