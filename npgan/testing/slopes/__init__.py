"""Slopes of a function with error bars: differences, extrapolated, and the complex step.

Reading order: noise, precision, points, difference_quotient, richardson, kinks, slope,
complex_step, directions, parts, hidden_kinks, joint_point, path.
"""
