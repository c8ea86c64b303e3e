"""Every guard removed in turn makes a test fail."""

import subprocess
import sys

import pytest
from guards import GUARDS, Guard
from suite import PROJECT, clean_environment, project_copy


@pytest.mark.parametrize("guard", GUARDS, ids=lambda g: f"{g.file}:{g.text[:30]!r}")
def test_guard_stands_in_its_file_once(guard):
    assert (PROJECT / guard.file).read_text(encoding="utf-8").count(guard.text) == 1
    assert guard.without != guard.text


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS, ids=lambda g: f"{g.file}:{g.text[:30]!r}")
def test_without_its_guard_a_test_fails(guard: Guard, tmp_path, injected):
    injected("guards")
    copy = project_copy(tmp_path / "project")
    changed = (PROJECT / guard.file).read_text(encoding="utf-8")
    changed = changed.replace(guard.text, guard.without)
    (copy / guard.file).unlink()
    (copy / guard.file).write_text(changed, encoding="utf-8")
    # Nothing is compiled for a guard that has nothing to do with compiled code.
    kernels = None if "kernels" in guard.file else "reference"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-n", "0", *guard.tests.split()],
        cwd=copy,
        env=clean_environment(PYTHONPATH=str(copy), NPGAN_KERNELS=kernels),
        capture_output=True,
        text=True,
        timeout=600,
    )
    # 1: tests ran and failed. Anything else (no such test, an error of collection) proves nothing.
    assert run.returncode == 1, run.stdout[-3000:] + run.stderr[-1000:]
    assert " failed" in run.stdout
