"""The data: MNIST as published, every reader and every complaint, batches that miss and repeat nothing."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from npgan import GAN
from npgan.datasets import (
    DataError,
    Images,
    batches,
    load,
    mnist,
    mnist_data,
    ring,
    to_uint8,
    to_unit,
)
from npgan.datasets.arrays import as_dataset
from npgan.datasets.idx import header, read_idx
from npgan.datasets.numpy_files import read_npy

ROOT = Path(__file__).resolve().parent.parent
FASHION = Path(os.environ.get("NPGAN_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
OFFICIAL = os.environ.get("NPGAN_MNIST")  # a directory with the four published MNIST files


def idx_bytes(array):
    return header(array.shape) + array.tobytes()


def write_idx(path, array):
    """Write a uint8 array as IDX, gzipped if the name says so."""
    data = idx_bytes(array)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)


def complaint(call, *args, **kwargs):
    """The text of the DataError that a call must raise; always one line."""
    with pytest.raises(DataError) as caught:
        call(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture(scope="module")
def train():
    return mnist()


@pytest.fixture(scope="module")
def build_mnist():
    path = ROOT / "tools" / "build_mnist.py"
    if not path.exists():
        pytest.skip("tools/ is not part of an installed npgan")
    spec = importlib.util.spec_from_file_location("build_mnist", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestEmbeddedMnist:
    # Hashed here a second time, by hand, so that is_as_published() and header() cannot vouch for themselves.
    @pytest.mark.parametrize(
        ("split", "n", "images_sha", "labels_sha"),
        [
            ("train", 60_000, "ba891046e6505d7a", "65a50cbbf4e906d7"),
            ("test", 10_000, "0fa7898d509279e4", "ff7bcfd416de3373"),
        ],
    )
    def test_is_the_published_mnist(self, split, n, images_sha, labels_sha):
        data = mnist(split)
        length = n.to_bytes(4, "big")
        images = (
            bytes.fromhex("00000803")
            + length
            + bytes.fromhex("0000001c 0000001c")
            + data.images.tobytes()
        )
        labels = bytes.fromhex("00000801") + length + data.labels.tobytes()
        assert hashlib.sha256(images).hexdigest().startswith(images_sha)
        assert hashlib.sha256(labels).hexdigest().startswith(labels_sha)

    def test_known_facts(self, train):
        assert np.bincount(train.labels).tolist() == [
            5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
        ]  # fmt: skip
        assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
        assert train.images.mean() == pytest.approx(33.3184, abs=1e-4)

    def test_type(self, train):
        assert (train.name, train.shape, len(train)) == ("mnist", (28, 28), 60_000)
        assert train.images.shape == (60_000, 784)
        assert train.labels.shape == (60_000,)
        assert train.images.dtype == train.labels.dtype == np.uint8
        assert train.images.flags.c_contiguous

    def test_all_is_train_then_test(self, train):
        data, test = mnist("all"), mnist("test")
        assert len(data) == 70_000
        assert np.array_equal(data.images[:60_000], train.images)
        assert np.array_equal(data.images[60_000:], test.images)
        assert np.array_equal(data.labels, np.concatenate([train.labels, test.labels]))

    def test_only_the_split_asked_for_is_read(self, tmp_path, monkeypatch):
        (tmp_path / "mnist-test.z").write_bytes((mnist_data.DATA / "mnist-test.z").read_bytes())
        monkeypatch.setattr(mnist_data, "DATA", tmp_path)
        assert len(mnist("test")) == 10_000
        assert "install npgan again" in complaint(mnist, "train")

    def test_load_knows_it_by_name(self):
        assert np.array_equal(load("mnist", "test").images, mnist("test").images)

    @pytest.mark.parametrize("call", [mnist, lambda split: load("mnist", split)])
    def test_unknown_split(self, call):
        text = complaint(call, "validation")
        assert text == 'split must be "train", "test" or "all", got \'validation\''

    @pytest.mark.parametrize(
        "damage",
        [
            lambda packed: packed[:-1],
            lambda packed: b"",
            lambda packed: packed[:5000] + bytes([packed[5000] ^ 1]) + packed[5001:],
            lambda packed: zlib.compress(zlib.decompress(packed)[:-1], 1),
            lambda packed: zlib.compress(zlib.decompress(packed)[:-1] + b"\1", 1),
            lambda packed: zlib.compress(b"\1" + zlib.decompress(packed)[1:], 1),
            lambda packed: zlib.compress(b"abc"),
        ],
        ids=["cut", "empty", "bit flip", "short", "one pixel", "one label", "other data"],
    )
    def test_damage_is_found(self, damage, tmp_path, monkeypatch):
        packed = (mnist_data.DATA / "mnist-test.z").read_bytes()
        (tmp_path / "mnist-test.z").write_bytes(damage(packed))
        monkeypatch.setattr(mnist_data, "DATA", tmp_path)
        text = complaint(mnist, "test")
        assert "mnist-test.z: the built-in MNIST is damaged" in text
        assert text.endswith("install npgan again")

    def test_notice_names_source_and_licence(self):
        notice = (mnist_data.DATA / "NOTICE.md").read_text(encoding="utf-8")
        for word in ("LeCun", "Cortes", "Burges", "Attribution-ShareAlike 3.0"):
            assert word in notice
        for part in mnist_data.PARTS.values():
            assert part.images_sha256 in notice
            assert part.labels_sha256 in notice

    def test_from_a_zip_file(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "npgan.zip", "w") as file:
            package = mnist_data.DATA.parents[1]
            for path in sorted(package.rglob("*")):
                if path.suffix == ".py" or path.name == "mnist-test.z":
                    file.write(path, path.relative_to(package.parent))
        code = "import npgan.datasets as d; print(d.__file__, len(d.mnist('test')))"
        out = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, cwd=tmp_path, check=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "npgan.zip")},
        )  # fmt: skip
        assert "npgan.zip" in out.stdout
        assert out.stdout.endswith(" 10000\n")

    def test_import_is_light(self):
        code = (
            "import sys, numpy; before = set(sys.modules); import npgan.datasets; "
            "print(*{'PIL', 'matplotlib', 'numba', 'lzma', 'gzip', 'zipfile'} & set(sys.modules) - before)"
        )
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
        )
        assert out.stdout.strip() == ""


class TestBuild:
    @settings(max_examples=30, deadline=None)
    @given(
        images=hnp.arrays(
            np.uint8,
            st.tuples(st.integers(1, 7), st.just(784)),
            elements=st.sampled_from([0, 0, 1, 128, 255]),
        ),
        chunk=st.integers(1, 8),
    )
    def test_unpack_undoes_pack(self, build_mnist, images, chunk):
        labels = np.arange(len(images), dtype=np.uint8)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(build_mnist, "CHUNK", chunk)
            patch.setattr(mnist_data, "CHUNK", chunk)
            packed = build_mnist.pack(images, labels)
            assert packed == build_mnist.pack(images, labels)
            images_out, labels_out = np.full_like(images, 7), np.full_like(labels, 7)
            mnist_data.unpack(packed, images_out, labels_out)
        assert np.array_equal(images_out, images)
        assert np.array_equal(labels_out, labels)

    def test_order_is_by_inked_neighbours_then_place(self):
        ink = np.zeros((28, 28), np.uint8)
        ink[5, 5:8] = ink[6, 6] = ink[20, 20] = 1
        lone, left, top, right, below = 20 * 28 + 20, 5 * 28 + 5, 5 * 28 + 6, 5 * 28 + 7, 6 * 28 + 6
        assert mnist_data.ink_order(ink.reshape(-1)).tolist() == [lone, left, right, top, below]

    def test_build_writes_what_mnist_reads(self, build_mnist, tmp_path, monkeypatch, capsys):
        parts = {}
        for name, stem, n in (("train", "train", 6), ("test", "t10k", 3)):
            images, labels = pixels(n, 28, 28, seed=n), np.arange(n, dtype=np.uint8)
            write_idx(tmp_path / f"{stem}-images-idx3-ubyte.gz", images)
            write_idx(tmp_path / f"{stem}-labels-idx1-ubyte.gz", labels)
            sha = [hashlib.sha256(idx_bytes(array)).hexdigest() for array in (images, labels)]
            parts[name] = mnist_data.Part(n, stem, *sha)
        for module in (mnist_data, build_mnist):
            monkeypatch.setattr(module, "PARTS", parts)
        monkeypatch.setattr(mnist_data, "DATA", tmp_path)
        monkeypatch.setattr(sys, "argv", ["build_mnist.py", str(tmp_path), "--out", str(tmp_path)])
        build_mnist.main()
        assert "mnist-test.z: 3 images" in capsys.readouterr().out
        assert np.array_equal(mnist().images, pixels(6, 28, 28, seed=6).reshape(6, 784))
        assert mnist("all").labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]

        write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(3, np.uint8))
        with pytest.raises(SystemExit, match="the t10k files do not have the published SHA-256"):
            build_mnist.main()
        (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(SystemExit, match="found no train-labels-idx1-ubyte"):
            build_mnist.main()

    @pytest.mark.skipif(OFFICIAL is None, reason="NPGAN_MNIST does not name the published files")
    def test_from_the_published_files(self, build_mnist, tmp_path, monkeypatch, train):
        build_mnist.build(Path(OFFICIAL), tmp_path)
        monkeypatch.setattr(mnist_data, "DATA", tmp_path)
        assert np.array_equal(mnist().images, train.images)


class TestIdx:
    @settings(max_examples=60, deadline=None)
    @given(
        array=hnp.arrays(
            np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9)
        ),
        suffix=st.sampled_from(["", ".gz"]),
    )
    def test_round_trip(self, tmp_path_factory, array, suffix):
        path = write_idx(tmp_path_factory.mktemp("idx") / f"array{suffix}", array)
        back = read_idx(path)
        assert back.dtype == np.uint8
        assert back.shape == array.shape
        assert np.array_equal(back, array)

    def test_larger_than_one_piece(self, tmp_path):
        array = pixels(3, 700, 900)
        assert np.array_equal(read_idx(write_idx(tmp_path / "large", array)), array)

    def test_header_as_published(self):
        assert header((60000, 28, 28)).hex(" ", 4) == "00000803 0000ea60 0000001c 0000001c"

    @settings(max_examples=40, deadline=None)
    @given(cut=st.integers(0, 39), zipped=st.booleans())
    def test_every_truncation_is_found(self, tmp_path_factory, cut, zipped):
        data = idx_bytes(pixels(2, 3, 4))
        assert len(data) == 40
        path = tmp_path_factory.mktemp("idx") / "short"
        path.write_bytes(gzip.compress(data[:cut]) if zipped else data[:cut])
        text = complaint(read_idx, path)
        assert ("truncated, copy it again" in text) == (cut >= 4)

    def test_truncated_says_what_was_promised(self, tmp_path):
        path = tmp_path / "train-images-idx3-ubyte.gz"
        path.write_bytes(gzip.compress(header((60000, 28, 28)) + bytes(1234)))
        assert complaint(read_idx, path) == (
            "train-images-idx3-ubyte.gz: the header says 60000 x 28 x 28 bytes, the file holds 1234; "
            "it is truncated, copy it again"
        )

    def test_too_long(self, tmp_path):
        path = tmp_path / "long"
        path.write_bytes(idx_bytes(pixels(2, 3, 4)) + b"\0")
        assert "the header says 2 x 3 x 4 bytes, the file holds more" in complaint(read_idx, path)

    def test_a_promise_of_terabytes_reserves_nothing(self, tmp_path):
        path = tmp_path / "huge"
        path.write_bytes(header((2**32 - 1, 2**32 - 1, 2**32 - 1)) + b"abc")
        assert "holds 3; it is truncated" in complaint(read_idx, path)

    def test_reads_no_further_than_promised(self, tmp_path):
        path = tmp_path / "bomb.gz"
        path.write_bytes(gzip.compress(idx_bytes(pixels(1, 2, 2)) + bytes(1 << 20)) + b"garbage")
        assert "holds more" in complaint(read_idx, path)

    @pytest.mark.parametrize(
        ("start", "words"),
        [
            ("0000 0d03 00000001", "holds float32 values; expected uint8"),
            ("0000 0903 00000001", "holds int8 values"),
            (
                "0000 0703 00000001",
                "not an IDX file: it must start with the bytes 00 00 08, found 00 00 07 03",
            ),
            ("0100 0803 00000001", "found 01 00 08 03"),
            ("0001 0803 00000001", "found 00 01 08 03"),
            ("0000", "found 00 00"),
            ("", "found nothing"),
        ],
    )
    def test_wrong_magic(self, tmp_path, start, words):
        path = tmp_path / "file"
        path.write_bytes(bytes.fromhex(start))
        assert words in complaint(read_idx, path)

    def test_damaged_gzip(self, tmp_path):
        whole = gzip.compress(idx_bytes(pixels(20, 28, 28)))
        path = tmp_path / "images.gz"
        path.write_bytes(whole[: len(whole) // 2])
        assert "the gzip stream stops early" in complaint(read_idx, path)
        path.write_bytes(whole[:-8] + b"\0\0\0\0" + whole[-4:])
        assert "the gzip stream is damaged" in complaint(read_idx, path)
        path.write_bytes(whole[:12] + b"\xff" * 50 + whole[62:])
        assert "the gzip stream is damaged" in complaint(read_idx, path)


class TestLoadIdx:
    @pytest.fixture
    def folder(self, tmp_path):
        """A directory as published: 5 training and 2 test images of 4 x 3."""
        folder = tmp_path / "digits"
        folder.mkdir()
        for stem, n in (("train", 5), ("t10k", 2)):
            write_idx(folder / f"{stem}-images-idx3-ubyte.gz", pixels(n, 4, 3, seed=n))
            write_idx(folder / f"{stem}-labels-idx1-ubyte.gz", np.arange(n, dtype=np.uint8))
        return folder

    def test_directory(self, folder):
        data = load(folder)
        assert isinstance(data, Images)
        assert (data.name, data.shape) == ("digits", (4, 3))
        assert np.array_equal(data.images, pixels(5, 4, 3, seed=5).reshape(5, 12))
        assert data.labels.tolist() == [0, 1, 2, 3, 4]
        assert np.array_equal(load(folder, "test").images, pixels(2, 4, 3, seed=2).reshape(2, 12))
        both = load(str(folder), "all")
        assert both.images.shape == (7, 12)
        assert both.labels.tolist() == [0, 1, 2, 3, 4, 0, 1]

    @pytest.mark.parametrize("gz", ["", ".gz"])
    @pytest.mark.parametrize("labels_gz", ["", ".gz"])
    @pytest.mark.parametrize(
        "name", ["{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte", "emnist-letters-{}-{}-idx{}-ubyte"]
    )
    def test_file_finds_its_labels(self, tmp_path, name, gz, labels_gz):
        path = write_idx(tmp_path / (name.format("train", "images", 3) + gz), pixels(3, 2, 2))
        assert load(path).labels is None
        labels = np.array([7, 8, 9], np.uint8)
        write_idx(tmp_path / (name.format("train", "labels", 1) + labels_gz), labels)
        assert load(path).labels.tolist() == [7, 8, 9]
        assert load(tmp_path).labels.tolist() == [7, 8, 9]

    def test_any_name_will_do_for_a_file(self, tmp_path):
        data = load(write_idx(tmp_path / "photos", pixels(3, 2, 2)))
        assert data.labels is None
        assert data.name == "photos"

    def test_emnist_test_split(self, tmp_path):
        write_idx(tmp_path / "emnist-mnist-test-images-idx3-ubyte.gz", pixels(3, 2, 2))
        assert len(load(tmp_path, "test")) == 3

    def test_unzipped_beside_gz_is_one_set(self, folder):
        write_idx(folder / "train-images-idx3-ubyte", pixels(5, 4, 3, seed=5))
        (folder / "train-images-idx3-ubyte.gz").write_bytes(b"the unzipped one is preferred")
        assert len(load(folder)) == 5

    def test_several_sets(self, folder):
        write_idx(folder / "emnist-train-images-idx3-ubyte.gz", pixels(5, 4, 3))
        names = "emnist-train-images-idx3-ubyte, train-images-idx3-ubyte"
        assert (
            complaint(load, folder)
            == f"{folder}: holds several train sets ({names}); name one file"
        )

    def test_missing_split(self, folder):
        (folder / "t10k-images-idx3-ubyte.gz").unlink()
        assert "no images for the test split; expected t10k-images-idx3-ubyte" in complaint(
            load, folder, "all"
        )

    def test_labels_that_do_not_fit(self, folder):
        write_idx(folder / "train-labels-idx1-ubyte.gz", np.arange(4, dtype=np.uint8))
        text = complaint(load, folder)
        assert (
            "labels of train-images-idx3-ubyte.gz: expected one whole number for each of 5 images"
            in text
        )
        assert "got (4,) uint8" in text

    def test_sizes_that_differ_between_splits(self, folder):
        write_idx(folder / "t10k-images-idx3-ubyte.gz", pixels(2, 5, 5))
        assert "holds images of (5, 5), but train-images-idx3-ubyte.gz of (4, 3)" in complaint(
            load, folder, "all"
        )

    def test_labels_file_is_not_images(self, folder):
        assert "holds an array of shape (5,)" in complaint(
            load, folder / "train-labels-idx1-ubyte.gz"
        )

    @pytest.mark.parametrize("shape", [(0, 28, 28), (3, 0, 28)])
    def test_no_images(self, tmp_path, shape):
        path = write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros(shape, np.uint8))
        assert "holds no images" in complaint(load, path)

    @pytest.mark.skipif(
        not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
    )
    def test_real_fashion_mnist(self):
        data, test = load(FASHION), load(FASHION, "test")
        assert data.images.shape == (60_000, 784)
        assert test.images.shape == (10_000, 784)
        assert data.shape == (28, 28)
        assert np.bincount(data.labels).tolist() == [6000] * 10
        assert np.bincount(test.labels).tolist() == [1000] * 10
        assert data.labels[:5].tolist() == [9, 0, 0, 3, 0]
        assert data.images.mean() == pytest.approx(72.9404, abs=1e-4)


class TestArrays:
    @pytest.fixture
    def save(self, tmp_path):
        def save(array):
            np.save(tmp_path / "a.npy", array)
            return tmp_path / "a.npy"

        return save

    @pytest.mark.parametrize(
        ("stored", "shape"),
        [
            ((5, 4, 3), (4, 3)),
            ((5, 4, 3, 1), (4, 3)),
            ((5, 4, 2, 3), (4, 2, 3)),
            ((5, 9), (3, 3)),
            ((5, 12), (12,)),
            ((5, 8), (8,)),
        ],
    )
    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, ">u2"])
    @pytest.mark.parametrize("fortran", [False, True])
    def test_shapes(self, save, stored, shape, dtype, fortran):
        array = pixels(*stored)
        data = load(save(np.asarray(array, dtype, order="F" if fortran else "C")))
        assert data.shape == shape
        assert data.images.dtype == np.uint8
        assert data.images.flags.c_contiguous
        assert data.labels is None
        assert np.array_equal(data.images, array.reshape(5, -1))

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    @pytest.mark.parametrize(
        ("low", "high", "scaled"),
        [
            (0, 1, lambda p: p / 255),
            (-1, 1, lambda p: p / 127.5 - 1),
            (0, 255, lambda p: p),
        ],
    )
    def test_float_images_become_the_same_pixels(self, save, dtype, low, high, scaled):
        # More rows than are converted at a time; every pixel value once per row.
        array = np.tile(np.arange(256), (2100, 1)).reshape(2100, 16, 16)
        stored = scaled(array.astype(np.float64)).astype(dtype)
        assert (stored.min(), stored.max()) == (low, high)
        images = load(save(stored)).images
        assert images.dtype == np.uint8
        assert np.array_equal(images, array.reshape(2100, 256))

    def test_float_rounding_and_order_of_the_ranges(self, save):
        image = np.array([[[0.0, 0.25, 0.5, 1.0]]])
        assert load(save(image)).images.tolist() == [[0, 64, 128, 255]]
        assert load(save(-image)).images.tolist() == [[128, 96, 64, 0]]
        assert load(save(image * 2)).images.tolist() == [[0, 0, 1, 2]]

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            (
                [-1.01, 1],
                "values run from -1.01 to 1; expected pixels in [0, 1], [-1, 1] or [0, 255]",
            ),
            ([-0.4, 60], "values run from -0.4 to 60"),
            ([-0.5, 200], "values run from -0.5 to 200"),
            ([0, 255.5], "values run from 0 to 255.5"),
            ([0, np.nan], "holds NaN or infinite values"),
            ([0, np.inf], "holds NaN or infinite values"),
            ([-np.inf, 0], "holds NaN or infinite values"),
            ([-1, 1], "values run from -1 to 1; expected pixels in [0, 255]"),
            ([0, 256], "values run from 0 to 256; expected pixels in [0, 255]"),
        ],
    )
    def test_ranges_refused(self, save, values, words):
        assert words in complaint(load, save(np.array(values).reshape(1, 1, 2)))

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_points_stay_as_they_are(self, save, dtype):
        points = np.array([[-3, 0.5, 7], [1e4, 2, -1e-3]], dtype)
        data = load(save(points))
        assert data.images.dtype == np.float32
        assert data.shape == (3,)
        assert np.array_equal(data.images, points.astype(np.float32))

    def test_four_floats_are_not_a_square(self, save):
        assert load(save(np.zeros((2, 4)))).shape == (4,)

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
    def test_points_must_be_finite_float32(self, save, value):
        assert "expected finite numbers (float32)" in complaint(
            load, save(np.array([[0.0, value]]))
        )

    @pytest.mark.parametrize(
        ("array", "words"),
        [
            (np.zeros(5), "its shape is (5,); expected (n, h, w)"),
            (np.zeros(()), "its shape is ()"),
            (np.zeros((2, 4, 4, 4)), "its shape is (2, 4, 4, 4)"),
            (np.zeros((2, 3, 4, 4)), "transpose(0, 2, 3, 1) puts colours last"),
            (np.zeros((2, 2, 2, 2, 3)), "its shape is (2, 2, 2, 2, 3)"),
            (np.zeros((0, 4, 4), np.uint8), "holds no images"),
            (np.zeros((3, 0)), "holds no images"),
            (np.zeros((2, 4), complex), "holds complex128 values"),
            (np.zeros((2, 4), bool), "holds bool values"),
            (np.array([["a"]]), "holds <U1 values"),
            (np.array([[None]]), "cannot read it as .npy"),
        ],
    )
    def test_refused(self, save, array, words):
        text = complaint(load, save(array))
        assert text.startswith("a.npy: ")
        assert words in text

    def test_damaged_npy(self, save):
        path = save(pixels(5, 4, 4))
        whole = path.read_bytes()
        for cut in (8, 60, len(whole) - 1):
            path.write_bytes(whole[:cut])
            assert "cannot read it as .npy" in complaint(load, path)

    def test_damaged_npy_header(self, save):
        path = save(pixels(5, 4, 4))
        path.write_bytes(path.read_bytes().replace(b"(5, 4, 4)", b"(5, 4, 4 "))
        assert "cannot read it as .npy" in complaint(load, path)

    def test_a_promise_of_terabytes_reserves_nothing(self, save):
        path = save(pixels(5, 4, 4))
        longer = path.read_bytes().replace(b"(5, 4, 4), }        ", b"(999999999, 4, 4), }")
        path.write_bytes(longer)
        assert b"999999999" in longer
        assert "cannot read it as .npy" in complaint(load, path)

    def test_does_not_follow_the_file(self, save):
        path = save(pixels(5, 4, 4))
        data = load(path)
        save(np.zeros((5, 4, 4), np.uint8))
        assert type(data.images) is np.ndarray
        assert np.array_equal(data.images, pixels(5, 16).reshape(5, 16))


def said(caplog):
    """The warnings of npgan since the last call; each is one line."""
    lines = [
        r.getMessage() for r in caplog.records if r.name == "npgan" and r.levelname == "WARNING"
    ]
    caplog.clear()
    assert all(line.isprintable() and len(line) < 300 for line in lines)
    return lines


class TestScale:
    """Which range of values is taken for black and white, and what is said of it."""

    DIGITS = np.tile(np.arange(256, dtype=np.uint8), 40).reshape(40, 16, 16)

    @pytest.mark.parametrize(
        "stored",
        [
            DIGITS / 255 * 1.0001,
            DIGITS / 255 * 1.0000001,
            DIGITS / 255 * 1.0019,
            DIGITS / 255 - 0.0001,
            DIGITS / 127.5 - 1.00001,
            (DIGITS / 127.5 - 1) * 1.0039,
            DIGITS * 1.0001,
            DIGITS - 0.01,
            (DIGITS / 255).astype(np.float16) * np.float16(1.001),
        ],
    )
    def test_half_a_pixel_beyond_a_range_is_rounding(self, stored, caplog):
        data = as_dataset(stored)
        assert np.abs(data.images.reshape(40, 16, 16).astype(int) - self.DIGITS).max() <= 1
        assert data.images.max() == 255
        assert not said(caplog)

    def test_one_pixel_beyond_1_changes_no_other(self):
        stored = self.DIGITS / 255
        stored[3, 15, 15] = 1.0000001
        assert np.array_equal(as_dataset(stored).images, self.DIGITS.reshape(40, 256))

    @settings(max_examples=60, deadline=None)
    @given(
        scale=st.sampled_from([(1 / 255, 0), (1 / 127.5, -1), (1, 0)]),
        beyond=st.floats(-0.49, 0.49),
        dtype=st.sampled_from([np.float32, np.float64]),
    )
    def test_no_pixel_changes_by_more_than_its_rounding(self, scale, beyond, dtype):
        factor, shift = scale
        stored = ((self.DIGITS + beyond) * factor + shift).astype(dtype)
        assert np.array_equal(as_dataset(stored).images, self.DIGITS.reshape(40, 256))

    @pytest.mark.parametrize(
        ("stored", "words"),
        [
            (DIGITS // 16, "values run from 0 to 15, taken as [0, 255]: nearly black"),
            (DIGITS / 16, "multiply them by 16"),
            (DIGITS / 255 * 1.05, "if 1.05 is white, multiply them by"),
            (DIGITS / 255 / 255, "taken as [0, 1]: nearly black; if 0.00392157 is white"),
            (DIGITS / 255 - 0.5, "taken as [-1, 1]: none is nearly black"),
            (DIGITS / 255 * 1.05 - 0.05, "if 0 is black, clip them to [0, 1]"),
            (DIGITS // 128, "values run from 0 to 1, taken as [0, 1]: black and white"),
            (DIGITS * 0, "values run from 0 to 0, taken as [0, 255]: all pixels are the same"),
            (DIGITS * 0.0 + 0.5, "values run from 0.5 to 0.5, taken as [0, 1]: all pixels are"),
            (DIGITS * 1e-312, "values run from 0 to 2.55e-310, taken as [0, 1]: nearly black"),
        ],
    )
    def test_implausible_ranges_are_said(self, stored, words, caplog):
        as_dataset(stored)
        (line,) = said(caplog)
        assert line.startswith("npgan: warning: the images: values run from ")
        assert words in line
        assert "inf" not in line

    @pytest.mark.parametrize("dtype", [np.uint8, np.int64])
    def test_binary_images_are_black_and_white(self, dtype):
        bits = self.DIGITS // 128
        assert np.array_equal(as_dataset(bits.astype(dtype)).images, bits.reshape(40, 256) * 255)

    @pytest.mark.parametrize(
        "stored", [DIGITS, DIGITS / 255, DIGITS / 127.5 - 1, DIGITS * 1.0, DIGITS // 4 * 2]
    )
    def test_plausible_ranges_are_only_noted(self, stored, caplog):
        assert as_dataset(stored).note.startswith("40 images of 16 x 16, pixels in [")
        assert not said(caplog)

    def test_the_note_says_scale_and_shape(self, tmp_path):
        np.save(tmp_path / "a.npy", self.DIGITS / 255)
        assert load(tmp_path / "a.npy").note == (
            "40 images of 16 x 16, pixels in [0, 1], scaled to 0..255"
        )
        points = as_dataset(np.array([[0.0, 2], [3, 4]]))
        assert points.note == "2 points of 2 values from 0 to 4, used as they are"


class TestImplausibleShapes:
    @pytest.mark.parametrize("range_", [(0, 1), (-1, 1), (0, 255)])
    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            (784, "for images of 28 x 28, reshape them to (n, 28, 28)"),
            (3072, "for images of 32 x 32 x 3, reshape them to (n, 32, 32, 3)"),
            (785, "reshape them to (n, 28, 28) without the column of labels"),
        ],
    )
    def test_flattened_floats_are_said_to_be_points(self, range_, columns, words, caplog):
        data = as_dataset(np.random.default_rng(0).uniform(*range_, (5, columns)))
        assert data.shape == (columns,)
        (line,) = said(caplog)
        assert "are taken as points and not scaled" in line
        assert words in line

    @pytest.mark.parametrize("array", [np.ones((5, 36)), np.ones((5, 70)), np.full((5, 64), -3.0)])
    def test_other_points_are_points(self, array, caplog):
        as_dataset(array)
        assert not said(caplog)

    @pytest.mark.parametrize("columns", [785, 65, 3073])
    def test_a_column_of_labels_is_no_pixel(self, columns):
        text = complaint(as_dataset, pixels(5, columns))
        assert "is a column the labels?" in text
        assert "images = array[:, 1:]" in text

    @pytest.mark.parametrize("shape", [(28, 28, 100), (28, 28, 3), (32, 32, 1), (64, 64, 2000)])
    def test_images_along_the_last_axis(self, shape):
        text = complaint(as_dataset, pixels(*shape))
        assert f"its shape is {shape}; expected (n, h, w)" in text
        assert "transpose(2, 0, 1)" in text
        assert "transpose(3, 0, 1, 2)" in complaint(as_dataset, pixels(8, 8, 3, 20))

    def test_formats_of_images_say_which_axis_is_which(self, tmp_path, caplog):
        assert len(load(write_idx(tmp_path / "images", pixels(9, 9, 20)))) == 9
        assert not said(caplog)
        np.save(tmp_path / "a.npy", pixels(9, 9, 20))
        np.savez(tmp_path / "a.npz", pixels(9, 9, 20))
        for name in ("a.npy", "a.npz"):
            assert "expected (n, h, w)" in complaint(load, tmp_path / name)

    @pytest.mark.parametrize(
        ("shape", "words"),
        [
            ((60, 50, 3), "if it is one colour image"),
            ((20, 16, 90), "if the last axis counts the images"),
            ((5, 3072), "if they are 32 x 32 x 3, reshape them to (n, 32, 32, 3)"),
            (
                (28, 28),
                "its shape is (28, 28), taken as 28 images of 28 values; if it is one image",
            ),
            ((256, 256), "if it is one image, a dataset needs many"),
            ((48, 64 + 2), "if it is one image, a dataset needs many"),
        ],
    )
    def test_doubtful_shapes_are_said(self, shape, words, caplog):
        as_dataset(pixels(*shape))
        (line,) = said(caplog)
        assert words in line

    def test_one_image_of_floats_is_no_set_of_points(self, caplog):
        as_dataset(np.random.default_rng(0).random((28, 28)))
        assert "taken as 28 points of 28 values; if it is one image" in said(caplog)[0]

    @pytest.mark.parametrize(
        "shape",
        [(28, 28, 28), (100, 28, 28), (5, 784), (3, 2, 2), (5, 12), (60, 64), (2, 2), (20, 100)],
    )
    def test_plausible_shapes(self, shape, caplog):
        assert len(as_dataset(pixels(*shape))) == shape[0]
        assert not said(caplog)


class Metres(np.ndarray):
    """An array with a unit."""


class Frame:
    def to_numpy(self):
        raise AssertionError


class TestWhatIsNoArray:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ("digits.npy", "npgan.datasets.load(name) reads a file"),
            (Path("digits.npy"), "got the name"),
            (b"digits.npy", "got the name"),
            (np.ma.masked_equal(pixels(5, 4, 4), 0), "masked array, whose mask would be lost"),
            (pixels(5, 4, 4).view(Metres), "a Metres, a kind of array"),
            (Frame(), "a Frame; take its columns of pixels"),
            (
                (pixels(5, 4, 4), np.arange(5)),
                "Give them as fit(images, labels=labels)",
            ),
            ([[1, 2], [3], [4]], "no array but a list; NumPy says: setting an array element"),
            ({"images": pixels(5, 4, 4)}, "a dict of objects; expected an array of numbers"),
            (iter([1, 2]), "of objects"),
            (None, "a NoneType of objects"),
            (np.zeros((5, 2), "m8[s]"), "holds timedelta64[s] values"),
            (np.zeros((5, 2), [("a" * 500, "f4")]), "values; expected uint8 or floats"),
            (np.zeros((5, 4, 4), bool), "255 * array.astype(np.uint8) makes pixels of them"),
        ],
    )
    def test_one_sentence(self, values, words):
        text = complaint(as_dataset, values)
        assert text.startswith("the images: ")
        assert words in text
        assert len(text) < 300

    def test_labels_too(self):
        images = pixels(2, 4, 4)
        assert "whose mask" in complaint(as_dataset, images, np.ma.masked_equal([1, 2], 2))
        assert "the labels: expected an array" in complaint(as_dataset, images, "labels.npy")
        assert "which int64 cannot hold" in complaint(
            as_dataset, images, np.array([1, 2**63], np.uint64)
        )
        assert "timedelta64" in complaint(as_dataset, images, np.array([1, 2], "m8[s]"))


class TestFit:
    """What `fit` says of the mistakes that users make with its first two arguments."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((pixels(64, 4, 4), np.arange(64)), "labels are given as fit(images, labels=labels)"),
            ((pixels(64, 4, 4), [1] * 64), "labels are given as fit(images, labels=labels)"),
            (((pixels(64, 4, 4), np.arange(64)),), "Give them as fit(images, labels=labels)"),
            (("digits.npy",), "npgan.datasets.load(name) reads a file or a folder"),
            ((Frame(),), "take its columns of pixels"),
            ((pixels(64, 4, 4), "x" * 9999), "epochs must be a whole number of 1 or more; got 'xx"),
        ],
    )
    def test_one_sentence(self, arguments, words):
        gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8)
        with pytest.raises(ValueError, match=re.escape(words)) as caught:
            gan.fit(*arguments)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 200

    @pytest.mark.parametrize("labels", [np.arange(64), [1] * 64])
    def test_labels_by_position_and_epochs_by_name(self, labels):
        gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=8)
        with pytest.raises(ValueError, match="labels are given as fit"):
            gan.fit(pixels(64, 4, 4), labels, epochs=5)
        with pytest.raises(TypeError, match="multiple values for argument 'epochs'"):
            gan.fit(pixels(64, 4, 4), 5, epochs=5)


