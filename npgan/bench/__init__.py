"""Benchmarks of a whole training step, in npgan and in other libraries.

A *peer* is the same step, written for one library: in_npgan, in_numpy, in_torch, ... `step` checks,
times and compares the peers, each in a process of its own (`child`). `peak` measures the machine's
float32 peak, and `problem` defines the networks and the data.
"""
