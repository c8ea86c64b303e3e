"""The exercises: solutions pass, every known mistake is named, and the commands keep a student's work."""

import json
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from npgan import bce_with_logits
from npgan.cli import exercises as command
from npgan.cli import main
from npgan.exercises import child_process, outcomes
from npgan.exercises.catalogue import EXERCISES
from npgan.exercises.catalogue.exercise import Mistake
from npgan.exercises.folder import PROGRESS, choose, read_progress
from npgan.exercises.judging import judge, load_solution, run, source_of

BY_NAME = {e.name: e for e in EXERCISES}
every = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


def answer_to(name, source, tmp_path):
    path = tmp_path / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    return judge(BY_NAME[name], path)


# ---- the exercises ----


def test_they_are_numbered_from_1_and_named_once():
    assert [e.name.split("_")[0] for e in EXERCISES] == [f"{i:02}" for i in range(1, 21)]
    for exercise in EXERCISES:
        words = exercise.name.split("_", 1)[1].replace("_", " ")
        assert exercise.file.read_text().startswith(f'"""Exercise {int(exercise.name[:2])}: '), (
            words
        )


@every
def test_the_solution_passes_and_is_explained(exercise):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert judge(exercise, exercise.solution) == (True, "", True)
    assert len(command.explanation(exercise).split()) > 30


@every
def test_the_file_as_it_is_given_is_not_solved(exercise):
    answer = judge(exercise, exercise.file)
    assert not answer.solved
    assert not answer.written
    assert answer.sentence == (exercise.symptom or "not written yet")


@every
def test_hints_go_from_a_question_on(exercise):
    assert len(exercise.hints) == 3
    assert all(len(hint) < 200 for hint in exercise.hints)
    assert len(exercise.mistakes) >= 3


MISTAKES = [(e, m) for e in EXERCISES for m in e.mistakes]


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES, ids=lambda x: getattr(x, "name", ""))
def test_a_known_mistake_is_named(exercise, mistake, tmp_path):
    source = "# my try\n" + source_of(exercise, mistake)
    answer = answer_to(exercise.name, source, tmp_path)
    assert answer == (False, mistake.sentence, True)
    assert len(mistake.sentence) < 120


def test_a_mistake_that_no_longer_fits_its_solution_is_an_error():
    with pytest.raises(ValueError, match="must occur once"):
        source_of(EXERCISES[0], Mistake("not in there", "", ""))


# ---- right and wrong versions that were written without a look at the catalogue ----

RIGHT = {
    "01_multiply": "import numpy as np\ndef backward(dy, a, b):\n    return [np.multiply(b, dy), a * dy]",
    "02_bias": "import numpy as np\ndef backward(dy, x, b):\n    return dy.copy(), np.ones(len(dy)) @ dy",
    "03_affine": "import numpy as np\ndef backward(dy, x, W, b):\n"
    "    return np.einsum('ij,kj->ik', dy, W), (dy.T @ x).T, np.einsum('ij->j', dy)",
    "04_leaky_relu": "def backward(dy, x):\n    d = dy.copy()\n    d[x <= 0] *= 0.2\n    return d",
    "05_tanh": "def backward(dy, y):\n    return dy * (1 - y) * (1 + y)",
    "06_cross_entropy": "import numpy as np\ndef loss(z, t):\n"
    "    return (np.logaddexp(0, z) - t * z).mean()\n"
    "def backward(z, t):\n    return (0.5 * (1 + np.tanh(z / 2)) - t) / len(z)",
    "20_ln2": "from math import log\nFIRST = PERFECT = PAIRS = log(2)\nVALUE = -log(4)",
}


@pytest.mark.parametrize("name", RIGHT)
def test_another_right_way_is_accepted(name, tmp_path):
    assert answer_to(name, RIGHT[name], tmp_path).solved


STEP = """
import numpy as np
from npgan import bce_with_logits
def discriminator_step(D, optimiser, real, fake):
    z_real, pull_real = D.forward(real)
    _, d = bce_with_logits(z_real, {real})
    g = pull_real(d, wrt="params") / 2
    z_fake, pull_fake = D.forward(fake)
    _, d = bce_with_logits(z_fake, {fake})
    g = g + pull_fake(d, wrt="params") / 2
    optimiser.step({sign}g)
    return 0
"""


