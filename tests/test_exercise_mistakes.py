"""Wrong versions of the exercises that no catalogue lists: what the judge says, in the student's words."""

import inspect
import os
import re
import subprocess
import sys
from typing import NamedTuple

import pytest

from npgan.exercises import errors, relations
from npgan.exercises.catalogue import EXERCISES
from npgan.exercises.judging import judge

BY_NUMBER = {e.name[:2]: e for e in EXERCISES}


class Case(NamedTuple):
    """The body of backward (or pull) in exercise `number`, what is said, and by which rule."""

    number: str
    body: str
    words: str
    rule: object = None


R = relations
# ---- of numbers: the rule that says it can be taken away, and then it is not said ----
NUMBERS = [
    Case("01", "return dy / b, dy / a", "da: dy is divided by b: multiply with it", R.entry_by_entry),
    Case("01", "return dy * b, dy / b", "db: dy is divided by b: multiply with the derivative", R.entry_by_entry),
    Case("01", "return b / dy, a / dy", "da and db: it is divided by dy: multiply with dy", R.without_dy),
    Case("01", "return dy * b, a", "db: dy is missing: multiply with dy", R.without_dy),
    Case("01", "return -dy * b, -dy * a", "da and db: the sign is wrong", R.same_everywhere),
    Case("01", "return dy * b, dy * a * 1.01", "db: it is 1.01 times what it should be", R.same_everywhere),
    Case("01", "return 2 * dy * b, dy * a", "da: it is twice what it should be", R.same_everywhere),
    Case("01", "return 0 * dy, dy * a", "da: all entries are 0", R.same_everywhere),
    Case("01", "return dy * b / len(a), dy * a", "da: it is 6 times too small: a factor 6 is missing (len(a) is 6: is it divided by that?)", R.same_everywhere),
    Case("01", "return dy * b * b, dy * a", "da: b is in it twice: multiply dy with it once", R.entry_by_entry),
    Case("01", "return dy**2 * b, dy * a", "da: dy is in it twice: multiply with it once", R.without_dy),
    Case("01", "return dy * (a + b), dy * a", "da: dy is multiplied with (a + b), which is not the derivative", R.entry_by_entry),
    Case("01", "return dy + b, dy + a", "da: the term b is not multiplied with dy", R.without_dy),
    Case("01", "return dy * np.abs(b), dy * a", "da: dy is multiplied with |b|, which is not the derivative", R.entry_by_entry),
    Case("01", "return dy @ b.T, dy * a", "da: this is dy @ b.T: it has the shape (6, 6), and must have (6, 4)", R.of_other_shape),
    Case("01", "return (dy * b).T, dy * a", "da: it is transposed: it has the shape (4, 6)", R.of_other_shape),
    Case("01", "return (dy * b).sum(axis=0), dy * a", "da: it is summed over axis 0, which is too much", R.of_other_shape),
    Case("01", "return (dy * b)[::-1], dy * a", "da: the entries are in the reverse order along axis 0", R.turned_over),
    Case("02", "return len(x) * dy, dy.sum(axis=0)", "dx: it is 6 times too large: a factor 6 too many (len(x) is 6)", R.same_everywhere),
    Case("02", "return dy / len(x), dy.sum(axis=0)", "dx: it is 6 times too small: a factor 6 is missing", R.same_everywhere),
    Case("02", "return dy.sum(axis=0), dy", "in the wrong order: return dx, db", R.exchanged),
    Case("02", "dy = dy.sum(axis=0); return dy, dy", "db stands where dx belongs", R.exchanged),
    Case("02", "return np.ones_like(x), dy.sum(axis=0)", "dx: dy is missing: multiply with dy", R.without_dy),
    Case("02", "return dy, np.full(4, 6.0)", "db: all entries are 6: dy is not used", R.without_dy),
    Case("02", "return dy, x.sum(axis=0)", "db: this is x.sum(axis=0): dy is not used", R.made_from),
    Case("02", "return x, dy.sum(axis=0)", "dx: this is x: dy is not used", R.made_from),
    Case("02", "return 1, 1", "dx: this is the number 1, and dy is not used", R.of_other_shape),
    Case("02", "return dy * x, dy.sum(axis=0)", "dx: a factor x too many", R.with_a_factor),
    Case("02", "return dy, dy.sum(axis=0) / b", "db: it is divided by b, which does not belong here", R.with_a_factor),
    Case("02", "return dy, dy[0]", "db: this is dy[0], which is not the gradient", R.made_from),
    Case("02", "return dy, dy.max(axis=0)", "db: this is dy.max(axis=0), but a sum belongs here", R.made_from),
    Case("02", "return dy, dy.reshape(4, 6).sum(axis=1)", "reshape does not transpose; use .T", R.made_from),
    Case("02", "return dy, np.linalg.norm(dy, axis=0)", "db: it is not proportional to dy", R.not_proportional),
    Case("02", "return dy, dy.sum(axis=0, keepdims=True)", "(1, 4), and must have (4,): sum without keepdims", R.of_other_shape),
    Case("02", "return dy + b, dy.sum(axis=0)", "dx: the term b is not multiplied with dy", R.without_dy),
    Case("03", "return dy @ W.T, x.T @ dy, len(x) * dy.sum(axis=0)", "db: it is 6 times too large: a factor 6 too many (len(x) is 6)", R.same_everywhere),
    Case("03", "return dy @ W.T / len(x), x.T @ dy / len(x), dy.sum(axis=0) / len(x)", "dx, dW and db: it is 6 times too small", R.same_everywhere),
    Case("03", "return x.T @ dy, dy @ W.T, dy.sum(axis=0)", "in the wrong order: return dx, dW, db", R.exchanged),
    Case("03", "return dy.sum(axis=0), dy @ W.T, x.T @ dy", "in the wrong order: return dx, dW, db", R.exchanged),
    Case("03", "return dy @ W.T, dy @ W.T, dy.sum(axis=0)", "dx stands where dW belongs", R.exchanged),
    Case("03", "return dy @ W.reshape(3, 4), x.T @ dy, dy.sum(axis=0)", "dx: this is dy @ W.reshape(3, 4): reshape does not transpose", R.made_from),
    Case("03", "return dy @ W.T, x.reshape(4, 6) @ dy, dy.sum(axis=0)", "dW: this is x.reshape(4, 6) @ dy: reshape does not transpose", R.made_from),
    Case("03", "return dy @ W.T, (dy.T @ x).reshape(4, 3), dy.sum(axis=0)", "dW: the transposed matrix is reshaped", R.turned_over),
    Case("03", "return dy @ W.T, x.T @ dy, dy.sum(axis=1)", "db: this is dy.sum(axis=1), the wrong axis", R.of_other_shape),
    Case("03", "return dy @ W.T, x.T @ dy, dy.mean(axis=1)", "not a sum, and the wrong axis", R.of_other_shape),
    Case("03", "return np.ones_like(dy) @ W.T, x.T @ dy, dy.sum(axis=0)", "dx: this is np.ones_like(dy) @ W.T: dy is not used", R.made_from),
    Case("03", "return dy @ W.T, x.T @ np.ones_like(dy), dy.sum(axis=0)", "dW: this is x.T @ np.ones_like(dy): dy is not used", R.made_from),
    Case("03", "return dy @ W.T, x.T @ dy, b", "db: this is b: dy is not used", R.made_from),
    Case("03", "return dy @ W.T, x.T @ (x @ W + b), dy.sum(axis=0)", "dW: dy is not used", R.not_proportional),
    Case("03", "return dy @ W.T * x, x.T @ dy, dy.sum(axis=0)", "dx: a factor x too many", R.with_a_factor),
    Case("03", "return W @ dy.T, x.T @ dy, dy.sum(axis=0)", "dx: it is transposed: it has the shape (4, 6)", R.of_other_shape),
    Case("04", "return np.where(x > 0, dy, SLOPE)", "dx: dy is missing where x <= 0", R.without_dy),
    Case("04", "return np.where(x > 0, 1, SLOPE * dy)", "dx: dy is missing where x > 0", R.without_dy),
    Case("04", "return np.where(x > 0, dy, SLOPE * x)", "dx: dy is missing where x < 0", R.without_dy),
    Case("04", "return dy * (x > 0) + SLOPE * dy * (x < 0)", "dx: where x is 0, the gradient is 0; elsewhere it is right", R.on_a_part),
    Case("04", "return dy * np.where(x > 0, SLOPE, 1)", "the gate is the wrong way round", R.entry_by_entry),
    Case("04", "return np.where(x < 0, dy, SLOPE * dy)", "the gate is the wrong way round", R.entry_by_entry),
    Case("04", "return dy * np.where(x > 0, 1, SLOPE)**2", "the derivative is in it twice", R.entry_by_entry),
    Case("04", "return -dy * np.where(x > 0, 1, SLOPE)", "dx: the sign is wrong", R.same_everywhere),
    Case("04", "return np.where(x > 0, dy, -SLOPE * dy)", "dx: where x <= 0, the sign is wrong; elsewhere it is right", R.on_a_part),
    Case("04", "return dy + np.where(x > 0, 1, SLOPE)", "a term is not multiplied with dy", R.without_dy),
    Case("04", "return dy / np.where(x > 0, 1, SLOPE)", "dy is divided by the derivative: multiply with it", R.entry_by_entry),
    Case("04", "return SLOPE * dy", "dy is multiplied with 0.2 everywhere, but the derivative is 0.2 or 1", R.entry_by_entry),
    Case("04", "return dy * np.where(x > 0, 1, 0.1)", "where x <= 0, it is half of what it should be; elsewhere", R.on_a_part),
    Case("04", "return dy * np.where(x > 0, x, SLOPE)", "where x > 0, dy is multiplied with x, which is not", R.on_a_part),
    Case("04", "return np.where(x > 1, dy, SLOPE * dy)", "where x is from 0.0408 to 0.926, it is 5 times too small;", R.on_a_part),
    Case("04", "return forward(x)", "dx: dy is not used", R.not_proportional),
    Case("05", "return dy * (y**2 - 1)", "dx: the sign is wrong", R.same_everywhere),
    Case("05", "return dy * 1 - y**2", "dx: the term -y² is not multiplied with dy: are parentheses missing?", R.without_dy),
    Case("05", "return 1 - y**2 * dy", "dx: the term 1 is not multiplied with dy: are parentheses missing?", R.without_dy),
    Case("05", "return dy * (1 - y**2) + y", "dx: the term y is not multiplied with dy", R.without_dy),
    Case("05", "return dy * (1 + y**2)", "dy is multiplied with 1 + y², which is not the derivative", R.entry_by_entry),
    Case("05", "return dy * (1 - y**2)**2", "1 - y² is in it twice", R.entry_by_entry),
    Case("05", "return dy * (1 - y)**2", "dy is multiplied with (1 - y)²", R.entry_by_entry),
    Case("05", "return dy * (1 - y * 2)", "dy is multiplied with 1 - 2 y", R.entry_by_entry),
    Case("05", "return dy / (1 - y**2)", "dy is divided by 1 - y²: multiply with it", R.entry_by_entry),
    Case("05", "return dy * (1 - dy**2)", "dy is multiplied with 1 - dy², which is not", R.entry_by_entry),
    Case("08", "da = (dy @ W2.T) * np.where(a > 0, 1, SLOPE); return da @ W1.T, h.T @ dy, x.T @ da", "in the wrong order: return dx, dW1, dW2", R.exchanged),
    Case("08", "da = (dy @ W2.T) * np.where(a > 0, 1, SLOPE); return -da @ W1.T, x.T @ da, h.T @ dy", "dx: the sign is wrong", R.same_everywhere),
    Case("08", "da = (dy @ W2.T) * np.where(a > 0, 1, SLOPE); return da @ W1.T, x.T @ da, a.T @ h @ W2", "dW2: dy is not used", R.not_proportional),
    Case("07", "s = x.std(axis=0); return len(x) * forward(x)", "dx: dy is not used", R.not_proportional),
    Case("10", "return dy, np.tensordot(dy, patches(x), axes=3).reshape(3, 3)", "dx: this is dy: it has the shape (2, 3, 4), and must have (2, 5, 6)", R.of_other_shape),
]  # fmt: skip
# ---- of what Python raises ----
RAISED = [
    Case("05", "return dy * (1 - y^2)", "line 17: ^ is no power in Python: write y**2 for y²"),
    Case("05", "return dy * (1 - np.tanh(x)**2)", "line 17: there is no x here; backward is given dy and y"),
    Case("04", "return dy * np.where(x > 0, 1, alpha)", "there is no alpha here; backward is given dy and x, and there is SLOPE"),
    Case("04", "return dy * np.where(x > 0, 1, slope)", "there is no slope here, but there is SLOPE"),
    Case("05", "return dy * (1 - tanh(y)**2)", "there is no tanh here: use NumPy's, np.tanh"),
    Case("05", "return dy * (1 - math.tanh(y)**2)", "there is no math here: use NumPy's"),
    Case("05", "return dyy * (1 - y**2)", "there is no dyy here; is dy meant?"),
    Case("05", "y = y * z; z = 1; return dy", "z is used before it has a value"),
    Case("05", "return dy(1 - y**2)", "is a * missing?"),
    Case("05", "return (1 - y**2)dy", "Python cannot read this: invalid syntax: is a * missing?"),
    Case("05", "return dy * (1 - y²)", "invalid character '²' (U+00B2): in Python write **2"),
    Case("05", "return dy · (1 - y**2)", "in Python write *"),
    Case("05", "import math; return dy * (1 - math.tanh(y)**2)", "use the one of NumPy"),
    Case("05", "return dy * np.tnh(y)", "NumPy has no tnh; is tanh meant?"),
    Case("03", "return dy @ W.t, x.T @ dy, dy", "an array has no t; is T meant?"),
    Case("03", "return dy @ W.transpose, x.T @ dy, dy", "are () missing behind a method"),
    Case("04", "if x > 0: return dy", "use np.where(condition, value, other value)"),
    Case("04", "return dy if x > 0 else SLOPE * dy", "use np.where(condition, value, other value)"),
    Case("04", "return dy * max(x, 0)", "use np.where(condition, value, other value)"),
    Case("04", "return dy * (x > 0 and 1 or SLOPE)", "use np.where(condition, value, other value)"),
    Case("04", "return dy * (x > 0 & dy > 0)", "put each comparison in parentheses"),
    Case("01", "da = dy * b; db = dy * a", "nothing is returned: the last line must return dL/da and dL/db"),
    Case("03", "x.T @ dy", "nothing is returned: the last line must return dL/dx, dL/dW and dL/db"),
    Case("01", "return {'da': dy * b, 'db': dy * a}", "one after the other, with commas, and not as a dict"),
    Case("01", "da = dy * b; raise NotImplementedError", "raise NotImplementedError still stands in line 22: delete that line"),
    Case("01", "raise NotImplementedError; return dy * b, dy * a", "raise NotImplementedError still stands in line 21"),
    Case("01", "dy *= b; return dy, dy * a", "backward changes its argument dy, which belongs to the caller"),
    Case("01", "b *= dy; a *= dy; return b, a", "backward changes its argument a,"),
    Case("04", "dy[x <= 0] *= SLOPE; return dy", "work on dy.copy()"),
    Case("05", "np.multiply(dy, 1 - y**2, out=dy); return dy", "work on dy.copy()"),
    Case("08", "dy *= 2; return x, W1, W2", "pull changes its argument dy"),
    Case("16", "dimage *= 1 - image**2; return z, W1, W2", "pull changes its argument dimage"),
]  # fmt: skip


