"""What a user's type checker sees: right calls pass `mypy --strict`, wrong ones are found."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USER = ROOT / "tests" / "typing" / "user.py"


def mypy(*arguments, cwd):
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--no-error-summary",
        "--cache-dir",
        str(cwd / "cache"),
    ]
    return subprocess.run(
        [*command, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_users_program(tmp_path):
    pytest.importorskip("mypy")
    done = mypy("--strict", "--follow-imports", "silent", str(USER), cwd=tmp_path)
    assert not done.stderr
    found = {
        (int(line), code)
        for line, code in re.findall(r"user\.py:(\d+): error: .*\[([\w-]+)\]", done.stdout)
    }
    wanted = {
        (number, code[1])
        for number, line in enumerate(USER.read_text(encoding="utf-8").splitlines(), start=1)
        if (code := re.search(r"# error: ([\w-]+)$", line))
    }
    assert len(wanted) >= 10
    assert found == wanted, done.stdout