class TestMessages:
    @settings(max_examples=100, deadline=None)
    @given(text=st.text(max_size=2000))
    def test_are_one_printable_line(self, text):
        line = str(DataError(text))
        assert line.isprintable()
        assert len(line) <= 280

    def test_escapes_and_undecodable_names_are_spelled_out(self):
        text = str(DataError("a\x1b[31m.npy\udc80\u202e: damaged\nnow"))
        assert text == r"a\x1b[31m.npy\udc80\u202e: damaged now"

    def test_start_and_end_of_a_long_one_remain(self):
        text = str(DataError("start " + "x" * 580_000 + " end"))
        assert len(text) == 280
        assert text.startswith("start x")
        assert text.endswith("x end")


class TestNpz:
    @pytest.mark.parametrize(
        ("x", "y"),
        [
            ("images", "labels"),
            ("x_train", "y_train"),
            ("train_images", "train_labels"),
            ("x", "y"),
        ],
    )
    def test_names(self, tmp_path, x, y):
        path = tmp_path / "a.npz"
        np.savez_compressed(
            path, **{"other": np.zeros(2), x: pixels(3, 4, 4), y: np.array([[1], [2], [300]])}
        )
        data = load(path)
        assert np.array_equal(data.images, pixels(3, 16))
        assert data.labels.tolist() == [1, 2, 300]
        assert data.labels.dtype == np.int64
        assert data.name == "a.npz"

    def test_keras_splits(self, tmp_path):
        path = tmp_path / "mnist.npz"
        x, y = pixels(5, 2, 2), np.arange(5)
        np.savez(path, x_train=x[:3], y_train=y[:3], x_test=x[3:], y_test=y[3:])
        assert load(path).labels.tolist() == [0, 1, 2]
        assert load(path, "test").labels.tolist() == [3, 4]
        assert np.array_equal(load(path, "all").images, x.reshape(5, 4))
        assert load(path, "all").labels.tolist() == [0, 1, 2, 3, 4]
        assert load(path).labels.dtype == np.uint8

    def test_labels_of_one_split_only(self, tmp_path):
        np.savez(
            tmp_path / "a.npz", x_train=pixels(3, 4), y_train=np.arange(3), x_test=pixels(2, 4)
        )
        data = load(tmp_path / "a.npz", "all")
        assert len(data) == 5
        assert data.labels is None

    def test_unnamed_and_single(self, tmp_path):
        np.savez(tmp_path / "a.npz", pixels(3, 4), np.zeros(7))
        assert load(tmp_path / "a.npz").labels is None
        np.savez(tmp_path / "b.npz", faces=pixels(3, 4))
        assert len(load(tmp_path / "b.npz", "all")) == 3
        assert "no test images under x_test or test_images" in complaint(
            load, tmp_path / "b.npz", "test"
        )

    def test_no_images(self, tmp_path):
        np.savez(tmp_path / "a.npz", foo=pixels(3, 4), bar=pixels(3, 4))
        text = complaint(load, tmp_path / "a.npz")
        assert "has no train images under images or x_train" in text
        assert text.endswith("it holds foo, bar")
        np.savez(tmp_path / "a.npz", **{"two\nlines": pixels(3, 4), "bar": pixels(3, 4)})
        assert complaint(load, tmp_path / "a.npz").endswith("it holds two lines, bar")

    @pytest.mark.parametrize("labels", [np.arange(2), np.arange(3.0), np.eye(3, dtype=int)])
    def test_bad_labels(self, tmp_path, labels):
        np.savez(tmp_path / "a.npz", images=pixels(3, 4), labels=labels)
        assert "labels of a.npz[images]: expected one whole number" in complaint(
            load, tmp_path / "a.npz"
        )

    def test_negative_labels_keep_their_sign(self, tmp_path):
        np.savez(tmp_path / "a.npz", images=pixels(2, 4), labels=np.array([-1, 1], np.int8))
        assert load(tmp_path / "a.npz").labels.tolist() == [-1, 1]

    def test_damaged_or_pickled(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, images=pixels(300, 16))
        whole = path.read_bytes()
        path.write_bytes(whole[:-30])
        assert "a.npz: cannot read it as .npz" in complaint(load, path)
        path.write_bytes(whole[:1000] + b"?" * 9 + whole[1009:])
        assert "a.npz: cannot read it as .npz" in complaint(load, path)
        np.savez(path, images=np.array([None, 1]))
        assert "allow_pickle=False" in complaint(load, path)


