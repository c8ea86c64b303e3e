"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def usable_cpus() -> frozenset[int]:
    """The logical CPUs of this process's affinity mask; all of them where there is no mask."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def available_cores() -> int:
    """How many cores this process may use: hyper-threads do not count, a container's quota does."""
    try:
        cores = len({Path(SIBLINGS.format(cpu)).read_text() for cpu in usable_cpus()})
    except OSError:
        cores = len(usable_cpus())
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no such file, or "max"
        pass
    return max(cores, 1)
