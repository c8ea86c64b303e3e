"""In float32 kinks may be denser than the steps: a sort of many numbers, a table, a fast ReLU."""

import numpy as np
import pytest

from npgan.testing import FAIL, INCONCLUSIVE, PASS, check_gradients
from npgan.testing.slopes import path
from npgan.testing.verdict import bisection, entries, projections, ties

KNOTS = np.linspace(-4, 4, 801)
TABLE = np.random.default_rng(7).standard_normal(801)


def transport(x, y):
    return np.mean(np.abs(np.sort(x) - np.sort(y)) ** 1.5)


def d_transport(d, x, y):
    i, j = np.argsort(x), np.argsort(y)
    e = x[i] - y[j]
    g = 1.5 * d * np.sign(e) * np.sqrt(np.abs(e)) / len(x)
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    dx[i], dy[j] = g, -g
    return dx, dy


def ranks(n):
    return [n // 10, n // 4, n // 2, 3 * n // 4]


def quantiles(x):
    return np.sort(x)[ranks(len(x))]


def d_quantiles(d, x):
    g = np.zeros_like(x)
    g[np.argsort(x)[ranks(len(x))]] = d
    return (g,)


def table(x):
    return np.interp(x, KNOTS, TABLE)


def d_table(d, x):
    k = np.clip(np.searchsorted(KNOTS, x) - 1, 0, 799)
    slope = (TABLE[k + 1] - TABLE[k]) / (KNOTS[k + 1] - KNOTS[k])
    return (d * slope * (np.abs(x) < 4),)


def fast_relu(x):
    return np.sum(np.maximum(np.sin(40 * x), 0) * np.cos(x))


def d_fast_relu(d, x):
    wave = np.sin(40 * x)
    return (d * ((wave > 0) * 40 * np.cos(40 * x) * np.cos(x) - np.maximum(wave, 0) * np.sin(x)),)


def chamfer(a, b):
    distances = np.sum((a[:, None] - b[None]) ** 2, -1)
    return np.mean(np.min(distances, 1)) + np.mean(np.min(distances, 0))


def d_chamfer(d, a, b):
    distances = np.sum((a[:, None] - b[None]) ** 2, -1)
    i, j = np.argmin(distances, 1), np.argmin(distances, 0)
    da, db = 2 * d * (a - b[i]) / len(a), 2 * d * (b - a[j]) / len(b)
    to_a, to_b = da.copy(), db.copy()
    np.add.at(to_b, i, -da)
    np.add.at(to_a, j, -db)
    return to_a, to_b


CASES = {
    "transport": (transport, d_transport, 2),
    "quantiles": (quantiles, d_quantiles, 1),
    "table": (table, d_table, 1),
    "fast ReLU": (fast_relu, d_fast_relu, 1),
    "Chamfer": (chamfer, d_chamfer, 2),
}


def in_float32(name):
    """(func, grad), which compute in float32 whatever they are given."""
    func, grad, _ = CASES[name]

    def narrow(arrays):
        return [np.float32(a) for a in arrays]

    return (
        lambda *args: np.float32(func(*narrow(args))),
        lambda d, *args: grad(np.float32(d), *narrow(args)),
    )


def arguments(name, n, seed):
    rng = np.random.default_rng([seed, n])
    if name == "Chamfer":
        return rng.standard_normal((n // 3, 3)), rng.standard_normal((n // 3 + 2, 3))
    return tuple(rng.standard_normal(n) + i for i in range(CASES[name][2]))


def check(name, n, seed, change=lambda g: g):
    func, grad = in_float32(name)

    def changed(d, *args):
        first, *others = grad(d, *args)
        return change(first), *others

    args = arguments(name, n, seed)
    return check_gradients(func, changed, args, style="dout", seed=seed)


RIGHT = [
    ("transport", 60, 0),
    ("transport", 60, 1),
    ("transport", 900, 1),
    ("quantiles", 900, 2),
    ("table", 60, 0),
    ("table", 60, 2),
    ("fast ReLU", 900, 0),
    ("fast ReLU", 900, 2),
    ("Chamfer", 90, 0),
]


@pytest.mark.parametrize(("name", "n", "seed"), RIGHT)
def test_a_right_gradient_is_no_false_alarm(name, n, seed):
    report = check(name, n, seed)
    assert report.verdict != FAIL, str(report)
    assert report.verdict == PASS or n == 900, str(report)  # entry by entry something is seen


@pytest.mark.parametrize(("name", "n"), [("transport", 60), ("transport", 900), ("table", 60)])
@pytest.mark.parametrize(
    "change",
    [lambda g: -g, lambda g: 1.3 * g, lambda g: np.roll(g, 1), lambda g: g * (np.arange(g.size) % 3 > 0)],
    ids=["sign", "factor", "order", "dropped"],
)  # fmt: skip
def test_a_wrong_one_is_caught(name, n, change):
    assert check(name, n, 0, change).verdict == FAIL


def with_special_case(n, is_wrong):
    """The transport cost of one half, softplus of the other, which has a wrong rule for x == 0."""
    func, grad = in_float32("transport")
    x, y = arguments("transport", n, 0)
    x[n // 2 :: 3] = 0.0
    half = slice(None, n // 2), slice(n // 2, None)

    def both(x, y):
        first = func(x[half[0]], y[half[0]])
        return np.float32(first + np.sum(np.logaddexp(0, np.float32(x[half[1]]))))

    def d_both(d, x, y):
        dx, dy = (np.concatenate([g, 0 * y[half[1]]]) for g in grad(d, x[half[0]], y[half[0]]))
        z = np.float32(x[half[1]])
        dx[half[1]] = d / (1 + np.exp(-z)) * (~is_wrong | (z != 0))
        return dx, dy

    return check_gradients(both, d_both, (x, y), style="dout")


@pytest.mark.parametrize("n", [60, 900])
def test_dense_kinks_do_not_excuse_a_special_case(n):
    assert with_special_case(n, np.bool_(False)).verdict in (PASS, INCONCLUSIVE)
    report = with_special_case(n, np.bool_(True))
    assert report["x"].verdict == FAIL


def test_the_path_is_refused_where_the_gradient_jumps_at_the_point_alone():
    """A smooth function whose gradient is wrong at this very point, in float32."""
    x = np.random.default_rng(0).standard_normal(900)
    x[::2] = 0
    wrong = lambda d, x: d * np.where(x == 0, 0, 1 - np.tanh(x) ** 2)
    assert check_gradients(lambda x: np.float32(np.tanh(np.float32(x))), wrong, x).verdict == FAIL
    assert (
        check_gradients(lambda x: np.float32(np.tanh(np.float32(x))), wrong, x[:30]).verdict == FAIL
    )


def without_paths(patch):
    for module in (entries, projections, bisection, ties):
        patch.setattr(module, "among_dense_kinks", lambda *a: None)


def without_roughness(patch):
    patch.setattr(path, "ROUGH", -1.0)
    patch.setattr(path, "BEYOND", np.inf)


@pytest.mark.parametrize(
    ("removal", "test", "given"),
    [
        (without_paths, test_a_right_gradient_is_no_false_alarm, ("transport", 60, 0)),
        (without_paths, test_a_right_gradient_is_no_false_alarm, ("transport", 900, 1)),
        (without_paths, test_a_right_gradient_is_no_false_alarm, ("table", 60, 2)),
        (without_paths, test_a_right_gradient_is_no_false_alarm, ("fast ReLU", 900, 0)),
        (
            without_roughness,
            test_the_path_is_refused_where_the_gradient_jumps_at_the_point_alone,
            (),
        ),
    ],
)
def test_a_part_taken_out_is_missed(removal, test, given, monkeypatch):
    removal(monkeypatch)
    with pytest.raises(AssertionError):
        test(*given)
