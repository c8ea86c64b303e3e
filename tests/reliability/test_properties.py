"""F11: random datasets, through a file, `load`, and one step of training.

Each is accepted, with a line that says as what, and trained on; or refused in one line.
"""

import logging
import struct
import zipfile

import numpy as np
import pytest
from hostile import (
    check_line,
    limits,
    reference_kernels,  # noqa: F401
)
from hostile_files import expected_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from npgan import GAN
from npgan.datasets import DataError, load

pytestmark = pytest.mark.usefixtures("reference_kernels")

SIDES = hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=6)
SHAPES = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 6), st.integers(1, 6)),
    st.tuples(
        st.integers(1, 9), st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 2, 3, 4])
    ),
    st.tuples(st.integers(1, 9), st.integers(1, 30)),
    st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    SIDES,
)
NUMBERS = st.one_of(
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(),
    st.just(np.dtype("u1")),
)
DTYPES = st.one_of(NUMBERS, NUMBERS, NUMBERS, hnp.scalar_dtypes())


@st.composite
def arrays(draw):
    """An array of any type and shape, often with values that are pixels of some scale."""
    shape, dtype = draw(SHAPES), draw(DTYPES)
    if dtype.kind not in "iuf":
        return draw(hnp.arrays(dtype, shape))
    kind = draw(st.sampled_from(["any", "pixels", "unit", "symmetric", "few", "far"]))
    if kind == "any":
        return draw(hnp.arrays(dtype, shape))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    low, high = {
        "pixels": (0, 255), "unit": (0, 1), "symmetric": (-1, 1), "few": (0, 16), "far": (-1e4, 1e4),
    }[kind]  # fmt: skip
    with np.errstate(all="ignore"):
        array = rng.uniform(low, high, shape).astype(dtype)
    return np.asfortranarray(array) if draw(st.booleans()) else array


LABELS = st.one_of(
    st.none(),
    hnp.arrays(st.sampled_from([np.uint8, np.int64, np.uint64, np.float32]), st.integers(0, 9)),
)


def write(folder, array, labels, kind):
    """Write the array in a format that can hold it; the path and whether labels are in it."""
    pixels = array.dtype == np.uint8
    if kind == "idx" and pixels:
        head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        (folder / "a.idx").write_bytes(head + array.tobytes())
        return folder / "a.idx", False
    if (
        kind == "png"
        and pixels
        and array.size
        and array.ndim in (3, 4)
        and array.shape[3:] in ((), (3,))
    ):
        for i, image in enumerate(array):
            Image.fromarray(np.ascontiguousarray(image)).save(folder / f"{i}.png")
        return folder, False
    if kind == "npz":
        held = {"x": array} if labels is None else {"x": array, "y": labels}
        (np.savez_compressed if array.ndim % 2 else np.savez)(folder / "a.npz", **held)
        assert zipfile.is_zipfile(folder / "a.npz")
        return folder / "a.npz", labels is not None
    np.save(folder / "a.npy", array)
    return folder / "a.npy", False


def one_step(folder, array, labels, kind, settings_):
    """Write, load, and train one step; what is refused is refused in one line."""
    path, with_labels = write(folder, array, labels, kind)
    try:
        data = load(path)
    except DataError as error:
        check_line(str(error))
        return
    check_line(data.note)
    assert np.array_equal(data.images, expected_rows(array, data.note))
    assert (data.labels is not None) == with_labels
    gan = GAN(latent=2, hidden=(3,), hidden_D=(3,), batch=len(data), **settings_)
    try:
        gan.fit(data, epochs=1, progress=False)
    except (ValueError, FloatingPointError) as error:
        check_line(str(error))
        refused = True
    else:
        refused = False
    if refused:  # pixels are in [-1, 1]: nothing but missing classes is a reason to stop
        far = data.images.dtype == np.float32 and np.abs(data.images).max() > 1e3
        assert far or settings_["conditional"]
        return
    assert (gan.epoch_, gan.shape_, gan.pixels_) == (1, data.shape, data.images.dtype == np.uint8)
    assert np.isfinite(gan.generator_.theta).all()
    assert np.isfinite(gan.discriminator_.theta).all()
    samples = gan.sample(2, 0)
    assert samples.shape == (2, *data.shape)
    assert samples.dtype == data.images.dtype


EVERY = {
    "array": arrays(),
    "labels": LABELS,
    "kind": st.sampled_from(["npy", "npz", "idx", "png"]),
    "settings_": st.fixed_dictionaries(
        {
            "conditional": st.booleans(),
            "penalty": st.sampled_from([None, "r1+r2", "wgan_gp"]),
            "loss": st.sampled_from(["relativistic", "hinge", "wasserstein"]),
        }
    ),
}


@pytest.fixture(autouse=True)
def no_warnings(caplog):
    """The warnings of implausible scales, of which there are many, are lines of the logger."""
    caplog.set_level(logging.ERROR, "npgan")


def check(examples, injected, tmp_path_factory):
    """Run so many examples, each of which counts as one fault."""
    count = 0

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(**EVERY)
    def example(**drawn):
        nonlocal count
        count += 1
        with limits():
            one_step(tmp_path_factory.mktemp("data"), **drawn)

    example()
    injected("F11", count)


def test_random_datasets(injected, tmp_path_factory):
    check(60, injected, tmp_path_factory)


@pytest.mark.slow
def test_many_random_datasets(injected, tmp_path_factory):
    check(700, injected, tmp_path_factory)


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(array=arrays(), labels=LABELS, conditional=st.booleans())
def test_arrays_that_fit_is_given(array, labels, conditional):
    """The same for arrays in memory: one line says what is wrong, or the step is done."""
    gan = GAN(latent=2, hidden=(3,), hidden_D=(3,), batch=1, conditional=conditional)
    n = min(len(array), 3) if array.ndim else 0
    try:
        with limits():
            gan.fit(array[:n] if n else array, epochs=1, labels=labels, progress=False)
    except (ValueError, FloatingPointError) as error:
        check_line(str(error))
        assert gan.epoch_ == 0
    else:
        assert gan.epoch_ == 1
