"""F5. SIGINT, SIGTERM and SIGHUP at random steps: a resumed run ends with the same files.

Every setting, loss, penalty and kind of data; both sets of kernels; a number of threads that
changes from one part of a run to the next.
"""

import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs import SMALL, complaints, contents, differences, litter
from suite import thinned
from warm import Moment, Warm

IMAGES = np.random.default_rng(0).integers(0, 256, (32, 6, 6), dtype=np.uint8)
LABELS = np.arange(32) % 3
POINTS = np.random.default_rng(1).normal(size=(32, 2)).astype(np.float32)
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}  # with their exit codes


# ---- kinds of data ----


def as_images(folder: Path) -> Path:
    """Greyscale images in a .npy file."""
    np.save(folder / "images.npy", IMAGES)
    return folder / "images.npy"


def as_colours(folder: Path) -> Path:
    """Colour images."""
    np.save(folder / "colours.npy", np.random.default_rng(2).integers(0, 256, (32, 5, 4, 3), "u1"))
    return folder / "colours.npy"


def as_rows(folder: Path) -> Path:
    """Images without a height."""
    np.save(folder / "rows.npy", IMAGES.reshape(32, -1))
    return folder / "rows.npy"


def as_labelled(folder: Path) -> Path:
    """Images with labels."""
    np.savez(folder / "labelled.npz", x=IMAGES, y=LABELS)
    return folder / "labelled.npz"


def as_plane(folder: Path) -> Path:
    """Points in a plane."""
    np.save(folder / "plane.npy", POINTS)
    return folder / "plane.npy"


def as_labelled_plane(folder: Path) -> Path:
    """Points in a plane, with labels."""
    np.savez(folder / "labelled_plane.npz", x=POINTS, y=LABELS)
    return folder / "labelled_plane.npz"


def as_space(folder: Path) -> Path:
    """Points in space, which have no pictures."""
    np.save(folder / "space.npy", np.random.default_rng(3).normal(size=(32, 5)).astype("f4"))
    return folder / "space.npy"


def as_idx(folder: Path) -> Path:
    """An IDX file with its labels."""
    for name, array in (("train-images-idx3-ubyte", IMAGES), ("train-labels-idx1-ubyte", LABELS)):
        head = np.array([0x800 + array.ndim, *array.shape], ">u4").tobytes()
        (folder / name).write_bytes(head + array.astype(np.uint8).tobytes())
    return folder / "train-images-idx3-ubyte"


def as_pngs(folder: Path) -> Path:
    """A folder of PNG files."""
    (folder / "pngs").mkdir()
    for i, image in enumerate(IMAGES):
        Image.fromarray(image).save(folder / "pngs" / f"{i:02d}.png")
    return folder / "pngs"


DATA: dict[str, Callable[[Path], Path]] = {
    make.__name__.removeprefix("as_"): make
    for make in (
        *(as_images, as_colours, as_rows, as_labelled, as_plane, as_labelled_plane, as_space),
        *(as_idx, as_pngs),
    )
}

# ---- settings: the kind of data, and the options ----

