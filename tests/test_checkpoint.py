"""Checkpoints: what is saved comes back, whole or not at all, and nothing else is ever believed."""

import errno
import io
import json
import os
import pickle
import shutil
import stat
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from npgan import GAN, CheckpointError
from npgan.files import checkpoint
from npgan.files.atomic import atomic_write
from npgan.metrics import judge
from npgan.metrics.judge import JUDGES, Judge

NAMES = st.tuples(st.text("abcxyz", min_size=1, max_size=6), st.text("abcXYZ019", max_size=3)).map(
    "_".join
)
KINDS = st.one_of(
    hnp.floating_dtypes(endianness="<"),
    hnp.integer_dtypes(endianness="<"),
    hnp.unsigned_integer_dtypes(endianness="<"),
    hnp.boolean_dtypes(),
)
ARRAYS = st.dictionaries(
    NAMES,
    KINDS.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0))),
    max_size=4,
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
META = st.dictionaries(
    st.text(),
    st.recursive(LEAVES, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=10),
    max_size=5,
)

SMALL = {"theta": np.arange(6, dtype=np.float32), "t": np.array(3)}
SMALL_META = {"epoch": 2, "history": {"loss": [0.1, 0.2]}}


def same(a, b):
    """The same names and, bit for bit, the same arrays."""
    return list(a) == list(b) and all(
        (a[name].dtype, a[name].shape, a[name].tobytes())
        == (b[name].dtype, b[name].shape, b[name].tobytes())
        for name in a
    )


def complaint(path, load=checkpoint.load):
    """The text of the CheckpointError that loading path must raise: one line that names it."""
    with pytest.raises(CheckpointError) as caught:
        load(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.npz"
    checkpoint.save(path, SMALL, SMALL_META)
    return path


@pytest.fixture(scope="module")
def trained():
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 3), dtype=np.uint8)
    return GAN(latent=3, hidden=(5,), hidden_D=(4,), batch=10).fit(images, epochs=1, progress=False)


# ---- there and back ----


@settings(max_examples=40)
@given(ARRAYS, META)
def test_what_is_saved_comes_back_bit_for_bit(tmp_path_factory, arrays, meta):
    path = tmp_path_factory.getbasetemp() / "round-trip.npz"
    checkpoint.save(path, arrays, meta)
    loaded, its_meta = checkpoint.load(path)
    assert same(loaded, arrays)
    assert its_meta == {**meta, "format": checkpoint.FORMAT}

    before = path.read_bytes()
    checkpoint.save(path, loaded, its_meta)
    assert path.read_bytes() == before


def test_the_bytes_do_not_depend_on_time_or_place(tmp_path, small, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    (tmp_path / "elsewhere").mkdir()
    checkpoint.save(tmp_path / "elsewhere" / "other.npz", SMALL, SMALL_META)
    assert (tmp_path / "elsewhere" / "other.npz").read_bytes() == small.read_bytes()


def test_a_directory_means_its_checkpoint(tmp_path, small):
    small.rename(tmp_path / "checkpoint.npz")
    assert same(checkpoint.load(tmp_path)[0], SMALL)


def test_a_checkpoint_can_be_read_by_whom_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        checkpoint.save(tmp_path / "a.npz", SMALL, {})
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.npz").stat().st_mode) == 0o640


# ---- whole or not at all ----


def refuse(code):
    def refusal(*_args, **_kwargs):
        raise OSError(code, os.strerror(code), "the temporary name") if code else KeyboardInterrupt

    return refusal


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, 0])
@pytest.mark.parametrize("call", ["builtins.open", "os.fsync", "os.replace", "numpy.savez"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path, small, monkeypatch, call, code
):
    before = small.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(call, refuse(code))
        with pytest.raises(OSError if code else KeyboardInterrupt) as caught:
            checkpoint.save(small, {"theta": np.zeros(9)}, {})
    if code:
        assert (caught.value.errno, caught.value.filename) == (code, str(small))
    assert [p.name for p in tmp_path.iterdir()] == [small.name]
    assert small.read_bytes() == before


def test_a_disk_that_fills_up_half_way_leaves_the_old_file(tmp_path, small):
    resource = pytest.importorskip("resource")
    before, limits = small.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (100_000, limits[1])
    )  # Python ignores the signal SIGXFSZ
    try:
        with pytest.raises(OSError, match=small.name):
            checkpoint.save(small, {"theta": np.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in tmp_path.iterdir()] == [small.name]
    assert small.read_bytes() == before


def test_the_bytes_reach_the_disk_before_the_name_and_then_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda f: (calls.append(("fsync", os.fstat(f).st_ino)), fsync(f))
    )
    monkeypatch.setattr(
        os, "replace", lambda a, b: (calls.append(("replace", b.name)), replace(a, b))
    )
    checkpoint.save(tmp_path / "a.npz", SMALL, {})
    file, directory = (("fsync", path.stat().st_ino) for path in (tmp_path / "a.npz", tmp_path))
    # Windows cannot write a directory to the disk.
    assert calls == [file, ("replace", "a.npz"), *([directory] if os.name == "posix" else [])]


