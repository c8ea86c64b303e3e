"""Benchmarks of a whole training step, in npgan and in the libraries that people compare it with.

`step` compares, `table` prints, `child` keeps every peer in a process of its own, `peak` measures what the
machine could do. in_npgan, in_numpy, in_torch, ... hold the same step, as each library's users write it.
"""