@pytest.mark.parametrize(
    ("real", "fake", "sign", "said"),
    [
        (1.0, 0.0, "", ""),
        (0.0, 1.0, "", "exchanged"),
        (1.0, 1.0, "", "all targets are 1"),
        (0.0, 0.0, "", "all targets are 0"),
        (1.0, 0.0, "-", "wrong sign|exchanged"),
        (0.9, 0.0, "", "the update of D is wrong"),
    ],
)
def test_a_step_that_is_written_in_another_way(real, fake, sign, said, tmp_path):
    answer = answer_to("11_labels", STEP.format(real=real, fake=fake, sign=sign), tmp_path)
    assert answer.solved == (not said)
    assert any(part in answer.sentence for part in said.split("|"))


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("03_affine", "def backward(dy, x, W, b):\n    return dy @ W, x.T @ dy, dy.sum(0)", "line 2: @ needs as many columns"),
        ("03_affine", "def backward(dy, x, W, b):\n    return dy @ W.T, x.T @ dy", "got 2 values"),
        ("01_multiply", "def backward(dy, a, b):\n    return dy * b", "got 1 value"),
        ("03_affine", "def backward(dy, x, W, b):\n    return dy @ W, x, b", "here there are 3 and 4; the shapes are dy (6, 3), x (6, 4), W (4, 3), b (3,)"),
        ("03_affine", "def backward(dy, x, W, b):\n    return dy * W, x, b", "the shapes are dy (6, 3), x (6, 4)"),
        ("03_affine", "def backward(dy, x, W, b):\n    raise ValueError('no')", "line 2: ValueError: no"),
        ("01_multiply", "def backward(dy, a, b):\n    return dy / b, dy / a", "da: dy is divided by b: multiply with it"),
        ("05_tanh", "def backward(dy, y):\n    return dy / y", "dx: dy is divided by y: multiply with the derivative"),
        ("05_tanh", "import numpy as np\ndef backward(dy, y):\n    return dy * (1 - np.sinh(y)**2)", "makes a wrong local derivative: right without np.sinh"),
        ("01_multiply", "def backward(dy, a, b):\n    return dy * b[::-1], dy * a", "(what multiplies dy is flipped along axis 0"),
        ("03_affine", "def backward(dy, x, W, b):\n    return dy @ W.T, x.T @ dy, 'b'", "dL/db must be numbers"),
        ("03_affine", "def backward(dy, x, W, b):\n    return dy @ W.T, x.T @ dy, None", "got None"),
        ("03_affine", "def backward(dy, x, W, b):\n    return dy @ W.T, 3 * x.T @ dy, dy.sum(0)", "dW: it is 3 times too large: a factor 3 too many (len(b) is 3)"),
        ("03_affine", "def backward(dy, x, W):\n    return 1", "backward(dy, x, W, b) must stay as in the exercise: backward() takes 3"),
        ("03_affine", "def forward(x, W, b):\n    return x", "the file has no function or value of the name backward"),
        ("03_affine", "def backward(dy, x, W, b)\n    return 1", "line 1: Python cannot read this"),
        ("03_affine", "raise SystemExit('bye')", "line 1: SystemExit: bye"),
        ("03_affine", "import nothing_of_that_name", "line 1: ModuleNotFoundError"),
        ("04_leaky_relu", "def backward(dy, x):\n    return dy[:2]", "dL/dx has the shape (2, 4); it must be (6, 4)"),
        ("05_tanh", "def backward(dy, y):\n    return dy * float('nan')", "dL/dx is wrong: nan at [0, 0]"),
        ("07_batch_norm", "def backward(dy, x):\n    return dy / x.std(axis=0)", "the path through its mean or variance"),
        ("19_adam", "SMALL = 1.9\nLARGE = 1.9\nAGAIN = None", "AGAIN is not written yet"),
        ("19_adam", "SMALL = 1.9\nLARGE = 'many'\nAGAIN = 1", "LARGE must be numbers"),
        ("20_ln2", "FIRST = PERFECT = PAIRS = 0.69\nVALUE = -1.386", "FIRST is wrong"),
        (
            "06_cross_entropy",
            "import numpy as np\ndef loss(z, t):\n    return np.mean(np.where(z > 0, z, 0) - t * z"
            " + np.log1p(np.exp(-np.abs(z)))) + 0 * np.exp(1000)\n"
            "def backward(z, t):\n    return (1 / (1 + np.exp(-z)) - t) / z.size",
            "the loss is wrong|NumPy warns: overflow",
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_other_mistakes(name, source, said, tmp_path):
    answer = answer_to(name, source, tmp_path)
    assert not answer.solved
    assert any(part in answer.sentence for part in said.split("|")), answer.sentence
    assert "\n" not in answer.sentence


def test_a_right_result_with_a_warning_is_not_enough(tmp_path):
    source = "import numpy as np\ndef loss(z, t):\n    return np.mean(np.logaddexp(0, z) - t * z)\n"
    source += "def backward(z, t):\n    return (1 / (1 + np.exp(-z)) - t) / z.size\n"
    answer = answer_to("06_cross_entropy", source, tmp_path)
    assert answer.sentence == "the results are right, but NumPy warns: overflow encountered in exp"


# ---- the symptoms are true ----


def test_exchanged_labels_lower_the_logits_of_real_images_in_comparison():
    _, D, real, fake, _ = outcomes.networks()
    before = D(real).mean() - D(fake).mean()
    D.theta += run_mistake("11_labels")["the update of D"]
    assert D(real).mean() - D(fake).mean() < before


def test_the_wrong_target_lowers_the_logits_of_generated_images():
    G, D, _, _, z = outcomes.networks()
    before = D(G(z)).mean()
    G.theta += run_mistake("12_generator_target")["the update of G"]
    assert D(G(z)).mean() < before


def test_a_sum_makes_the_step_as_much_longer_as_there_are_logits():
    right, _ = run(BY_NAME["15_sum_for_mean"], load_solution(BY_NAME["15_sum_for_mean"]))
    wrong = run_mistake("15_sum_for_mean")["the update of D"]
    np.testing.assert_allclose(wrong, 2 * outcomes.BATCH * right["the update of D"], rtol=1e-9)


def run_mistake(name):
    return run(BY_NAME[name], load_solution(BY_NAME[name], BY_NAME[name].mistakes[0]))[0]


def test_exercise_19_is_what_npgans_adam_does():
    from npgan import Adam, Dense, Network

    for gradients, name in (([0.001], "SMALL"), ([50.0], "LARGE"), ([50.0, 50.0], "AGAIN")):
        net = Network([Dense(1, 1, rng=0)]).astype(np.float64)
        net.theta[:] = 2.0
        adam = Adam(net, lr=0.1, beta1=0.5, beta2=0.9)
        for g in gradients:
            adam.step(np.full(2, g))
        expected = getattr(load_solution(BY_NAME["19_adam"]), name)
        assert abs(net.theta[0] - expected) < 1e-4


def test_exercise_20_is_what_npgans_losses_say():
    zeros, t = np.zeros((4, 1)), np.array([[1.0], [1], [0], [0]])
    solution = load_solution(BY_NAME["20_ln2"])
    assert abs(bce_with_logits(zeros, t)[0] - solution.FIRST) < 1e-3
    from npgan.losses import relativistic

    pairs = relativistic.discriminator(zeros, zeros)
    assert abs(float(np.asarray(pairs)) - solution.PAIRS) < 1e-3


# ---- the command ----


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["exercises", "init"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("20 exercises are written to npgan-exercises\n")
    assert len(said.splitlines()) <= 6
    return tmp_path / "npgan-exercises"


def solve(folder, *names):
    for name in names:
        text = BY_NAME[name].solution.read_text(encoding="utf-8")
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


def test_a_folder_has_every_exercise_as_it_is_in_the_package(folder):
    assert {p.name for p in folder.iterdir()} == {
        *(f"{e.name}.py" for e in EXERCISES),
        "README.md",
        PROGRESS,
    }
    for exercise in EXERCISES:
        assert (folder / f"{exercise.name}.py").read_text() == exercise.file.read_text()


def test_init_again_keeps_the_students_files(folder, capsys):
    (folder / "01_multiply.py").write_text("mine")
    (folder / "02_bias.py").unlink()
    assert main(["exercises", "init"]) == 0
    assert "1 exercises" in capsys.readouterr().out
    assert (folder / "01_multiply.py").read_text() == "mine"
    assert (folder / "02_bias.py").exists()


def test_from_the_first_to_the_second(folder, capsys):
    assert main(["exercises", "run"]) == 1
    out, err = capsys.readouterr()
    where = os.path.join("npgan-exercises", "01_multiply.py")
    assert (out, err) == ("", f"npgan exercises: {where}: not written yet\n")
    solve(folder, "01_multiply")
    assert main(["exercises", "run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "01_multiply is solved: 1 of 20"
    assert lines[-1].startswith("next: ")
    assert "02_bias.py" in lines[-1]
    assert len(lines) <= 6
    assert main(["exercises", "run"]) == 1  # in another process: progress is in the folder
    assert "02_bias.py: not written yet" in capsys.readouterr().err
    assert main(["exercises", "list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("solved  01_multiply")
    assert rows[1].startswith("        02_bias")
    assert rows[-1] == "1 of 20 are solved"


def test_what_was_solved_and_is_broken_again_stays_solved(folder, capsys):
    solve(folder, "01_multiply")
    assert main(["exercises", "run"]) == 0
    (folder / "01_multiply.py").write_text("def backward(dy, a, b):\n    return dy, dy\n")
    assert main(["exercises", "run", "1"]) == 1
    assert "rule of a + b" in capsys.readouterr().err
    assert read_progress(folder).solved == {"01_multiply"}
    assert main(["exercises", "list"]) == 0
    assert capsys.readouterr().out.endswith("1 of 20 are solved\n")
    assert main(["exercises", "solution", "1"]) == 0
    assert main(["exercises", "run"]) == 1
    assert "02_bias.py" in capsys.readouterr().err


def test_json_for_teachers(folder, capsys):
    assert main(["exercises", "run", "3", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["exercise"], found["solved"], found["written"]) == ("03_affine", False, False)
    solve(folder, "03_affine")
    assert main(["exercises", "run", "affine", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["solved"]
    assert found["next"] == "01_multiply"
    assert found["solved_exercises"] == ["03_affine"]
    assert found["exercises"] == 20
    for action in ("list", "hint", "init"):
        assert main(["exercises", action, "--json"]) == 0
        json.loads(capsys.readouterr().out)


def test_hints_one_after_the_other_and_then_the_last_again(folder, capsys):
    said = []
    for _ in range(4):
        assert main(["exercises", "hint", "05_tanh.py"]) == 0
        said.append(capsys.readouterr().out.strip().split(": ", 1)[1])
    assert said == [*BY_NAME["05_tanh"].hints, BY_NAME["05_tanh"].hints[-1]]


def test_a_solution_is_shown_after_success_only(folder, capsys):
    assert main(["exercises", "solution", "1"]) == 1
    assert "not solved yet" in capsys.readouterr().err
    solve(folder, "01_multiply")
    assert main(["exercises", "run"]) == 0
    capsys.readouterr()
    assert main(["exercises", "solution", "1"]) == 0
    assert "return dy * b, dy * a" in capsys.readouterr().out


def test_reset_writes_the_file_again_and_keeps_the_students(folder, capsys):
    solve(folder, "01_multiply")
    assert main(["exercises", "run"]) == 0
    assert main(["exercises", "reset", "1"]) == 0
    assert (folder / "01_multiply.py").read_text() == BY_NAME["01_multiply"].file.read_text()
    assert "return dy * b, dy * a" in (folder / "01_multiply.py.old").read_text()
    assert read_progress(folder).solved == {"01_multiply"}


def test_reset_never_loses_what_a_student_wrote(folder, capsys):
    path, kept = folder / "01_multiply.py", lambda: sorted(folder.glob("*.old*"))
    path.write_text("first")
    assert main(["exercises", "reset", "1"]) == 0
    assert main(["exercises", "reset", "1"]) == 0  # unchanged: no copy
    assert "your version" not in capsys.readouterr().out.splitlines()[-1]
    assert [p.read_text() for p in kept()] == ["first"]
    for text in ("second", "third"):
        path.write_text(text)
        assert main(["exercises", "reset", "1"]) == 0
    assert [p.name for p in kept()] == [f"01_multiply.py.old{n}" for n in ("", 2, 3)]
    assert [p.read_text() for p in kept()] == ["first", "second", "third"]


def test_init_says_where_to_go_and_what_is_next(folder, capsys):
    progress = {"solved": ["01_multiply"], "hints": {}}
    (folder / PROGRESS).write_text(json.dumps(progress))
    assert main(["exercises", "init"]) == 0
    out = capsys.readouterr().out
    assert "\ncd npgan-exercises\nopen 02_bias.py" in out


def test_init_inside_the_folder_makes_no_folder_in_it(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for arguments in ([], ["more"]):
        assert main(["exercises", "init", *arguments]) == 1
        assert "npgan exercises init ." in capsys.readouterr().err
    assert not [p for p in folder.iterdir() if p.is_dir()]
    (folder / "02_bias.py").unlink()
    (folder / PROGRESS).unlink()
    assert main(["exercises", "init", "."]) == 0
    assert "cd " not in capsys.readouterr().out
    assert (folder / "02_bias.py").exists()
    assert (folder / PROGRESS).exists()


def test_when_all_are_solved(folder, capsys):
    names = [e.name for e in EXERCISES]
    (folder / PROGRESS).write_text(json.dumps({"solved": names, "hints": {}}))
    for action in ("run", "watch", "hint"):
        assert main(["exercises", action]) == 0
        assert capsys.readouterr().out.strip() == command.ALL_SOLVED


def test_watch_judges_what_is_saved_and_goes_on(folder, monkeypatch):
    monkeypatch.setattr(command, "SECONDS_BETWEEN_LOOKS", 0.01)
    names = [e.name for e in EXERCISES]
    (folder / PROGRESS).write_text(json.dumps({"solved": names[2:], "hints": {}}))
    lines = []

    def student(line):
        """Reads an answer, and saves the file anew some time later."""
        lines.append(line)
        if "not written yet" in line and "01_multiply" in line:
            save("def backward(dy, a, b):\n    return b, a\n")
        elif "dy is missing" in line:
            save(BY_NAME["01_multiply"].solution.read_text())
        elif "01_multiply is solved" in line:
            solve(folder, "02_bias")

    def save(text):
        path = folder / "01_multiply.py"
        threading.Timer(0.2, path.write_text, [text]).start()

    monkeypatch.setattr(command, "print_result", student)
    monkeypatch.setattr("npgan.cli.run.print_result", lines.append)
    assert main(["exercises", "watch"]) == 0
    parts = [
        "Ctrl-C ends this",
        "01_multiply.py: not written yet",
        "dy is missing",
        "01_multiply is solved: 19 of 20",
    ]
    parts += ["02_bias is solved: 20 of 20", command.ALL_SOLVED]
    assert len(lines) == len(parts)
    assert all(part in line for part, line in zip(parts, lines, strict=True))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "21"], "no exercise is called 21"),
        (["run", "nothing"], "no exercise is called nothing"),
        (["reset"], "which one?"),
        (["solution"], "which one?"),
        (["run", "--dir", "elsewhere"], "there are no exercises in elsewhere"),
    ],
)
def test_one_line_for_a_wrong_argument(arguments, said, folder, capsys):
    assert main(["exercises", *arguments]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"solved": 3}', '{"solved": [], "hints": {"01_multiply": "x"}}']
)
def test_a_damaged_progress_is_said(text, folder, capsys):
    (folder / PROGRESS).write_text(text)
    assert main(["exercises", "run"]) == 1
    assert "is damaged; delete it" in capsys.readouterr().err


def test_a_missing_file_is_said(folder, capsys):
    (folder / "02_bias.py").unlink()
    assert main(["exercises", "run", "2"]) == 1
    assert "npgan exercises reset 02_bias writes it" in capsys.readouterr().err


def test_outside_of_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["exercises", "run"]) == 1
    assert "npgan exercises init writes them" in capsys.readouterr().err


def test_inside_of_the_folder(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["exercises", "run"]) == 1
    assert "01_multiply.py: not written yet" in capsys.readouterr().err


def test_a_loop_without_an_end_is_stopped(tmp_path):
    path = tmp_path / "01_multiply.py"
    path.write_text("while True:\n    pass\n")
    answer = child_process.judge_in_child(EXERCISES[0], path, seconds=4)
    assert "loop without an end" in answer.sentence


@pytest.mark.parametrize("line", ["import os; os._exit(3)", "import os; os.abort()"])
def test_a_file_that_ends_python_is_said(line, tmp_path):
    path = tmp_path / "01_multiply.py"
    path.write_text(line)
    assert (
        "Python ended with exit code" in child_process.judge_in_child(EXERCISES[0], path).sentence
    )


def test_what_a_file_prints_is_shown_and_disturbs_nothing(folder, tmp_path):
    text = BY_NAME["01_multiply"].solution.read_text() + "\nprint('{\"solved\": false}')\n"
    (folder / "01_multiply.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "npgan", "exercises", "run", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["solved"] is True
    assert "false" in done.stderr


def test_choose_takes_numbers_and_names():
    progress = read_progress_of(set())
    for name in ("7", "07", "07_batch_norm", "batch_norm", "07_batch_norm.py", "BATCH_NORM"):
        assert choose(progress, name).name == "07_batch_norm"


def read_progress_of(solved):
    from npgan.exercises.folder import Progress

    return Progress(solved, {})
