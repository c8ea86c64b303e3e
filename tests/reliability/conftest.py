"""Fixtures of the tests of reliability."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from suite import clean_environment
from warm import Warm
from worlds import World, build


@pytest.fixture(scope="session")
def start_warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Warm]]:
    """Starts warm processes, which end with the session. Their system calls can fail."""
    processes: list[Warm] = []
    library = compile_failing_calls(tmp_path_factory.mktemp("failing_calls"))

    def start(kernels: str) -> Warm:
        preload = {} if library is None else {"LD_PRELOAD": str(library)}
        environment = clean_environment(NPGAN_KERNELS=kernels, **preload)
        processes.append(Warm(environment, tmp_path_factory.mktemp("warm"), bool(library)))
        return processes[-1]

    yield start
    for process in processes:
        process.close()


def compile_failing_calls(folder: Path) -> Path | None:
    """The compiled failing_calls.c, for LD_PRELOAD; None where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    library = folder / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    subprocess.run(
        [compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", source, "-o", library, "-ldl"],
        check=True,
    )
    return library


@pytest.fixture(scope="session")
def warm(start_warm: Callable[..., Warm]) -> Warm:
    """A warm process with the reference kernels."""
    return start_warm("reference")


@pytest.fixture(scope="session")
def warm_compiled(start_warm: Callable[..., Warm]) -> Warm:
    """A warm process with the compiled kernels."""
    return start_warm("compiled")


@pytest.fixture(scope="session")
def warm_failing(warm: Warm) -> Warm:
    """The warm process with the reference kernels, if its system calls can fail."""
    if not warm.counts_calls:
        pytest.skip("failing_calls.c needs Linux and a C compiler (gcc)")
    return warm


@pytest.fixture(scope="session")
def built(warm_failing: Warm, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A folder with the data and the files of two runs."""
    return build(warm_failing, tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(built: World) -> World:
    """The same, with an empty folder "here"."""
    shutil.rmtree(built.folder / "here", ignore_errors=True)
    (built.folder / "here").mkdir()
    return built
