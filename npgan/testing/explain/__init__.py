"""What a FAIL looks like: the usual mistake that explains the error.

Reading order: evidence, hints.
"""