CASES = [
    *(("images", f"--loss {loss}") for loss in (
        "nonsaturating", "minimax", "least_squares", "hinge", "wasserstein", "relativistic",
    )),
    *(("images", f"--penalty {penalty} --penalty-every {every}") for penalty, every in (
        ("r1", 1), ("r2", 2), ("r1+r2", 3), ("wgan_gp", 1), ("wgan_gp", 5), ("none", 1),
    ) if penalty != "none"),
    ("images", "--penalty none"),
    ("images", "--penalty r1 --penalty-every 2 --penalty-weight 3"),
    ("images", "--d-steps 2"),
    ("images", "--d-steps 4 --penalty wgan_gp"),
    ("images", "--dropout 0.3"),
    ("images", "--instance-noise 0.2"),
    ("images", "--loss nonsaturating --smoothing 0.1"),
    ("images", "--lr-decay 0 --average 0"),
    ("images", "--lr-decay 1 --average 0.5 --lr 0.001 0.0005"),
    ("images", "--beta1 0.5 --beta2 0.9 --seed 7"),
    ("images", "--batch 5 --hidden 7 3 --hidden-D 6 5 --latent 1"),
    ("images", "--batch 32"),
    ("colours", ""),
    ("rows", "--dropout 0.2 --instance-noise 0.1 --d-steps 2 --loss hinge"),
    ("labelled", ""),
    ("labelled", "--conditional"),
    ("labelled", "--conditional --dropout 0.2 --instance-noise 0.1 --d-steps 2 --penalty r1"),
    ("plane", "--loss wasserstein --penalty wgan_gp --d-steps 2"),
    ("labelled_plane", "--conditional --loss least_squares"),
    ("space", "--loss minimax --smoothing 0.2"),
    ("idx", "--conditional --penalty wgan_gp"),
    ("pngs", "--average 0.9"),
]  # fmt: skip
EPOCHS = 3
INTERRUPTIONS = 4  # of each case: two with each set of kernels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the data and the runs are."""
    return tmp_path_factory.mktemp("resumes")


@pytest.fixture(scope="module")
def data(folder: Path) -> Callable[[str], Path]:
    """The data of a kind, written when they are first asked for."""
    known: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in known:
            known[name] = DATA[name](folder)
        return known[name]

    return make


def options(case: tuple[str, str]) -> list[str]:
    """The options of a case, after those of every small run."""
    return [*SMALL, *case[1].split()]


@pytest.fixture(scope="module")
def uninterrupted(folder: Path, data: Callable[[str], Path]) -> Callable[..., dict]:
    """The files of a case that nothing interrupts, and its steps."""
    known: dict[tuple[object, ...], dict[str, bytes | None]] = {}

    def files(warm: Warm, case: tuple[str, str]) -> dict[str, bytes | None]:
        if (warm, case) not in known:
            out = folder / "uninterrupted"
            command = ("train", "--data", data(case[0]), "--out", out, "--epochs", EPOCHS)
            done = warm.run(*command, *options(case), cwd=folder)
            assert complaints(done, (0,)) == []
            known[warm, case] = contents(out)
            shutil.rmtree(out)
        return known[warm, case]

    return files


def steps_of(case: tuple[str, str]) -> int:
    """The steps of the whole run."""
    words = options(case)

    def last(option: str, default: int) -> int:
        places = [i for i, word in enumerate(words) if word == option]
        return int(words[places[-1] + 1]) if places else default

    return EPOCHS * (32 // (last("--batch", 8) * last("--d-steps", 1)))


ALL = [(case, n) for n in range(INTERRUPTIONS) for case in CASES]
IDS = [f"{case[0]} {case[1]} {n}" for case, n in ALL]


@pytest.mark.parametrize("which", thinned(ALL, 6, IDS))
def test_an_interrupted_run_ends_with_the_same_files(
    request, folder, data, uninterrupted, which, injected
):
    case, n = which
    compiled = n % 2 == 1
    warm = request.getfixturevalue("warm_compiled" if compiled else "warm")
    expected, rng = uninterrupted(warm, case), random.Random(IDS[ALL.index(which)])
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    command = ["train", "--data", data(case[0]), "--out", out, "--epochs", EPOCHS, *options(case)]
    left = steps_of(case)
    for _ in range(1 + n // 2):  # once, or twice in a row
        if left == 0:
            break
        injected("F5")
        number, step = rng.choice(list(SIGNALS)), rng.randint(1, left)
        threads = ["--threads", rng.choice((1, 2, 3))] if compiled else []
        moment = Moment(step=step, signal=number)
        done = warm.run(*command, *threads, cwd=folder, moment=moment)
        assert complaints(done, (SIGNALS[number],)) == []
        left -= step
        command = ["train", "--resume", out, "--quiet"]
    done = warm.run(*command, cwd=folder)
    assert done.code == 0 or (left == 0 and "has completed its" in done.err), done.err
    assert differences(out, expected) == []
    assert litter(folder) == []
