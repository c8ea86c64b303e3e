"""Exercise 18: a rule whose first derivative is right, and whose second derivative is wrong.

npgan differentiates its own rules. A rule is a function of g = dL/dy, the output y and the argument
x, written with npgan.ops; if it is given Tensors, its own derivative is computed, too. This is how
the gradient of a penalty is found.

The primitive below is y = tanh(x). Its rule reads y as a plain array (`.data`): for every first
derivative that is the right number. But it is a number, not a Tensor: how the rule itself changes
with x is lost. Check the first derivative and all is well; R1 with this rule is wrong.
"""

import numpy as np

from npgan import Tensor, ops, primitive


@primitive
def my_tanh(x):
    return np.tanh(x)


def rule(g, y, x):
    value = y.data if isinstance(y, Tensor) else y
    return ops.multiply(g, 1 - value * value)


my_tanh.rules = (rule,)
