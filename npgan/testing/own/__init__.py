"""npgan's own derivatives, checked with the gradient checker.

Reading order: primitive_cases, primitives, layers, losses, penalties, steps, everything.
"""
