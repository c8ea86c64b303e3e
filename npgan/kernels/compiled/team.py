"""The threads that share a job: the calling thread and its helpers.

This file keeps the state that changes while a program runs: the current team, and each Python
thread's free workspaces. `dispatch` gives a job to the team, or computes it in the calling thread
alone.
"""

import atexit
import logging
import os
import threading

import numpy as np

from .. import memory
from ..cores import available_cores
from .job import (
    CALLER_CORE,
    GENERATION,
    NO_ROWS,
    NO_SETTINGS,
    QUIT,
    SHARED_DTYPE,
    WORKSPACES,
    new_job,
)
from .panel import PANEL_START
from .tile import PANEL_ROW_BYTES
from .worker import on_callers_core, run_jobs

log = logging.getLogger("npgan")


def allocate_workspace(rows):
    """Memory for one thread's workspace, with room for panels of so many rows in all."""
    return memory.empty((PANEL_START + rows * PANEL_ROW_BYTES,), np.uint8)


class Workspace:
    """What a thread needs to compute a job alone: a job's arrays, and memory for panels."""

    def __init__(self):
        self.job, self.scalars = new_job(1)
        self.rows = -1

    def reserve(self, rows):
        """The address of memory with room for panels of so many rows in all."""
        if rows > self.rows:
            memory = allocate_workspace(rows)
            # In one statement, as a signal handler may raise an exception between two.
            self.memory, self.address, self.rows = memory, memory.ctypes.data, rows
        return self.address


class ThreadWorkspaces(threading.local):
    """Each Python thread's free workspaces; several where a signal handler interrupted a kernel."""

    def __init__(self):
        self.free = [Workspace()]


class Team:
    """The calling thread and its helpers, which wait for jobs without holding Python's lock.

    One caller at a time has the team. Another thread that calls meanwhile computes alone; its
    result has the same bits. A forked child gets a team of its own. Helpers sleep when no job has
    come for about a millisecond.
    """

    def __init__(self, threads):
        self.threads, self.claim, self.helpers, self.started = threads, {}, [], False
        self.job, self.scalars = new_job(threads)
        self.memory = []  # one workspace per helper, for panels of self.rows rows
        self.rows = 0
        # Set: there is work, do not sleep.
        self.wake_events = [threading.Event() for _ in range(threads - 1)]

    def help(self, helper):
        """What a helper's thread runs: compute, and sleep while there is nothing to do."""
        seen, moved_for = 0, None
        while not self.job[QUIT]:
            own = self.job, self.scalars[SHARED_DTYPE]  # not used by a helper
            seen = run_jobs(NO_ROWS, NO_SETTINGS[SHARED_DTYPE], *own, *own, 0, helper, seen)
            newest = int(self.job[GENERATION])
            # Once per job, for the system may move this thread back.
            if newest != moved_for and on_callers_core(self.job):
                moved_for = newest
                if self.leave_callers_core():
                    continue
            self.wake_events[helper].wait()
            self.wake_events[helper].clear()

    def leave_callers_core(self):
        """Move this thread to another core; False where that is not possible.

        Two threads that wake up at the same time often start on one core, and Linux needs some
        milliseconds to separate them; until then a product takes twice the time. It is enough to
        forbid this thread the caller's core for a moment.
        """
        try:
            usable = os.sched_getaffinity(0)
            os.sched_setaffinity(0, usable - {int(self.job[CALLER_CORE])})
            os.sched_setaffinity(0, usable)
        except OSError:  # no other core, or not permitted here
            return False
        return True

    def prepare(self, rows):
        """Before a job is written: get memory for panels of so many rows, and wake the helpers."""
        if rows > self.rows:
            rows = max(rows, 1024)
            workspaces = [allocate_workspace(rows) for _ in self.wake_events]
            addresses = [workspace.ctypes.data for workspace in workspaces]
            self.job[WORKSPACES : WORKSPACES + len(addresses)] = addresses
            self.memory, self.rows = workspaces, rows
        if not self.started:
            self.started = True
            self.start_helpers()
        for event in self.wake_events:
            if not event.is_set():
                event.set()

    def start_helpers(self):
        """Start a Python thread per helper; where the system refuses, fewer."""
        try:
            for helper in range(self.threads - 1):
                thread = threading.Thread(
                    target=self.help, args=(helper,), name="npgan helper", daemon=True
                )
                thread.start()
                self.helpers.append(thread)
        except RuntimeError as error:  # a limit on threads
            log.warning(
                "npgan: warning: %s; going on with %d threads", error, 1 + len(self.helpers)
            )

    def stop(self):
        """End the helpers; a job that is being computed is finished by its caller."""
        self.job[QUIT] = 1
        for event in self.wake_events:
            event.set()
        for thread in self.helpers:
            thread.join()


current_team = Team(available_cores())
workspaces = ThreadWorkspaces()


def set_threads(n):
    """From now on n threads, the caller and n - 1 helpers, share the work; None: one per core."""
    global current_team
    before, current_team = current_team, Team(n or available_cores())
    before.stop()


def thread_count():
    """How many threads share the work."""
    return current_team.threads


def after_fork():
    """In a forked child: it has the parent's memory and none of its threads."""
    global current_team, workspaces
    current_team, workspaces = Team(current_team.threads), ThreadWorkspaces()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)
# No helper may run compiled code while Python takes it down.
atexit.register(lambda: current_team.stop())


def dispatch(share, dtype, rows, write_job, *args):
    """Compute the job that write_job(job, scalars, *args) writes.

    With `share` the team computes it if no other caller has it, in the shared dtype. Panels have
    so many rows. Returns 1 where an update was not finite, else 0, and None where write_job
    refuses.
    """
    return with_jobs(share, dtype, rows, write_and_run, rows, dtype, write_job, *args)


def write_and_run(workspace, computes, rows, dtype, write_job, *args):
    """Compute one job, as the one who `computes` it: the team, or the workspace's thread alone."""
    job, scalars = computes.job, computes.scalars[dtype]
    if not write_job(job, scalars, *args):
        return None
    no_rows = NO_ROWS, NO_SETTINGS[dtype]
    return run_jobs(*no_rows, job, scalars, job, scalars, workspace.reserve(rows), -1, 0)


def with_jobs(share, dtype, rows, compute, *args):
    """compute(workspace, team or workspace, *args), for panels of so many rows; see `dispatch`."""
    team, claim, free = current_team, None, workspaces.free
    workspace = free.pop() if free else Workspace()
    try:
        computes: Workspace | Team = workspace
        if share and team.threads > 1 and dtype == SHARED_DTYPE:
            claim = object()
            # setdefault claims the team in one step, and `claim` is known before: so an exception
            # that a signal handler raises cannot leave the team claimed.
            if team.claim.setdefault("caller", claim) is claim:
                team.prepare(rows)
                computes = team
        return compute(workspace, computes, *args)
    finally:
        free.append(workspace)
        if claim is not None and team.claim.get("caller") is claim:
            del team.claim["caller"]