@pytest.mark.skipif(os.name != "posix", reason="pipes of Unix")
@pytest.mark.parametrize("late", [False, True])
def test_a_device_or_pipe_is_not_replaced(late, tmp_path):
    """Also one that appears while the file is written."""
    target = tmp_path / "target"

    def write():
        with atomic_write(target) as file:
            file.write(b"new")
            os.mkfifo(target)

    if not late:
        os.mkfifo(target)
    with pytest.raises(OSError, match="not replaced") as caught:
        write()
    assert caught.value.filename == str(target)
    assert stat.S_ISFIFO(os.stat(target).st_mode)
    assert os.listdir(tmp_path) == ["target"]


def test_meta_that_json_cannot_hold_costs_nothing(tmp_path, small):
    before = small.read_bytes()
    with pytest.raises(TypeError):
        checkpoint.save(small, SMALL, {"bad": object()})
    assert [p.name for p in tmp_path.iterdir()] == [small.name]
    assert small.read_bytes() == before


# ---- nothing else is believed ----


def test_an_error_of_the_disk_is_not_called_a_file_that_is_no_zip():
    """As zipfile does: it raises BadZipFile while it handles the error of the disk."""
    found = zipfile.BadZipFile("File is not a zip file")
    found.__context__ = OSError(errno.EIO, os.strerror(errno.EIO))
    assert "Input/output error" in checkpoint.reason(found)


def test_every_truncated_file_is_refused(small):
    data = small.read_bytes()
    for length in range(len(data)):
        small.write_bytes(data[:length])
        complaint(small)


@pytest.mark.parametrize("flip", [0x01, 0x04, 0x20, 0xFF])
def test_no_damaged_byte_changes_what_is_loaded(small, flip):
    """Some bytes of a zip mean nothing (dates, attributes); all others are caught."""
    data, refused = small.read_bytes(), 0
    for i in range(len(data)):
        small.write_bytes(data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :])
        try:
            arrays, meta = checkpoint.load(small)
        except CheckpointError:
            refused += 1
        else:
            assert same(arrays, SMALL)
            assert meta == {**SMALL_META, "format": checkpoint.FORMAT}
    assert refused > len(data) / 2


@pytest.mark.parametrize(("header", "damage"), [(b"'<f4'", b"'<f2'"), (b"(50000,)", b"(00000,)")])
def test_a_damaged_header_that_shrinks_its_array_is_refused(tmp_path, header, damage):
    """NumPy would stop before the end of the array, where zipfile compares the checksum."""
    checkpoint.save(tmp_path / "a.npz", {"theta": np.zeros(50_000, np.float32)}, {})
    data = (tmp_path / "a.npz").read_bytes()
    assert data.count(header) == 1
    (tmp_path / "a.npz").write_bytes(data.replace(header, damage))
    assert "theta.npy is damaged" in complaint(tmp_path / "a.npz")