class TestFolder:
    @pytest.fixture
    def image(self):
        return pytest.importorskip("PIL.Image")

    def test_grey(self, tmp_path, image):
        array = pixels(4, 5, 6)
        for name, a in zip(["b.PNG", "a.png", "c.Png", ".hidden.png"], array, strict=True):
            image.fromarray(a).save(tmp_path / name, format="PNG")
        (tmp_path / "notes.txt").write_text("not an image")
        (tmp_path / "d.png").mkdir()
        data = load(tmp_path)
        assert data.shape == (5, 6)
        assert np.array_equal(data.images, array[[1, 0, 2]].reshape(3, 30))
        assert data.labels is None
        assert data.name == tmp_path.name

    def test_rgb(self, tmp_path, image):
        array = pixels(2, 5, 6, 3)
        for i, a in enumerate(array):
            image.fromarray(a).save(tmp_path / f"{i}.png")
        data = load(tmp_path)
        assert data.shape == (5, 6, 3)
        assert np.array_equal(data.images, array.reshape(2, 90))

    @pytest.mark.parametrize("suffix", ["jpg", "JPEG"])
    def test_jpeg(self, tmp_path, image, suffix):
        image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / f"a.{suffix}", quality=95)
        images = load(tmp_path).images
        assert images.shape == (1, 64)
        assert abs(images.astype(int) - 200).max() <= 2

    def test_black_and_white_and_palette(self, tmp_path, image):
        bits = image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
        bits.save(tmp_path / "a.png")
        assert load(tmp_path).images.tolist() == [[0, 255, 255, 0]]
        colours = image.fromarray(np.full((2, 2, 3), [255, 0, 0], np.uint8)).convert("P")
        colours.save(tmp_path / "a.png")
        assert load(tmp_path).images.tolist() == [[255, 0, 0] * 4]

    @pytest.mark.parametrize(
        ("shape", "words"),
        [
            ((5, 7), "b.png is 5 x 7 greyscale, but a.png is 5 x 6 greyscale"),
            ((5, 6, 3), "b.png is 5 x 6 RGB, but a.png is 5 x 6 greyscale"),
            ((5, 6, 4), "b.png is RGBA; expected greyscale or RGB"),
        ],
    )
    def test_the_one_that_differs_is_named(self, tmp_path, image, shape, words):
        for name in "acd":
            image.fromarray(pixels(5, 6)).save(tmp_path / f"{name}.png")
        image.fromarray(pixels(*shape)).save(tmp_path / "b.png")
        assert complaint(load, tmp_path).startswith(words)

    def test_transparent_palette_and_16_bits(self, tmp_path, image):
        image.fromarray(np.full((2, 2, 3), 9, np.uint8)).convert("P").save(
            tmp_path / "a.png", transparency=0
        )
        assert "a.png is transparent" in complaint(load, tmp_path)
        image.fromarray(np.full((2, 2), 999, np.uint16)).save(tmp_path / "a.png")
        assert "a.png is I;16" in complaint(load, tmp_path)

    def test_unreadable(self, tmp_path, image):
        path = tmp_path / "a.png"
        image.fromarray(pixels(50, 50)).save(path)
        whole = path.read_bytes()
        for data in (b"", b"hello", whole[:100], whole[: len(whole) // 2]):
            path.write_bytes(data)
            assert "a.png: cannot read it as PNG or JPEG" in complaint(load, tmp_path)

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
    def test_exif_orientation(self, tmp_path, image, orientation, shape):
        ops = pytest.importorskip("PIL.ImageOps")
        exif = image.Exif()
        exif[0x0112] = orientation
        image.fromarray(pixels(*shape)).save(tmp_path / "a.png", exif=exif)
        upright = ops.exif_transpose(image.open(tmp_path / "a.png"))
        data = load(tmp_path)
        assert data.shape[:2] == ((7, 5) if orientation > 4 else (5, 7))
        assert np.array_equal(data.images.reshape(data.shape), np.asarray(upright))
        assert data.images.flags.c_contiguous

    @pytest.mark.parametrize("name", ["b.webp", "b.bmp", "B.TIFF", "b.gif", "b.jfif"])
    def test_other_formats_are_not_left_out(self, tmp_path, image, name):
        image.fromarray(pixels(5, 6)).save(tmp_path / "a.png")
        (tmp_path / name).touch()
        text = complaint(load, tmp_path)
        assert f"and 1 images of other formats, which are not read ({name})" in text

    def test_previews_next_to_folders_of_classes(self, tmp_path, image, caplog):
        for i in range(2):
            image.fromarray(pixels(5, 6)).save(tmp_path / f"preview{i}.png")
        for name in ("cats", "dogs"):
            (tmp_path / name).mkdir()
            for i in range(2):
                image.fromarray(pixels(5, 6)).save(tmp_path / name / f"{i}.png")
        text = complaint(load, tmp_path)
        assert "holds 2 images, and 4 images in subfolders (cats, dogs), which are not" in text
        (tmp_path / "cats" / "0.png").unlink()
        (tmp_path / "cats" / "1.png").unlink()
        assert len(load(tmp_path)) == 2
        (line,) = said(caplog)
        assert "2 images in subfolders (dogs), which are not searched" in line
        for i in range(2):
            (tmp_path / f"preview{i}.png").unlink()
        assert complaint(load, tmp_path).endswith("subfolders are not searched: cats, dogs")

    def test_files_that_are_not_read_are_said(self, tmp_path, image, caplog):
        image.fromarray(pixels(5, 6)).save(tmp_path / "a.png")
        (tmp_path / "all.npz").touch()
        load(tmp_path)
        assert "PNG and JPEG files are read, and not all.npz" in said(caplog)[0]
        write_idx(tmp_path / "train-images-idx3-ubyte", pixels(3, 2, 2))
        assert len(load(tmp_path)) == 3
        assert "IDX files are read, and not the images a.png" in said(caplog)[0]

    def test_broken_link(self, tmp_path, image):
        image.fromarray(pixels(5, 6)).save(tmp_path / "a.png")
        (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
        assert "broken links" in complaint(load, tmp_path)

    def test_without_pillow(self, tmp_path, monkeypatch):
        (tmp_path / "a.png").touch()
        monkeypatch.setitem(sys.modules, "PIL", None)
        assert complaint(load, tmp_path).endswith("needs Pillow; try: pip install pillow")

    def test_no_splits(self, tmp_path, image):
        image.fromarray(pixels(5, 6)).save(tmp_path / "a.png")
        assert "without splits" in complaint(load, tmp_path, "test")
        assert len(load(tmp_path, "all")) == 1


class TestLoadMistakes:
    def test_missing(self, tmp_path):
        (tmp_path / "fashion").mkdir()
        text = complaint(load, tmp_path / "fashon")
        assert text == f"{tmp_path / 'fashon'}: no such file or folder; did you mean fashion?"
        assert 'the built-in set is called "mnist"' in complaint(
            load, tmp_path / "nowhere" / "MNIST"
        )
        assert "did you mean mnist?" in complaint(load, "minst")

    def test_nothing_usable(self, tmp_path):
        (tmp_path / "readme.txt").touch()
        text = complaint(load, tmp_path)
        assert "found no train-images-idx3-ubyte (.gz or not) and no PNG or JPEG files" in text

    @pytest.mark.parametrize(
        ("name", "data", "words"),
        [
            ("a.npy", b"", "starts with nothing; expected an IDX file"),
            ("a.csv", b"1,2,3", "is text, such as CSV; read its numbers"),
            ("a", b"\1\2\3", "starts with 01 02 03; expected an IDX file"),
            ("a.csv.bz2", b"BZh91AY&SY", "is packed with bzip2; unpack it"),
            (
                "a.tar",
                bytes(257).replace(b"\0", b"a", 9) + b"ustar\0",
                "is a tar archive; unpack it",
            ),
            ("a.h5", b"\x89HDF\r\n\x1a\n", "is an HDF5 file; read it with the library for it"),
            ("a.pkl", b"\x80\4\x95", "is a pickle, which can run code and is not read"),
            ("a.npy", b"\n<!DOCTYPE html><html>", "has the download failed?"),
            ("a.npy", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
            ("a.webp", b"RIFF\0\0\0\0WEBP", "expected the folder with the images"),
            ("a.PNG", b"\x89PNG\r\n\x1a\n", "is a single image; expected the folder"),
        ],
    )
    def test_other_files(self, tmp_path, name, data, words):
        (tmp_path / name).write_bytes(data)
        assert words in complaint(load, tmp_path / name)

    def test_split_of_a_single_file(self, tmp_path):
        path = write_idx(tmp_path / "images", pixels(2, 3, 3))
        assert complaint(load, path, "test") == (
            'images is one set of images without splits; got split="test", leave it out'
        )
        assert len(load(path, "all")) == 2
        assert "split must be" in complaint(load, path, "val")

    @pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="no /dev/null")
    def test_device(self):
        assert "neither a file nor a folder" in complaint(load, "/dev/null")

    def test_unreadable(self, tmp_path, monkeypatch):
        def denied(*args):
            raise PermissionError(13, "Permission denied")

        path = write_idx(tmp_path / "images", pixels(2, 3, 3))
        monkeypatch.setattr(Path, "open", denied)
        assert complaint(load, path) == f"{path}: cannot read it (Permission denied)"

    def test_home(self, tmp_path, monkeypatch):
        write_idx(tmp_path / "images", pixels(2, 3, 3))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        assert len(load("~/images")) == 2

    @pytest.mark.parametrize("path", [pixels(2, 3, 3), 7, None, [1, 2]])
    def test_load_of_what_is_no_name(self, path):
        text = complaint(load, path)
        assert text.startswith("load takes the name of a file or folder, got ")

    @pytest.mark.parametrize("split", [np.arange(9999), ["train"], "x" * 10_000, None])
    def test_no_split(self, tmp_path, split):
        for path in ("mnist", tmp_path):
            assert len(complaint(load, path, split)) < 120

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
    def test_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "a.npy")
        assert "neither a file nor a folder" in complaint(load, tmp_path / "a.npy")
        assert "a pipe or a device" in complaint(read_npy, tmp_path / "a.npy")
        os.mkfifo(tmp_path / "b.png")
        assert "no regular files (broken links, pipes?): b.png" in complaint(load, tmp_path)


class TestBombs:
    """Files that promise much more than they can honestly hold: refused before memory is reserved."""

    @pytest.fixture(autouse=True)
    def most_memory(self):
        tracemalloc = pytest.importorskip("tracemalloc")
        tracemalloc.start()
        yield
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100e6

    def test_gzip(self, tmp_path):
        path = tmp_path / "train-images-idx3-ubyte.gz"
        path.write_bytes(gzip.compress(header((200_000, 28, 28)) + bytes(10_000_000)))
        text = complaint(load, path)
        assert "header says 156,800,000 bytes, in a compressed file of " in text
        assert text.endswith("If it is right, save it uncompressed")

    def test_npz(self, tmp_path):
        shape = {"shape": (90_000, 28, 28), "fortran_order": False, "descr": "|u1"}
        with (
            zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file,
            file.open("images.npy", "w", force_zip64=True) as member,
        ):
            np.lib.format.write_array_header_1_0(member, shape)
            for _ in range(90):
                member.write(bytes(784_000))
        assert "a.npz[images]: its header says 70,560," in complaint(load, tmp_path / "a.npz")

    @pytest.mark.parametrize(
        "shape", ["(10**12, 28, 28)", "(999999999, 28, 28)", "(1,)", "(-5, 4, 4)"]
    )
    @pytest.mark.parametrize("name", ["a.npy", "a.npz"])
    def test_absurd_header(self, tmp_path, name, shape):
        held = np.lib.format.magic(1, 0)
        text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".replace(
            "10**12", "1" + "0" * 12
        )
        held += len(text).to_bytes(2, "little") + text.encode() + bytes(80)
        path = tmp_path / name
        if name == "a.npy":
            path.write_bytes(held)
        else:
            with zipfile.ZipFile(path, "w") as file:
                file.writestr("images.npy", held)
        assert "the file holds 80; it is damaged" in complaint(load, path)

    @pytest.mark.parametrize("axes", [9, 60, 255])
    def test_idx_of_many_axes(self, tmp_path, axes):
        (tmp_path / "a").write_bytes(bytes([0, 0, 8, axes]) + b"\0\0\0\1" * axes + b"x")
        assert f"header says {axes} axes; expected 3" in complaint(load, tmp_path / "a")

    def test_idx_of_no_bytes_and_large_axes(self, tmp_path):
        (tmp_path / "a").write_bytes(header((0, 2**32 - 1, 2**32 - 1, 2**32 - 1)))
        assert "holds no images" in complaint(load, tmp_path / "a")

    def test_large_png(self, tmp_path, recwarn):
        image = pytest.importorskip("PIL.Image")
        image.new("1", (12_000, 9_000)).save(tmp_path / "a.png")
        assert "a.png is 9000 x 12000 pixels; at most 16,777,216" in complaint(load, tmp_path)
        assert not recwarn.list

    def test_zips_that_are_no_npz(self, tmp_path):
        path = tmp_path / "a.npz"
        for names in ([f"image-{i:05}.png" for i in range(20_000)], ["data.pkl"], []):
            with zipfile.ZipFile(path, "w") as file:
                for name in names:
                    file.writestr(name, b"")
            text = complaint(load, path)
            assert "a zip file without arrays; unpack it" in text
            assert len(text) < 280
        assert text.endswith("It holds nothing")

    def test_npz_of_many_names(self, tmp_path):
        np.savez(tmp_path / "a.npz", **{f"{i:05}" * 30: np.zeros(1) for i in range(200)})
        text = complaint(load, tmp_path / "a.npz")
        assert text.endswith("and 196 more")

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_npz_with_two_arrays_of_one_name(self, tmp_path):
        np.save(tmp_path / "a.npy", pixels(5, 4, 4))
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
            for _ in range(2):
                file.write(tmp_path / "a.npy", "images.npy")
        assert "holds two arrays of the same name" in complaint(load, tmp_path / "a.npz")

    def test_npy_that_is_longer_than_its_header(self, tmp_path):
        np.save(tmp_path / "a.npy", pixels(5, 4, 4))
        with (tmp_path / "a.npy").open("ab") as file:
            file.write(b"\0")
        assert "says 80 bytes (shape (5, 4, 4)), the file holds 81" in complaint(
            load, tmp_path / "a.npy"
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a small file of each format."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("whole")
    array = pixels(5, 6, 4)
    write_idx(folder / "a", array)
    write_idx(folder / "a.gz", array)
    np.save(folder / "a.npy", array)
    np.savez(folder / "a.npz", images=array, labels=np.arange(5))
    np.savez_compressed(folder / "b.npz", images=array / 255)
    image.fromarray(array[0]).save(folder / "a.png")
    image.fromarray(pixels(9, 9, 3)).save(folder / "a.jpg")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestAnything:
    """Whatever a file or an array holds: accepted with a note, or refused in one printable line."""

    @staticmethod
    def accepted_or_refused(call, *args):
        try:
            data, line = call(*args), None
        except DataError as error:
            data, line = None, str(error)
        if data is None:
            assert line.isprintable()
            assert len(line) <= 280
            return
        assert data.note.isprintable()
        assert data.images.shape == (len(data), np.prod(data.shape))
        assert data.images.dtype in (np.uint8, np.float32)
        assert np.isfinite(data.images).all()

    @settings(max_examples=250, deadline=None)
    @given(data=st.data())
    def test_damaged_files(self, tmp_path_factory, whole, data):
        name = data.draw(st.sampled_from(sorted(whole)))
        damaged = bytearray(whole[name])
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(damaged) - 1))
            how = data.draw(st.sampled_from(["byte", "bit", "cut", "insert", "leave out"]))
            if how == "byte":
                damaged[at] = data.draw(st.integers(0, 255))
            elif how == "bit":
                damaged[at] ^= 1 << data.draw(st.integers(0, 7))
            elif how == "insert":
                damaged[at:at] = data.draw(st.binary(max_size=9))
            elif len(damaged) > 1:
                del damaged[at or 1 : None if how == "cut" else at + 1]
        folder = tmp_path_factory.mktemp("damaged")
        (folder / name).write_bytes(damaged)
        picture = name.endswith(("png", "jpg"))
        self.accepted_or_refused(load, folder if picture else folder / name)

    @settings(max_examples=250, deadline=None)
    @given(
        array=st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes()).flatmap(
            lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0))
        )
    )
    def test_arrays(self, array):
        self.accepted_or_refused(as_dataset, array)
        self.accepted_or_refused(as_dataset, pixels(3, 4, 4), array)

    @settings(max_examples=100, deadline=None)
    @given(
        values=st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
            lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
        )
    )
    def test_objects(self, values):
        self.accepted_or_refused(as_dataset, values)


