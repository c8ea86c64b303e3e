"""The second set of benchmarks/gradcheck.py: its right gradients are right and its bugs are bugs."""

import inspect

import gradcheck_cases
import gradcheck_more_run
import gradcheck_more_zero
import numpy as np
import pytest
from gradcheck_more_hints import PHRASES, claims, judged
from gradcheck_more_kinds import dout_for, gradients, planted
from gradcheck_more_oracles import KINDS, exact_gradients
from gradcheck_more_regimes import REGIMES, trials
from gradcheck_more_table import second_set
from gradcheck_table import grid

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]


def error(found, exact):
    """The largest difference in units of the largest entry, over all arguments."""
    return max(
        float(np.max(np.abs(f - e)) / max(np.max(np.abs(e)), 1e-300))
        for f, e in zip(found, exact, strict=True)
    )


def test_the_set_is_as_large_as_it_says_and_shares_no_function_with_the_first():
    assert len(KINDS) >= 44
    assert all(len(kind.edits) >= 6 for kind in KINDS)
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    first = {inspect.getsource(case.forward) for case in gradcheck_cases.cases()}
    assert not first & {inspect.getsource(kind.func) for kind in KINDS}
    names = {case.name for case in gradcheck_cases.cases()}
    assert not names & {kind.name for kind in KINDS}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_right_gradient_agrees_with_its_oracle(kind, seed):
    args = kind.args(seed)
    dout = dout_for(kind, args, seed)
    found, exact = gradients(kind, kind.grad, dout, args), exact_gradients(kind, dout, args)
    assert [np.shape(f) for f in found] == [e.shape for e in exact]
    assert error(found, exact) < 1e-9


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_bug_changes_the_gradient(kind):
    args = kind.args(0)
    dout = dout_for(kind, args)
    right = gradients(kind, kind.grad, dout, args)
    for bug in kind.edits:
        wrong = gradients(kind, planted(kind.grad, bug), dout, args)
        assert len(wrong) == len(right)
        assert all(np.shape(w) == np.shape(r) for w, r in zip(wrong, right, strict=True)), bug
        assert 1e-6 < error(wrong, right) < np.inf, bug


@pytest.mark.parametrize("kind", gradcheck_more_zero.KINDS, ids=lambda kind: kind.name)
def test_an_argument_without_effect_has_none_and_its_gradient_says_so(kind):
    args = kind.args(0)
    dout = dout_for(kind, args)
    exact = exact_gradients(kind, dout, args)
    found = gradients(kind, kind.grad, dout, args)
    size = max(np.max(np.abs(e)) for e in exact)
    assert all(np.max(np.abs(f - e)) < 1e-12 * size for f, e in zip(found, exact, strict=True))
    assert min(np.max(np.abs(e)) for e in exact) < 1e-12 * size


@pytest.mark.parametrize("regime", list(REGIMES))
def test_every_regime_keeps_the_right_gradients_finite(regime):
    with np.errstate(all="ignore"):
        made = list(trials(regime))
        finite = [
            all(np.all(np.isfinite(g)) for g in trial.exact)
            for trial in made
            if np.all(np.isfinite(np.asarray(trial.kind.func(*trial.args))))
        ]
    assert len(made) >= 60
    assert all(finite)


