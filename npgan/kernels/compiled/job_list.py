"""Jobs that are written once and computed again and again, in one call of compiled code.

To check a kernel's arrays and to write its job takes as long in Python as a small product takes.
A network's passes have the same jobs every time. So they are kept in a list: while it is recorded,
`dispatch` adds the jobs to it and computes nothing.

A job has addresses of memory. A list that reads an array which no job of it writes, such as a copy
that NumPy made meanwhile, would see the numbers of the recording forever; so it is refused.
"""

from contextlib import contextmanager

import numpy as np

from .. import NotAJobError
from . import team
from .job import ADDRESSES, NO_ROWS, NO_SETTINGS, SHARED, SLOPE, SUMS, C, new_job
from .product import address_of
from .worker import run_jobs


def is_part(array, whole):
    """Whether an array without gaps lies in the memory of another one."""
    start, first = address_of(array), address_of(whole)
    return first <= start and start + array.nbytes <= first + whole.nbytes


class JobList:
    """The jobs of one computation, on the same arrays each time.

    Parameters
    ----------
    *given : array of one dtype
        What the jobs may read or write besides the arrays that they make.
    """

    def __init__(self, *given):
        self.dtype, self.arrays = given[0].dtype, list(given)
        self.rows, self.settings, self.panel_rows = NO_ROWS, NO_SETTINGS[self.dtype], 0
        self.share = False  # whether the threads share one of the jobs
        self.moved = []  # for each array of `finish`: the jobs, their words, and the offsets in it

    @contextmanager
    def recorded(self):
        """While this lasts, `dispatch` adds jobs of this thread to the list."""
        before, team.workspaces.recorded_list = team.workspaces.recorded_list, self
        try:
            yield
        finally:
            team.workspaces.recorded_list = before

    def add(self, share, panel_rows, write_job, args):
        """Add the job that write_job(job, scalars, *args) writes; returns what `dispatch` would."""
        job, scalars = new_job(1)
        if not write_job(job, scalars[self.dtype], *args):
            return None
        written = {int(job[C]), int(job[SUMS])}
        for array in args:
            if isinstance(array, np.ndarray) and array.size and array.dtype == self.dtype:
                if address_of(array) in written:
                    self.arrays.append(array)
                else:
                    self.require(array)
        job[SHARED] = share
        self.share |= share
        self.rows = np.vstack([self.rows.reshape(-1, job.size), job])
        self.settings = np.vstack([self.settings.reshape(-1, SLOPE + 1), scalars[self.dtype]])
        self.panel_rows = max(self.panel_rows, panel_rows)
        return 0

    def require(self, array):
        """Raise NotAJobError unless the array is given, or written by a job of the list."""
        if not any(is_part(array, known) for known in self.arrays):
            raise NotAJobError("a job reads what no job of this list writes")

    def finish(self, *changing):
        """End the recording; `compute` takes other arrays in the place of these."""
        for array in changing:
            self.require(array)
            start = address_of(array)
            places = [
                (i, word, job[word] - start)
                for i, job in enumerate(self.rows)
                for word in ADDRESSES
                if start <= job[word] < start + array.nbytes
            ]
            self.moved.append(tuple(np.array(places, np.int64).reshape(-1, 3).T))
            self.arrays = [a for a in self.arrays if not is_part(a, array)]
        return self

    def compute(self, *arrays):
        """Compute the jobs, with these contiguous arrays in the place of those of `finish`."""
        for array, (jobs, words, offsets) in zip(arrays, self.moved, strict=True):
            self.rows[jobs, words] = offsets + address_of(array)
        team.with_jobs(self.share, self.dtype, self.panel_rows, self.run)

    def run(self, workspace, computes):
        """Called by `with_jobs`."""
        run_jobs(
            self.rows, self.settings, computes.job, computes.scalars[self.dtype], workspace.job,
            workspace.scalars[self.dtype], workspace.reserve(self.panel_rows), -1, 0,
        )  # fmt: skip
