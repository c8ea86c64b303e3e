"""A batch in several shards, on one process: what each computes, and in which order they are added."""

import itertools

import numpy as np
import pytest

import npgan
from npgan import GAN, datasets, losses
from npgan.bench.network import Computation, Network, step_seconds, table
from npgan.files import checkpoint
from npgan.gan import discriminator_gradient, generator_gradient
from npgan.parallel.tree import largest_nodes, tree_sum
from npgan.training.noise import add_noise, with_dropout
from npgan.training.penalty import lazy_penalty

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 3, 4), dtype=np.uint8)
LABELS = np.arange(50) % 3


def small(**changes):
    return GAN(**{**dict(latent=3, hidden=(5,), hidden_D=(4,), batch=8), **changes})


def state(gan):
    nets = gan.generator_, gan.discriminator_, gan.average_, gan.average_D_
    moments = [a for adam in (gan.adam_G, gan.adam_D) for a in adam.state().values()]
    return [net.theta.copy() for net in nets] + moments


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(state(a), state(b), strict=True))


# ---- the tree ----


def words(n):
    """The sum of n shards with its brackets, by the definition in the docstring of `tree`."""
    if n == 1:
        return "s"
    left = max(2**k for k in range(10) if 2**k < n)
    return f"({words(left)}+{words(n - left)})"


class Word(str):
    def __iadd__(self, other):
        return Word(f"({self}+{other})")


@pytest.mark.parametrize("n", range(1, 18))
def test_the_tree_depends_on_the_number_of_shards_alone(n):
    asked = []

    def find(lo, hi):
        if hi - lo > 1:
            return None
        asked.append(lo)
        return Word("s")

    assert tree_sum(0, n, find) == words(n)
    assert asked == list(range(n))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13])
def test_sums_of_any_runs_of_shards_make_the_same_sum(n):
    """The sums of the largest nodes of each run are enough to make that of all, with the same brackets."""
    for ranks in range(1, n + 1):
        for inner in itertools.combinations(range(1, n), ranks - 1):
            cuts = [0, *inner, n]
            nodes = [largest_nodes(0, n, range(a, b)) for a, b in itertools.pairwise(cuts)]
            flat = [node for own in nodes for node in own]
            assert [s for lo, hi in flat for s in range(lo, hi)] == list(range(n))
            sums = {node: Word(words(node[1] - node[0])) for node in flat}
            assert tree_sum(0, n, lambda lo, hi, sums=sums: sums.get((lo, hi))) == words(n)


# ---- the gradients ----


class Kept(npgan.Adam):
    """Adam that keeps each gradient and changes no weights."""

    def step(self, gradient):
        self.t += 1
        self.__dict__.setdefault("seen", []).append(gradient.copy())


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_a_step_uses_the_mean_of_what_the_shards_compute_alone(shards):
    """By hand, with each shard's own images, latent vectors, noise, masks and penalty."""
    gan = small(shards=shards, penalty="wgan_gp", penalty_every=1, dropout=0.3, instance_noise=0.4,
                conditional=False)  # fmt: skip
    gan.start((3, 4))
    gan.adam_D, gan.adam_G = Kept(gan.discriminator_), Kept(gan.generator_)
    real = datasets.to_unit(IMAGES[:8].reshape(8, 12))
    values = gan.step(real)
    n, by_hand = 8 // shards, {"D": [], "G": [], "values": []}
    for s in range(shards):
        z = np.random.default_rng([0, 2, 0, s]).standard_normal((n, 3), dtype=np.float32)
        fake, pull = gan.generator_.forward(z)
        rng = np.random.default_rng([0, 4, 0, s])
        x, fake = (
            add_noise(a, 0.4, rng) for a in (real[s * n : s * n + n], fake)
        )  # the real ones first
        penalty = lazy_penalty("wgan_gp", 10.0, 1, 0, [0, 5, 0, s])
        D = with_dropout(gan.discriminator_, 0.3, [0, 6, 0, s])
        gradient, of_D = discriminator_gradient(D, x, fake, losses.relativistic, penalty)
        by_hand["D"].append(gradient)
        D = with_dropout(gan.discriminator_, 0.3, [0, 7, 0, s])
        gradient, of_G = generator_gradient(D, fake, pull, losses.relativistic, x)
        by_hand["G"].append(gradient)
        by_hand["values"].append({**of_D, **of_G})
    for name, adam in (("D", gan.adam_D), ("G", gan.adam_G)):
        total = tree_sum(0, shards, lambda lo, hi, g=by_hand[name]: g[lo] if hi - lo == 1 else None)
        assert np.array_equal(adam.seen[0], total / np.float32(shards))
    for name, value in values.items():
        of_shards = [row[name] for row in by_hand["values"]]
        assert len(set(of_shards)) == shards
        assert value == pytest.approx(np.mean(of_shards), rel=1e-14)


OPTIONS = {
    "default": dict(penalty_every=2),
    "two D steps": dict(d_steps=2, loss="hinge", penalty="r1", penalty_every=1),
    "conditional": dict(conditional=True, loss="wasserstein", penalty="wgan_gp"),
    "noise": dict(instance_noise=0.3, dropout=0.2, loss="nonsaturating", penalty=None),
}