class TestRing:
    def test_is_what_it_says(self):
        data = ring(n=20_000, modes=5, radius=3.0, std=0.1, rng=1)
        assert (data.name, data.shape, data.images.dtype) == ("ring", (2,), np.float32)
        assert data.images.shape == (20_000, 2)
        for k in range(5):
            mode = data.images[data.labels == k].astype(float)
            assert len(mode) == pytest.approx(4000, abs=300)
            centre = 3 * np.array([np.cos(0.4 * np.pi * k), np.sin(0.4 * np.pi * k)])
            assert mode.mean(axis=0) == pytest.approx(centre, abs=0.01)
            assert np.cov(mode.T) == pytest.approx(0.01 * np.eye(2), abs=1e-3)

    def test_defaults(self):
        data = ring(rng=0)
        assert len(data) == 10_000
        assert set(data.labels.tolist()) == set(range(8))
        assert np.hypot(*data.images.T).mean() == pytest.approx(0.8, abs=0.002)
        assert np.abs(data.images).max() < 1

    def test_seeds(self):
        assert np.array_equal(ring(9, rng=3).images, ring(9, rng=np.random.default_rng(3)).images)
        assert not np.array_equal(ring(9, rng=3).images, ring(9, rng=4).images)
        assert not np.array_equal(ring(9).images, ring(9).images)

    def test_extremes(self):
        assert ring(1, modes=1, std=0, rng=0).images.tolist() == [[pytest.approx(0.8), 0]]
        assert ring(5000, modes=256, rng=0).labels.max() == 255

    @pytest.mark.parametrize(
        "bad", [{"n": 0}, {"modes": 0}, {"modes": 257}, {"std": -1}, {"std": float("nan")}]
    )
    def test_refused(self, bad):
        name, value = next(iter(bad.items()))
        assert f"{name}={value}" in complaint(ring, **bad)


