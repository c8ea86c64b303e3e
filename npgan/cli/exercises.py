"""`npgan exercises`: copy the exercises, judge them, give hints."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from ..exercises import folder as folders
from ..exercises.catalogue import EXERCISES
from ..exercises.catalogue.exercise import Exercise
from ..exercises.child_process import judge_in_child
from ..exercises.folder import Progress
from ..exercises.judging import Answer, split_docstring
from ..files.atomic import write_text
from .output import CommandError, UsageError, print_result

SECONDS_BETWEEN_LOOKS = 0.3  # how often `watch` looks whether the file was saved


def exercises(args: argparse.Namespace) -> dict[str, Any] | str:
    """Call the action that was asked for."""
    if args.action == "init":
        if args.name and args.dir:
            raise UsageError(f"init writes to one folder; got {args.name} and --dir {args.dir}")
        return init(args)
    if args.action == "list" and args.name:
        raise UsageError(f"list shows all exercises; leave out {args.name}")
    folder = folders.find(args.dir)
    progress = folders.read_progress(folder)
    if args.action == "list":
        return list_all(args, folder, progress)
    exercise = folders.choose(progress, args.name)
    if exercise is None:
        return answer_all_solved(args)
    actions = {"run": run, "watch": watch, "hint": hint, "reset": reset, "solution": solution}
    return actions[args.action](args, folder, progress, exercise)


def init(args: argparse.Namespace) -> dict[str, Any] | str:
    """Copy the exercises; a file that is there stays as it is."""
    folder = args.dir or Path(args.name or folders.DEFAULT)
    if above := next(filter(folders.has_exercises, folder.resolve().parents), None):
        raise CommandError(
            f"{above} has the exercises; npgan exercises init . writes what is missing"
        )
    written = folders.init(folder)
    if args.json:
        return {"folder": str(folder), "written": written}
    kept = len(EXERCISES) - len(written)
    note = f" ({kept} were there and stay as they are)" if kept else ""
    following = folders.choose(folders.read_progress(folder), None)
    lines = [f"{len(written)} exercises are written to {folder}{note}"]
    if folder.resolve() != Path.cwd():
        lines.append(f"cd {folder}")
    if following is None:
        return "\n".join([*lines, ALL_SOLVED])
    return "\n".join(
        [
            *lines,
            f"open {following.name}.py, read its first lines, write what they ask for, and save it",
            "npgan exercises run     judges the next exercise that is not solved",
            "npgan exercises watch   does so each time you save a file",
        ]
    )


def run(
    args: argparse.Namespace, folder: Path, progress: Progress, exercise: Exercise
) -> dict[str, Any] | str:
    """Judge one exercise; CommandError if it is not solved."""
    answer = judge(folder, progress, exercise)
    following = folders.choose(progress, None)
    if args.json:
        result = {
            "exercise": exercise.name,
            "file": str(folders.file_of(folder, exercise)),
            "solved": answer.solved,
            "written": answer.written,
            "sentence": answer.sentence,
            "next": following.name if following else None,
            "solved_exercises": sorted(progress.solved),
            "exercises": len(EXERCISES),
        }
        if answer.solved:
            return result
        print_result(json.dumps(result))
    if not answer.solved:
        raise CommandError(unsolved(folder, exercise, answer))
    return solved(folder, progress, exercise)


def judge(folder: Path, progress: Progress, exercise: Exercise) -> Answer:
    """Judge the student's file; if it is solved, note that. What is solved stays solved."""
    path = folders.file_of(folder, exercise)
    if not path.is_file():
        raise CommandError(f"{path} is missing; npgan exercises reset {exercise.name} writes it")
    answer = judge_in_child(exercise, path)
    if answer.solved and exercise.name not in progress.solved:
        progress.solved.add(exercise.name)
        folders.write_progress(folder, progress)
    return answer


def unsolved(folder: Path, exercise: Exercise, answer: Answer) -> str:
    """One line: the file, and what is wrong with it."""
    return f"{folders.file_of(folder, exercise)}: {answer.sentence}"


def solved(folder: Path, progress: Progress, exercise: Exercise) -> str:
    """What is said after a success: the first sentence of the explanation, and what comes next."""
    lines = [
        f"{exercise.name} is solved: {len(progress.solved)} of {len(EXERCISES)}",
        explanation(exercise).split("\n")[0],
        f"npgan exercises solution {exercise.name} shows the explanation and a solution",
    ]
    following = folders.choose(progress, None)
    if following is None:
        return "\n".join([*lines, ALL_SOLVED])
    return "\n".join([*lines, f"next: {folders.file_of(folder, following)}, {following.title}"])


