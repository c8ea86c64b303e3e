"""python -m npgan.exercises NAME FILE: judge a file; the answer is one line of JSON on stdout."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from .catalogue import EXERCISES
from .judging import judge

if __name__ == "__main__":
    name, path = sys.argv[1:]
    exercise = next(e for e in EXERCISES if e.name == name)
    with contextlib.redirect_stdout(sys.stderr):
        answer = judge(exercise, Path(path))
    print(json.dumps(answer._asdict()))
