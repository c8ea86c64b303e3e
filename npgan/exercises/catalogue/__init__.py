"""The exercises in their order, each with its hints and its known mistakes."""

from __future__ import annotations

from .one_rule import ONE_RULE
from .predictions import PREDICTIONS
from .second_derivatives import SECOND_DERIVATIVES
from .several_rules import SEVERAL_RULES
from .training_steps import TRAINING_STEPS

EXERCISES = (*ONE_RULE, *SEVERAL_RULES, *TRAINING_STEPS, *SECOND_DERIVATIVES, *PREDICTIONS)
