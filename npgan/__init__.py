"""npgan: GANs on a CPU, from scratch in NumPy and Numba.

The public names below are loaded when they are first used, so that `import npgan` and
`npgan --help` cost nothing: no Numba, no matplotlib.
"""

__version__ = "0.1.0"
