"""Jobs that are written once and computed again and again, in one call of compiled code.

To check a kernel's arrays and to write its job takes as long in Python as a small product takes.
A network's passes have the same jobs every time, so they are kept in a list, in the order in which
they are computed. Which jobs these are, npgan/kernels/passes.py says.

A job has addresses of memory. So a list keeps its arrays, and takes only arrays that a kernel would
not copy. What a caller gives or gets may be in other memory each time: `finish` notes where
addresses of such an array stand, and `compute` puts those of another one there.
"""

import numpy as np

from ..reference import silent
from . import product, team
from .job import (
    ADAM,
    ADDRESSES,
    BCE,
    EMPTY,
    MIX,
    NO_ROWS,
    NO_SETTINGS,
    SHARED,
    SLOPE,
    TANH,
    TANH_GATE,
    new_job,
)
from .loops import adam_settings
from .product import address_of, multiply
from .worker import CHUNK, run_jobs, write_loop


class JobList:
    """The jobs of one computation, on the same arrays each time, for which `fits` holds.

    Parameters
    ----------
    dtype : numpy.dtype
        Of all arrays, float32 or float64.
    """

    def __init__(self, dtype):
        self.dtype, self.arrays = dtype, []
        self.rows, self.settings, self.panel_rows = NO_ROWS, NO_SETTINGS[dtype], 0
        self.share = False  # whether the threads share one of the jobs
        # For each array of `finish`: which words of all jobs in a row, the offsets in it, and where
        # the array lies that these words are for now.
        self.places, self.addresses = [], []

    @staticmethod
    def fits(array):
        """Whether a job can read and write this array where it lies."""
        return product.TILE_SHAPE is not None and array.dtype in EMPTY and array.flags.carray

    def product(self, a, b, ta, tb, **more):
        """Add a product; the arguments and the result are those of `multiply`."""
        return multiply(a, b, ta, tb, **more, compute=self.add)

    def tanh(self, x, y):
        """Add y = tanh(x)."""
        self.add_loop(2 * CHUNK, TANH, y, x, x, x)

    def tanh_gate(self, g, y, dx):
        """Add dx = g (1 - y²)."""
        self.add_loop(2 * CHUNK, TANH_GATE, dx, g, y, y)

    def bce(self, first, second, target, dz, values, limit=np.inf):
        """Add a cross-entropy with its gradients; see bce_gradient_loop.

        An empty `second` stands for none. The list ends here if the value is not below the limit.
        """
        self.add_loop(np.inf, BCE, dz, first, second, values, [target, limit])

    def adam(self, theta, grad, m, v):
        """Add a step of Adam, whose numbers `set_adams` writes, and return its row."""
        self.add_loop(4 * CHUNK, ADAM, theta, grad, m, v)
        return len(self.rows) - 1

    @silent  # a rate may be too large for float32
    def set_adams(self, rows, optimisers):
        """Write the numbers of the next steps of these optimisers in these rows."""
        for row, one in zip(rows, optimisers, strict=True):
            self.settings[row, :SLOPE] = adam_settings(**one.hyper, t=one.t + 1)

    def mix(self, x, y, a, b, out, largest=None):
        """Add out = a x + b y. The list ends here if a number of x is larger than `largest`."""
        largest = np.finfo(self.dtype).max if largest is None else largest
        self.add_loop(2 * CHUNK, MIX, out, x, y, y, [a, b, largest])

    def add_loop(self, share_from, kind, target, source, m, v, settings=()):
        """Add a loop; see write_loop."""
        arrays = (x.ravel() for x in (target, source, m, v))
        settings = np.array(settings, self.dtype)
        share = target.size >= share_from
        self.add(share, self.dtype, 0, write_loop, kind, *arrays, settings)

    def add(self, share, dtype, panel_rows, write_job, *args):
        """Add the job that write_job(job, scalars, *args) writes, where `dispatch` computes it."""
        job, scalars = new_job(1)
        if dtype != self.dtype or not write_job(job, scalars[dtype], *args):
            raise ValueError("these arrays are not those of one computation")
        job[SHARED] = share
        self.share |= share
        self.panel_rows = max(self.panel_rows, panel_rows)
        self.arrays += [a for a in args if isinstance(a, np.ndarray)]
        self.rows = np.vstack([self.rows.reshape(-1, job.size), job])
        numbers = scalars[dtype]
        self.settings = np.vstack([self.settings.reshape(-1, numbers.size), numbers])
        return 0

    def finish(self, *arguments):
        """End the list; `compute` takes other arrays in the place of these."""
        for array in arguments:
            start, end = address_of(array), address_of(array) + array.nbytes
            places = [
                (i * job.size + word, job[word] - start)
                for i, job in enumerate(self.rows)
                for word in ADDRESSES
                if start <= job[word] < end
            ]
            self.places.append(tuple(np.array(places, np.int64).reshape(-1, 2).T))
            self.addresses.append(start)
            self.arrays = [a for a in self.arrays if not start <= address_of(a) < end]
        return self

    def compute(self, *arguments):
        """Compute the jobs, with these arrays in the place of those of `finish`.

        Returns as run_jobs does: 0, or the number, from 1 on, of the job after which it ended
        because a number is not finite or too large.
        """
        addresses = [*map(address_of, arguments)]
        if addresses != self.addresses:
            self.addresses = []  # until all are written: a signal may end this at any time
            words = self.rows.reshape(-1)  # a view
            for address, (places, offsets) in zip(addresses, self.places, strict=True):
                words[places] = offsets + address
            self.addresses = addresses
        return team.with_jobs(self.share, self.dtype, self.panel_rows, self.run)

    def run(self, workspace, computes):
        """Called by `with_jobs`. A list without jobs would compute what the workspace has."""
        if not self.rows.size:
            return 0
        return run_jobs(
            self.rows, self.settings, computes.job, computes.scalars[self.dtype],
            workspace.job, workspace.scalars[self.dtype], workspace.reserve(self.panel_rows),
            -1, 0,
        )  # fmt: skip