def source_of(case):
    """The student's file: the function of the exercise with another body."""
    text = BY_NUMBER[case.number].file.read_text(encoding="utf-8")
    start = re.search(r"^( *)def (backward|pull)\(.*\):\n", text, re.M)
    indent = start[1] + "    "
    rest = text[start.end() :].splitlines(keepends=True)
    inside = [line for line in rest if line.strip()]
    length = next((i for i, line in enumerate(rest) if line in inside and not line.startswith(indent)), len(rest))  # fmt: skip
    body = "".join(f"{indent}{line}\n" for line in case.body.split("; "))
    return text[: start.end()] + body + "".join(["\n", *rest[length:]])


def answer_to(case, tmp_path):
    path = tmp_path / f"{BY_NUMBER[case.number].name}.py"
    path.write_text(source_of(case), encoding="utf-8")
    return judge(BY_NUMBER[case.number], path)


def named(case):
    return f"{case.number}: {case.body}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", NUMBERS, ids=named)
def test_wrong_numbers_are_named_by_one_rule(case, tmp_path, monkeypatch):
    answer = answer_to(case, tmp_path)
    assert not answer.solved
    assert case.words in answer.sentence
    assert "dout" not in answer.sentence
    is_rule = case.rule is not relations.exchanged
    monkeypatch.setattr(relations, case.rule.__name__, lambda *a: iter(()) if is_rule else "")
    assert case.words not in answer_to(case, tmp_path).sentence, "another rule says it, too"