def fit(gan, epochs, **more):
    labels = LABELS if gan.config["conditional"] else None
    return gan.fit(IMAGES, epochs, labels=labels, progress=False, **more)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_run_with_shards_can_be_repeated_and_continued(options, tmp_path):
    whole = fit(small(shards=4, **options), 3)
    assert same(whole, fit(small(shards=4, **options), 3))
    half = small(shards=4, **options)
    fit(half, 3, callbacks=[lambda state: True])
    half.save(tmp_path / "half.npz")
    half = fit(GAN.load(tmp_path / "half.npz"), 2)
    assert same(whole, half)
    assert whole.history_ == half.history_


def test_the_number_of_shards_is_part_of_what_fixes_the_bits():
    one, two, four = (fit(small(shards=n), 1) for n in (1, 2, 4))
    assert not same(one, two)
    assert not same(two, four)
    assert same(one, fit(small(), 1))


def test_a_checkpoint_from_before_shards_goes_on_with_the_same_bits(tmp_path):
    gan = fit(small(), 1)
    gan.save(tmp_path / "new.npz")
    arrays, meta = checkpoint.load(tmp_path / "new.npz")
    assert meta["config"].pop("shards") == 1
    del meta["format"]
    checkpoint.save(tmp_path / "old.npz", arrays, meta)
    old = GAN.load(tmp_path / "old.npz")
    assert old.config == gan.config
    assert same(fit(old, 1), fit(gan, 1))


@pytest.mark.parametrize("shards", [3, 5, 16])
def test_a_batch_is_a_multiple_of_its_shards(shards):
    with pytest.raises(ValueError, match=f"^batch must be a multiple of shards; got batch 8 and shards {shards}$"):  # fmt: skip
        small(shards=shards)


# ---- the optimiser of a part ----


@pytest.mark.parametrize("beta1", [0.0, 0.5])
def test_parts_of_adam_make_the_whole(beta1):
    rng = np.random.default_rng(3)
    start = npgan.Network([npgan.Dense(4, 3, rng=rng)])
    whole, cut = start.copy(), start.copy()
    adam = npgan.Adam(whole, beta1=beta1)
    parts = [npgan.Adam(cut, beta1=beta1, part=part) for part in (slice(0, 6), slice(6, 15))]
    for gradient in rng.standard_normal((4, 15), dtype=np.float32):
        adam.step(gradient)
        for part in parts:
            part.step(gradient[part.part])
    assert np.array_equal(whole.theta, cut.theta)
    for name, slot in adam.slots.items():
        assert np.array_equal(slot, np.concatenate([part.slots[name] for part in parts]))
    assert [part.slots["v"].size for part in parts] == [6, 9]


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({9: np.nan}, r"the gradient of Network 0\.b\[1\] is nan"),
        ({3: np.inf, 9: np.nan}, r"the gradient of Network 0\.b\[1\] is nan"),
        ({3: -np.inf, 9: np.inf}, r"the gradient of Network 0\.W\[1, 1\] is -inf"),
        ({1: 1e25, 9: np.inf}, r"the gradient of Network 0\.b\[1\] is inf"),
        ({2: 1e25, 9: 1e26}, r"Adam's v of Network 0\.W\[1, 0\] is inf"),
    ],
)
def test_the_first_fault_of_the_parts_is_that_of_the_whole(bad, words):
    gradient = np.zeros(10, np.float32)
    for index, value in bad.items():
        gradient[index] = value
    net = npgan.Network([npgan.Dense(4, 2, init="normal", rng=0)])
    with pytest.raises(FloatingPointError, match=f"^{words}$"):
        npgan.Adam(net.copy()).step(gradient)
    faults = []
    for part in (slice(0, 5), slice(5, 10)):
        adam = npgan.Adam(net, part=part)
        try:
            adam.step(gradient[part])
        except FloatingPointError:
            faults.append(adam.fault(gradient[part]))
    assert min(faults).words.replace("\\", "") == words.replace("\\", "")


# ---- what several ranks cost ----


def test_the_model_of_a_step_has_the_terms_of_the_page():
    here = Computation([4, 64, 1024], [1e-3, 4e-3, 64e-3], 10e9, 250_000)  # N is 1 MB
    net = Network(1e-5, 1e9)
    assert step_seconds(1, 1024, 1, here, net) == pytest.approx(64e-3)
    # Two shards: twice t(512), interpolated, and one sum.
    both = 2 * (4e-3 + 60e-3 * 448 / 960) + 1e6 / 10e9
    assert step_seconds(1, 1024, 2, here, net) == pytest.approx(both)
    expected = both / 2 - 0.5e6 / 10e9 + 5 * 1e-5 + 2 * 1e6 / 2 / 1e9 + 0.5e6 / 10e9
    assert step_seconds(2, 1024, 2, here, net) == pytest.approx(expected)
    rows = table(1024, here, {"slow": net}).splitlines()
    assert rows[2] == "| 1 | 64.0 ms, 100% |"
    assert len(rows) == 2 + 9
