"""Slopes of a function with error bars: differences, extrapolated, and the complex step.

Reading order: noise, precision, points, noise_at_zeros, difference_quotient, richardson, kinks,
slope, one_sided, complex_step, directions, parts, hidden_kinks, joint_point, path.
"""
