"""The verdict on every argument: PASS, FAIL or INCONCLUSIVE.

Reading order: repeats, preconditions, tolerance, comparison, progress, entries, projections,
bisection, rows, common_shift, native_dtype.
"""
