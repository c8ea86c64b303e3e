"""The verdict on every argument: PASS, FAIL or INCONCLUSIVE.

Reading order: repeats, comparison, linearity, preconditions, tolerance, progress, budget, nearby,
dense_kinks, zeros, entries, projections, bisection, rows, special_entries, ties, native_dtype.
"""