def test_every_rule_of_relations_has_a_case():
    said = re.findall(r"yield from (\w+)\(one\)", inspect.getsource(relations.clauses))
    assert {case.rule.__name__ for case in NUMBERS} == {*said, "exchanged"}


@pytest.mark.parametrize("case", RAISED, ids=named)
def test_what_python_raises_is_said_in_plain_words(case, tmp_path):
    answer = answer_to(case, tmp_path)
    assert not answer.solved
    assert case.words in answer.sentence
    assert "\n" not in answer.sentence


@pytest.mark.parametrize(
    ("number", "right", "wrong", "said"),
    [
        ("06", "return (sigmoid(z) - t)", "z -= t\n    return z", "backward changes its argument z"),
        ("06", "return np.mean(", "z += 0.1\n    return np.mean(", "loss changes its argument z"),
        ("09", "    y = np.tanh", "    x *= 2\n        y = np.tanh", "forward changes its argument x"),
        ("11", "    targets =", "    real *= 2\n    targets =", "discriminator_step changes its argument real"),
        ("12", "    targets =", "    fake += 1\n    targets =", "generator_step changes its argument fake"),
        ("17", "    h = np", "    W *= 2\n    h = np", "backward changes its argument W"),
    ],
)  # fmt: skip
def test_an_argument_that_is_changed_is_named(number, right, wrong, said, tmp_path):
    exercise = BY_NUMBER[number]
    source = exercise.solution.read_text(encoding="utf-8")
    assert right in source
    before, _, after = source.rpartition(right)
    path = tmp_path / f"{exercise.name}.py"
    path.write_text(before + wrong + after, encoding="utf-8")
    assert judge(exercise, path).sentence.startswith(said)


