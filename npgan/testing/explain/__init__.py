"""What a FAIL looks like: the usual mistake that explains the error.

Reading order: trial, experiment, resized, sizes, evidence, quantities, factors, order,
symmetry, places, terms, paths, hints.
"""