class Bomb:
    """Unpickling it makes a directory."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_is_never_loaded(tmp_path):
    bomb = np.array([Bomb(tmp_path / "exploded")], dtype=object)
    np.savez(tmp_path / "object.npz", theta=bomb, meta=np.array('{"format": 1}'))
    np.save(tmp_path / "object.npy", bomb)
    (tmp_path / "object.pickle").write_bytes(pickle.dumps(bomb))
    for kind in ("npz", "npy", "pickle"):
        complaint(tmp_path / f"object.{kind}")
    assert not (tmp_path / "exploded").exists()


def foreign_npz(path, **arrays):
    with path.open("wb") as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "no checkpoint.npz"),
        (lambda path: (path / "checkpoint.npz").mkdir(parents=True), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_text("epoch,loss\n1,2\n"), "cannot be read"),
        (lambda path: np.save(path.open("wb"), np.zeros(3)), "cannot be read"),
        (lambda path: foreign_npz(path, x=np.zeros(3)), 'no "meta"'),
        (lambda path: foreign_npz(path, meta=np.zeros(3)), "cannot be read"),
        (lambda path: foreign_npz(path, meta=np.array("{")), "cannot be read"),
        (lambda path: foreign_npz(path, meta=np.array("[1]")), "format None"),
        (lambda path: foreign_npz(path, meta=np.array("{}")), "format None"),
        (lambda path: foreign_npz(path, meta=np.array('{"format": 99}')), "format 99"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, make, said):
    make(tmp_path / "thing")
    assert said in complaint(tmp_path / "thing")


# ---- a GAN's checkpoint ----


def test_a_gan_comes_back_with_everything(tmp_path, trained):
    trained.save(tmp_path / "a.npz")
    GAN.load(tmp_path / "a.npz").save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    "lacks",
    ["theta_G", "theta_D", "theta_average", "theta_average_D", "adam_G_m", "adam_D_v", "adam_G_t"],
)
@pytest.mark.parametrize("how", ["missing", "too small", "another shape", "text"])
def test_a_part_that_does_not_fit_is_named(tmp_path, trained, lacks, how):
    trained.save(tmp_path / "a.npz")
    arrays, meta = checkpoint.load(tmp_path / "a.npz")
    part = arrays.pop(lacks)
    if how == "too small":
        arrays[lacks] = np.atleast_1d(part)[:-1]
    elif how == "another shape":
        arrays[lacks] = np.stack([part, part])
    elif how == "text":
        arrays[lacks] = np.full(part.shape, "text")
    checkpoint.save(tmp_path / "a.npz", arrays, meta)
    if (how, lacks) == ("missing", "theta_average_D"):  # as in one from before there was this part
        GAN.load(tmp_path / "a.npz")
        return
    text = complaint(tmp_path / "a.npz", GAN.load)
    assert how != "missing" or lacks in text


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, trained, bad):
    trained.save(tmp_path / "a.npz")
    arrays, meta = checkpoint.load(tmp_path / "a.npz")
    arrays["theta_G"][3] = bad
    checkpoint.save(tmp_path / "a.npz", arrays, meta)
    assert "theta_G" in complaint(tmp_path / "a.npz", GAN.load)


@pytest.mark.parametrize(
    "name",
    ["config", "shape_", "pixels_", "data_", "epoch_", "position_", "sums_", "history_", "noise"],
)
def test_a_missing_entry_is_named(tmp_path, trained, name):
    trained.save(tmp_path / "a.npz")
    arrays, meta = checkpoint.load(tmp_path / "a.npz")
    del meta[name]
    checkpoint.save(tmp_path / "a.npz", arrays, meta)
    assert name in complaint(tmp_path / "a.npz", GAN.load)


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"latent": 0}},
        {"config": {"of another program": 1}},
        {"config": None},
        {"shape_": [0]},
        {"shape_": [3, 4]},
        {"noise": {"bit_generator": "MT19937"}},
        {"noise": 5},
    ],
    ids=json.dumps,
)
def test_entries_that_cannot_be_meant_are_refused(tmp_path, trained, change):
    trained.save(tmp_path / "a.npz")
    arrays, meta = checkpoint.load(tmp_path / "a.npz")
    checkpoint.save(tmp_path / "a.npz", arrays, {**meta, **change})
    complaint(tmp_path / "a.npz", GAN.load)


def test_there_is_nothing_to_save_before_the_first_fit(tmp_path):
    with pytest.raises(RuntimeError, match="first fit"):
        GAN().save(tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


def test_a_moved_directory_still_loads(tmp_path, trained):
    (tmp_path / "run").mkdir()
    trained.save(tmp_path / "run" / "checkpoint.npz")
    shutil.move(tmp_path / "run", tmp_path / "moved")
    assert np.array_equal(GAN.load(tmp_path / "moved").sample(3, 0), trained.sample(3, 0))


# ---- types, sizes and parts that belong together ----


def saved(tmp_path, gan):
    gan.save(tmp_path / "a.npz")
    return checkpoint.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("theta_G", lambda x: x > 0),
        ("theta_G", lambda x: x + 0j),
        ("theta_D", lambda x: x.astype(np.float64)),
        ("theta_average", lambda x: x.astype(">f4")),
        ("theta_average_D", lambda x: np.append(x, x[:1])),
        ("theta_average_D", lambda x: np.full_like(x, np.nan)),
        ("adam_G_m", lambda x: x.astype(np.float16)),
        ("adam_G_v", lambda x: np.full_like(x, np.inf)),
        ("adam_D_v", lambda x: -1 - x),
        ("adam_D_m", lambda x: np.full_like(x, np.nan)),
        ("adam_G_t", lambda t: np.array(0)),
        ("adam_G_t", lambda t: np.array(1.5)),
        ("adam_G_t", lambda t: np.array(2**62)),
        ("adam_D_t", lambda t: t + 2),
        ("adam_D_t", lambda t: np.array([t])),
        ("adam_D_t", lambda t: np.array(True)),
        ("extra", lambda _: np.zeros(3)),
    ],
)
def test_an_array_of_the_wrong_type_or_value_is_named(tmp_path, trained, name, change):
    arrays, meta = saved(tmp_path, trained)
    checkpoint.save(tmp_path / "a.npz", {**arrays, name: change(arrays.get(name))}, meta)
    assert name in complaint(tmp_path / "a.npz", GAN.load)


def test_points_of_another_shape_are_refused_before_they_are_saved():
    with pytest.raises(ValueError, match=r"points have the shape \(features,\); got \(3, 4\)"):
        GAN().start((3, 4), pixels=False)


@pytest.mark.parametrize("conditional", [True, False])
def test_a_gan_that_was_only_started_comes_back(tmp_path, conditional):
    gan = GAN(latent=3, hidden=(5,), hidden_D=(4,), conditional=conditional)
    gan.start((3, 3), classes=[1, 5] if conditional else [])
    gan.save(tmp_path / "a.npz")
    GAN.load(tmp_path / "a.npz").save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def with_history(**columns):
    return lambda meta: {"history_": {**meta["history_"], **columns}}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("pixels_", lambda m: {"pixels_": False}),
        ("pixels_", lambda m: {"pixels_": 1}),
        ("shape_", lambda m: {"shape_": [3.0, 3]}),
        ("shape_", lambda m: {"shape_": "33"}),
        ("classes_", lambda m: {"classes_": [1]}),
        ("classes_", lambda m: {"classes_": None}),
        ("data_", lambda m: {"data_": []}),
        ("crc32", lambda m: {"data_": {**m["data_"], "crc32": "5"}}),
        ("count", lambda m: {"data_": {**m["data_"], "count": True}}),
        ("epoch_", lambda m: {"epoch_": 1.0}),
        ("epoch_", lambda m: {"epoch_": True}),
        ("position_", lambda m: {"position_": -1}),
        ("position_", lambda m: {"position_": "2"}),
        ("sums_", lambda m: {"sums_": {"loss_D": 1.0}}),
        ("sums_", lambda m: {"sums_": 5}),
        ("adam_G_t", lambda m: {"epoch_": 99}),
        ("history_", lambda m: {"epoch_": 2}),
        ("history_", lambda m: {"history_": {}}),
        ("history_", with_history(loss_D=[1.0, 2.0])),
        ("history_", with_history(loss_D=["a"])),
        ("history_", with_history(loss_D=[float("nan")])),
        ("history_", with_history(loss_D=7)),
        ("history_", with_history(epoch=[2])),
        ("noise", lambda m: {"noise": {**m["noise"], "uinteger": 1.5}}),
        ("noise", lambda m: {"noise": {**m["noise"], "bit_generator": "SFC64"}}),
        ("rng", lambda m: {"config": {**m["config"], "rng": None}}),
        ("lr", lambda m: {"config": {**m["config"], "lr": 0.1}}),
        ("loss", lambda m: {"config": {**m["config"], "loss": "x" * 100_000}}),
        ("unexpected", lambda m: {"config": {**m["config"], "\x1b[2J": 1}}),
    ],
)
def test_an_entry_of_the_wrong_type_or_value_is_named(tmp_path, trained, name, change):
    arrays, meta = saved(tmp_path, trained)
    checkpoint.save(tmp_path / "a.npz", arrays, {**meta, **change(meta)})
    text = complaint(tmp_path / "a.npz", GAN.load)
    assert name in text
    assert text.isprintable()
    assert len(text) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    "settings_", [{"latent": 2 * 10**7}, {"hidden": [10**9]}, {"hidden_D": [10**9] * 3}]
)
def test_settings_of_huge_networks_make_no_network(tmp_path, trained, settings_, monkeypatch):
    arrays, meta = saved(tmp_path, trained)
    meta["config"].update(settings_)
    checkpoint.save(tmp_path / "a.npz", arrays, meta)
    monkeypatch.setattr(GAN, "start", lambda *_: pytest.fail("a network was made"))
    assert "finite numbers" in complaint(tmp_path / "a.npz", GAN.load)


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write_members(path, named, compression=zipfile.ZIP_STORED):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")  # zipfile warns of a second member with one name
        for name, data in named:
            archive.writestr(name, data)


def test_parts_of_two_checkpoints_are_refused(tmp_path, small):
    checkpoint.save(tmp_path / "b.npz", {**SMALL, "t": np.array(4)}, SMALL_META)
    a, b = members(small), members(tmp_path / "b.npz")
    for part in ("t.npy", "meta.npy"):
        write_members(small, {**a, part: b[part]}.items())
        assert "belong together" in complaint(small)
    write_members(small, [*a.items(), ("t2.npy", a["t.npy"])])
    assert "belong together" in complaint(small)
    write_members(small, a.items())
    assert same(checkpoint.load(small)[0], SMALL)


def test_a_checkpoint_from_before_the_digest_is_read(small):
    parts = members(small)
    text = io.BytesIO()
    np.save(text, np.array(json.dumps({**SMALL_META, "format": 1})))
    write_members(small, {**parts, "meta.npy": text.getvalue()}.items())
    arrays, meta = checkpoint.load(small)
    assert same(arrays, SMALL)
    assert meta == {**SMALL_META, "format": 1}


def test_a_second_member_of_one_name_is_refused(small):
    parts = members(small)
    write_members(small, [*parts.items(), ("t.npy", parts["t.npy"])])
    assert "t.npy is in it twice" in complaint(small)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_bomb_is_refused_before_it_is_read(tmp_path, compression, monkeypatch):
    write_members(tmp_path / "a.npz", [("theta.npy", bytes(10**7))], compression)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was read"))
    assert "compressed" in complaint(tmp_path / "a.npz")


def test_a_header_that_promises_more_than_there_is_is_refused(small):
    parts = members(small)
    header = parts["theta.npy"].replace(b"(6,), }" + b" " * 14, b"(99999999999,), }    ")
    assert len(header) == len(parts["theta.npy"])
    assert header != parts["theta.npy"]
    write_members(small, {**parts, "theta.npy": header}.items())
    assert "disagree" in complaint(small)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path):
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "checkpoint.npz")
    assert "no regular file" in complaint(tmp_path / "run")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    assert "no regular file" in complaint(tmp_path / "zero.npz")


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("sizes", [784, 10**9, 10]),
        ("sizes", [784]),
        ("sizes", [784, -5, 10]),
        ("sizes", 7),
        ("sizes", None),
        ("shape", 5),
        ("accuracy", [1]),
        ("accuracy", 10**400),
        ("crc32", 3),
        ("bounds", "x"),
    ],
)
def test_a_judge_with_wrong_entries_is_refused_and_makes_no_network(
    tmp_path, entry, value, monkeypatch
):
    arrays, meta = checkpoint.load(JUDGES / "mnist.npz")
    checkpoint.save(tmp_path / "judge.npz", arrays, {**meta, entry: value})
    monkeypatch.setattr(judge, "judge_layers", lambda *_: pytest.fail("a network was made"))
    assert "no judge's file" in complaint(tmp_path / "judge.npz", Judge.load)


WRONG = [
    None,
    True,
    -1,
    0,
    1.5,
    2**70,
    float("nan"),
    "x" * 1000,
    "\x1b[2J\n",
    [],
    [[]],
    {},
    {"a": 1},
]


def places(value, path=()):
    """The path to every entry of a JSON value, itself included."""
    yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


def test_no_entry_of_any_type_gives_more_than_one_line(tmp_path, trained, monkeypatch):
    """What is refused is a CheckpointError of one printable line, and nothing else is raised."""
    arrays, meta = saved(tmp_path, trained)
    monkeypatch.setattr(checkpoint, "load", lambda _: (arrays, changed))
    tried, messages, accepted = 0, [], set()
    del meta["format"]
    for path in [path for path in places(meta) if path]:
        for value in WRONG:
            changed, tried = replaced(meta, path, value), tried + 1
            try:
                GAN.load("file")
            except CheckpointError as error:
                messages.append(str(error))
            else:
                if json.dumps(changed) != json.dumps(meta):
                    accepted.add(path[0])
    assert tried > 500
    assert all(text.isprintable() and len(text) < 300 for text in messages)
    # Another value of the right type, such as a seed, can only be told by the SHA-256.
    assert accepted <= {"config", "critic_", "data_", "history_", "noise"}
