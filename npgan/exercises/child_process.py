"""Judge a file in a process of its own, so that a loop without an end can be stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from .catalogue.exercise import Exercise
from .judging import Answer

SECONDS = 60


def judge_in_child(exercise: Exercise, path: Path, seconds: float = SECONDS) -> Answer:
    """Judge the file; what it prints goes to stderr."""
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "NPGAN_KERNELS": "reference", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "npgan.exercises", exercise.name, str(path)]
    try:
        run = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(False, f"stopped after {seconds:g} seconds: is there a loop without an end?")
    try:
        return Answer(**json.loads(run.stdout))
    except ValueError:
        return Answer(False, f"Python ended with exit code {run.returncode} while it ran this file")
