"""What a FAIL looks like: the usual mistake that explains the error.

Reading order: traced, trial, experiment, resized, sizes, evidence, quantities, factors, order,
symmetry, places, terms, paths, probe, changes, intermediates, hints.
"""
