"""y = a b, so dy/da = b and dy/db = a: each factor gets the gradient times the other factor.

This is the chain rule for one entry, and since no entry of y depends on another entry of a or b, it
is the rule for the whole array. In npgan it is the rule of `multiply` in npgan/ops.py.
"""


def forward(a, b):
    return a * b


def backward(dy, a, b):
    return dy * b, dy * a
