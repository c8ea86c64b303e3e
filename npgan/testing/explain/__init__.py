"""What a FAIL looks like: the usual mistake that explains the error.

Reading order: traced, lifted, on_tape, trial, experiment, finer, resized, sizes, evidence,
quantities, factors, order, symmetry, places, terms, paths, probe, changes, intermediates, keys,
edits, lacks, repair, hints.
"""