class TestPixels:
    def test_all_256(self):
        x = np.arange(256, dtype=np.uint8).reshape(2, 128)
        unit = to_unit(x)
        assert unit.dtype == np.float32
        assert unit.shape == (2, 128)
        assert unit.flat[0] == -1
        assert unit.flat[255] == 1
        assert np.allclose(unit, np.arange(256).reshape(2, 128) / 127.5 - 1, atol=1e-7)
        assert np.array_equal(to_uint8(unit), x)
        assert np.array_equal(to_uint8(unit.astype(np.float64)), x)
        assert np.array_equal(x, np.arange(256).reshape(2, 128))

    def test_rounds_and_clips(self):
        x = np.array([-9, -np.inf, 9, np.inf, 0.999, -0.999, 0.4 / 127.5 - 1, 0.6 / 127.5 - 1])
        assert to_uint8(x).tolist() == [0, 0, 255, 255, 255, 0, 0, 1]
        assert to_uint8(x).dtype == np.uint8

    def test_refused(self):
        assert "got 1 NaN among 2 values; has training diverged?" in complaint(
            to_uint8, np.array([0, np.nan])
        )
        assert "got uint8; are they pixels already?" in complaint(to_uint8, np.zeros(2, np.uint8))
        assert "got float32; are they in [-1, 1] already?" in complaint(
            to_unit, np.zeros(2, np.float32)
        )