ALL_SOLVED = "all exercises are solved; docs/derivations.md goes on from here"


def answer_all_solved(args: argparse.Namespace) -> dict[str, Any] | str:
    """The answer of `run`, `watch` and `hint` when nothing is left."""
    return {"exercise": None, "solved": True, "next": None} if args.json else ALL_SOLVED


def watch(
    args: argparse.Namespace, folder: Path, progress: Progress, exercise: Exercise
) -> dict[str, Any] | str:
    """Judge the next exercise each time its file is saved, until all are solved or Ctrl-C."""
    if not args.json:
        print_result("each time you save the file it is judged; Ctrl-C ends this")
    following: Exercise | None = exercise
    while following is not None:
        exercise, path = following, folders.file_of(folder, following)
        seen = saved_at(path)
        answer = judge(folder, progress, exercise)
        if answer.solved:
            print_result(solved(folder, progress, exercise))
            following = folders.choose(progress, None)
            continue
        print_result(unsolved(folder, exercise, answer))
        while saved_at(path) == seen:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return answer_all_solved(args)


def saved_at(path: Path) -> int:
    """When the file was written, or 0 while an editor replaces it."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def hint(
    args: argparse.Namespace, folder: Path, progress: Progress, exercise: Exercise
) -> dict[str, Any] | str:
    """The next hint; after the last one, the last one again."""
    given = min(progress.hints.get(exercise.name, 0), len(exercise.hints) - 1)
    progress.hints[exercise.name] = given + 1
    folders.write_progress(folder, progress)
    left = len(exercise.hints) - given - 1
    if args.json:
        return {"exercise": exercise.name, "hint": exercise.hints[given], "left": left}
    return f"{exercise.name}, hint {given + 1} of {len(exercise.hints)}: {exercise.hints[given]}"


def list_all(args: argparse.Namespace, folder: Path, progress: Progress) -> dict[str, Any] | str:
    """Every exercise, and whether it is solved."""
    if args.json:
        return {
            "folder": str(folder),
            "exercises": [
                {"name": e.name, "title": e.title, "solved": e.name in progress.solved}
                for e in EXERCISES
            ],
        }
    width = max(len(e.name) for e in EXERCISES)
    rows = [
        f"{'solved' if e.name in progress.solved else '':6}  {e.name:{width}}  {e.title}"
        for e in EXERCISES
    ]
    return "\n".join([*rows, f"{len(progress.solved)} of {len(EXERCISES)} are solved"])


def reset(
    args: argparse.Namespace, folder: Path, progress: Progress, exercise: Exercise
) -> dict[str, Any] | str:
    """Write the file of an exercise as it was; what the student wrote is kept beside it."""
    if args.name is None:
        raise CommandError("which one? npgan exercises reset NAME")
    path = folders.file_of(folder, exercise)
    backup = None
    if path.exists() and path.read_bytes() != exercise.file.read_bytes():
        backup = folders.free_copy(path)
        path.replace(backup)
    write_text(path, exercise.file.read_text(encoding="utf-8"))
    progress.hints.pop(exercise.name, None)
    folders.write_progress(folder, progress)
    if args.json:
        return {"exercise": exercise.name, "file": str(path), "backup": backup and str(backup)}
    kept = f"; your version is in {backup.name}" if backup else ""
    return f"{path} is as it was at the start{kept}"


def solution(
    args: argparse.Namespace, folder: Path, progress: Progress, exercise: Exercise
) -> dict[str, Any] | str:
    """The explanation and a solution, of a solved exercise."""
    if args.name is None:
        raise CommandError("which one? npgan exercises solution NAME")
    if exercise.name not in progress.solved:
        raise CommandError(
            f"{exercise.name} is not solved yet; npgan exercises hint {exercise.name} helps"
        )
    source = exercise.solution.read_text(encoding="utf-8")
    if args.json:
        return {
            "exercise": exercise.name,
            "explanation": explanation(exercise),
            "solution": split_docstring(source)[1].strip(),
        }
    return f"{explanation(exercise)}\n\n{split_docstring(source)[1].strip()}"


def explanation(exercise: Exercise) -> str:
    """The docstring of the solution."""
    source = exercise.solution.read_text(encoding="utf-8")
    return split_docstring(source)[0].strip('"').strip()
