"""The verdict on every argument: PASS, FAIL or INCONCLUSIVE.

Reading order: comparison, linearity, preconditions, tolerance, progress, budget, entries,
projections, bisection, rows, common_shift, native_dtype.
"""