class TestBatches:
    numbers = np.arange(23, dtype=np.float32).reshape(23, 1)

    def epoch(self, **kwargs):
        return [b.ravel().tolist() for b in batches(self.numbers, **kwargs)]

    @settings(max_examples=50, deadline=None)
    @given(n=st.integers(1, 60), data=st.data())
    def test_every_row_once_but_for_the_last_few(self, n, data):
        batch = data.draw(st.integers(1, n))
        rows = np.arange(n, dtype=np.float64).reshape(n, 1)
        out = list(batches(rows, batch, rng=0))
        assert [b.shape for b in out] == [(batch, 1)] * (n // batch)
        assert {b.dtype for b in out} == {np.dtype(np.float32)}
        seen = np.concatenate(out).ravel()
        assert len(set(seen)) == len(seen) == n - n % batch
        assert set(seen) <= set(range(n))

    def test_pixels(self):
        images = np.arange(256, dtype=np.uint8).reshape(64, 4)
        before = images.copy()
        out = np.concatenate(list(batches(images, 8, rng=0)))
        assert out.dtype == np.float32
        assert np.array_equal(out[np.argsort(out[:, 0])], to_unit(images))
        assert np.array_equal(images, before)

    def test_random_and_repeatable(self):
        first = self.epoch(batch=5, rng=1)
        assert first == self.epoch(batch=5, rng=1)
        assert first == self.epoch(batch=5, rng=np.random.default_rng(1))
        assert first != self.epoch(batch=5, rng=2)
        assert self.epoch(batch=23) != self.epoch(batch=23)
        rng = np.random.default_rng(1)
        assert first == self.epoch(batch=5, rng=rng)
        assert first != self.epoch(batch=5, rng=rng)

    def test_the_order_is_drawn_at_the_call(self):
        rng = np.random.default_rng(1)
        epoch = batches(self.numbers, 5, rng)
        rng.standard_normal(7)
        assert [b.ravel().tolist() for b in epoch] == self.epoch(batch=5, rng=1)

    @pytest.mark.parametrize("skip", range(5))
    def test_skip(self, skip):
        rng, other = np.random.default_rng(1), np.random.default_rng(1)
        assert self.epoch(batch=5, rng=rng, skip=skip) == self.epoch(batch=5, rng=other)[skip:]
        assert rng.random() == other.random()

    @pytest.mark.parametrize("part", [slice(0, 2), slice(2, 5), [0, 1, 3], [4]])
    def test_part(self, part):
        labels = np.arange(23) % 3
        whole = batches(self.numbers, 5, np.random.default_rng(1), 1, labels)
        parts = batches(self.numbers, 5, np.random.default_rng(1), 1, labels, part=part)
        for (x, y), (x_part, y_part) in zip(whole, parts, strict=True):
            assert np.array_equal(x_part, x[part])
            assert np.array_equal(y_part, y[part])

    def test_rows_are_copies(self):
        for batch in batches(self.numbers, 23, rng=0):
            batch[:] = -1
        assert self.numbers.ravel().tolist() == list(range(23))

    @pytest.mark.parametrize(
        ("kwargs", "words"),
        [
            ({"batch": 0}, "batch must be between 1 and the 23 images there are, got 0"),
            ({"batch": 24}, "got 24"),
            (
                {"batch": 5, "skip": -1},
                "skip must be between 0 and the 4 batches of an epoch, got -1",
            ),
            ({"batch": 5, "skip": 5}, "got 5"),
        ],
    )
    def test_refused_at_the_call(self, kwargs, words):
        assert words in complaint(batches, self.numbers, rng=0, **kwargs)

    @pytest.mark.parametrize("images", [pixels(4, 2, 2), pixels(4), np.zeros((4, 2), int)])
    def test_wrong_arrays(self, images):
        text = complaint(batches, images, 2)
        assert "images must be (n, pixels) uint8 or float" in text