@pytest.mark.parametrize(
    ("hint", "named"),
    [
        ("the sign is wrong: numeric = -analytic", "sign"),
        ("6 times too small, and 6 is the batch size: a factor 6 is missing (a mean where a sum belongs, or divided twice?)", "factor sum"),
        ("6 times too large, and 6 is the batch size: a factor 6 too many (a sum where a mean belongs?)", "factor sum"),
        ("half of what it should be: a factor 2 is missing (of a square?)", "factor"),
        ("a factor x too many: numeric = analytic / x", "local"),
        ("a local derivative is forgotten: numeric = analytic x y", "local"),
        ("right for row 0 (the first) of dout only: could be a recursion that is cut off, a wrong stride, or a path that is dropped", ""),
        ("only rows 1 to 3 are wrong; the others are right", "place"),
        ("only where x < 0: it is zero there; elsewhere it is right", "part"),
        ("what goes through `x` in `x @ W` is dropped", "term"),
        ("dout is missing: a path or a term of the sum", "term"),
        ("row 2 of dout is not used; the rest of it is right", "dout"),
        ("no simple pattern: a term of the sum is wrong or dropped", ""),
        ("in backward, `n` in `a * n` (line 3 of f) is off by one: that + 1 is right; with that changed, it agrees with the slopes", "factor order"),
        ("in backward, the slice `a[1:]` (line 3 of f) is off by one along axis 0; with that changed, it agrees with the slopes", "order stride"),
        ("in backward, the term `m` in `g - m` (line 3 of f) is one too many; with that changed, it agrees with the slopes", "term"),
        ("in backward, the factor `m` in `g * m` (line 3 of f) is one too many; with that changed, it agrees with the slopes", "local"),
        ("in backward, the division by the constant `n` in `g / n` (line 3 of f) is one too many; with that changed, it agrees with the slopes", "factor sum"),
        ("in backward, `d.sum(0)` (line 3 of f) sums what must not be summed there: it is right without the sum; with that changed, it agrees with the slopes", "axis"),
        ("in backward, `x` in `x @ g` (line 3 of f) is used where its square belongs; with that changed, it agrees with the slopes", "local"),
        ("in backward, `x` (line 3 of f) is used where `h` belongs; with that changed, it agrees with the slopes", "stale swapped"),
        ("words that nobody knows", "unknown"),
    ],
)  # fmt: skip
def test_a_hint_names_what_it_says_and_no_more(hint, named):
    assert claims(hint) == set(named.split())


def test_no_phrase_names_many_causes():
    assert max(len(causes.split()) for causes in PHRASES.values()) <= 4
    assert not any(
        claims(text) - {"unknown"} for text in ("x", "wrong", "at one entry", "backward")
    )


@pytest.mark.parametrize(
    ("causes", "said", "verdict"),
    [
        (("sign",), [("the sign is wrong", set())], "named"),
        (("local",), [("the sign is wrong", set())], "false"),
        (("local",), [("the sign is wrong", {"sign"})], "named"),
        (("local",), [("only rows 1 to 3 are wrong; the others are right", set())], "not named"),
        (("part",), [("only rows 1 to 3 are wrong; the others are right", set())], "named"),
        (("local",), [("dout is missing: a path or a term of the sum", set())], "false"),
        (("path",), [("dout is missing: a path or a term of the sum", set())], "named"),
        (("local",), [("could be a dropped path", set())], "not named"),
        (("sign",), [("the sign is wrong", set()), ("clipped at 1", set())], "false"),
        (("local",), [("no simple pattern", set())], "not named"),
    ],
)
def test_how_hints_are_judged(causes, said, verdict):
    assert judged(causes, said)[0] == verdict


def test_the_experiments_find_bugs_and_spare_right_gradients_and_the_tables_say_so():
    with np.errstate(all="ignore"):
        pieces = {
            "more-bugs-float64-1": gradcheck_more_run.bugs("float64", every=60),
            "more-right-normal": gradcheck_more_run.right("normal", every=10),
            "more-bounds-normal": gradcheck_more_run.bounds("normal", every=10),
        }
    count = pieces["more-bugs-float64-1"]["count"]
    assert count["FAIL"] == count["bugs"] > 5
    assert pieces["more-right-normal"]["count"]["FAIL"] == 0
    assert pieces["more-right-normal"]["count"]["INCONCLUSIVE"] == 1  # an argument without effect
    assert pieces["more-bounds-normal"]["wrong"] == 0
    text = second_set(pieces, grid)
    assert f"| float64, loss x 1 | {count['bugs']} | {count['bugs']} | 0 | 0 |" in text
    assert "0 of " in text
