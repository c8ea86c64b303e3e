"""The verdict on every argument: PASS, FAIL or INCONCLUSIVE.

Reading order: repeats, preconditions, tolerance, comparison, progress, nearby, entries,
projections, bisection, rows, special_entries, ties, native_dtype.
"""