def test_a_stub_with_a_docstring_is_not_written_yet(tmp_path):
    for body in ("raise NotImplementedError", '"""Mine."""; raise NotImplementedError'):
        answer = answer_to(Case("01", body, ""), tmp_path)
        assert (answer.sentence, answer.written) == (errors.NOT_WRITTEN, False)


# ---- what only looks like it ----
NOT_SAID = [
    Case("04", "return dy * (x > 0) + SLOPE * dy * (x < 0)", "|x| < 0"),
    Case("02", "return len(x) * dy, dy.sum(axis=0)", "mean"),
    Case("03", "return dy @ W.T, x.T @ dy, len(x) * dy.sum(axis=0)", "mean"),
    Case("01", "return dy * b + 1e-3 * a, dy * a", "the sign"),
    Case("01", "return dy * b * (1 + 1e-5 * a), dy * a", "times"),
    Case("04", "return dy * np.where(x > 0, 1, 0.2 + 1e-5 * x)", "twice"),
    Case("05", "return dy * (1 - y**2 + 1e-5)", "too many"),
    Case("05", "return dy * (1 - y**2) * np.where(y > 0, -1, 1)", "dx: the sign is wrong"),
    Case("03", "return dy @ W.T, x.T @ dy + 1e-5, dy.sum(axis=0)", "transposed"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", NOT_SAID, ids=named)
def test_what_only_looks_like_it_is_not_said(case, tmp_path):
    answer = answer_to(case, tmp_path)
    assert not answer.solved
    assert case.words not in answer.sentence


def test_the_student_may_call_dy_something_else(tmp_path):
    path = tmp_path / "05_tanh.py"
    path.write_text("def backward(grad, out):\n    return grad * 1 - out**2\n", encoding="utf-8")
    said = judge(BY_NUMBER["05"], path).sentence
    assert said == "dx: the term -out² is not multiplied with grad: are parentheses missing?"


def test_at_a_terminal_it_is_one_line(tmp_path):
    run = [sys.executable, "-m", "npgan", "exercises"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    options = {"cwd": tmp_path, "capture_output": True, "text": True, "encoding": "utf-8", "env": environment}  # fmt: skip
    subprocess.run([*run, "init"], check=True, **options)
    path = tmp_path / "npgan-exercises" / "05_tanh.py"
    path.write_text(source_of(Case("05", "return dy * 1 - y**2", "")), encoding="utf-8")
    done = subprocess.run([*run, "run", "5"], check=False, **options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"npgan exercises: {path.relative_to(tmp_path)}: dx: the term -y² is not multiplied with "
        "dy: are parentheses missing?\n"
    )
