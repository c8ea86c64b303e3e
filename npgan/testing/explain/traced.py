"""Func run again with one of its intermediate results changed: which path does backward lack?

Arrays of a subclass report every NumPy operation that they take part in. A tape records the
operations at one point. When func runs at a moved argument, the tape may replace what an operation
is given, or returns: the value of the first point, for instance, so that nothing gets through.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

as_array = np.asarray  # itself, also where it is replaced while a function is on a tape
LONGEST = 48  # of an expression that a hint quotes


# The code, where in it, the operation, and where the code was called from.
Place = tuple[CodeType, int, str, tuple[int, ...]]


class MismatchError(Exception):
    """Func has taken another branch than the one that was recorded."""


class Step(NamedTuple):
    """One operation: the place in the code, what it does, what it was given and has returned."""

    place: Place
    call: Callable[[list[Any]], Any]  # the operation, as a function of its array operands
    operands: list[Any]
    moving: list[int]  # the operands that depend on the argument
    result: np.ndarray
    key: Any = None  # of an array that is indexed, or assigned to


# (the step as it was recorded, the operands now) -> the result that is passed on
Change = Callable[[Step, list[Any]], Any]


class NewKey:
    """The change of x[key] to another key, which x[key] += ... then also assigns to."""

    def __init__(self, key: Callable[[Step], Any]):
        self.key = key

    def __call__(self, step: Step, operands: list[Any]) -> Any:
        """What the other key picks."""
        return operands[0][self.key(step)]


class Tape:
    """The operations of one run of func; with changes, of another run.

    A thorough tape, as it is used for backward, also has what picks views, what assigns to parts of
    arrays, and what returns truths or indices.
    """

    def __init__(self, recorded: list[Step] | None = None, is_thorough: bool = False):
        self.steps: list[Step] = []
        self.recorded, self.is_thorough = recorded, is_thorough
        self.is_wide = False  # whether casts to a narrower float are left out
        self.kinds = "fcbiu" if is_thorough else "fc"
        self.changes: dict[int, Change] = {}
        # Results of x[key], by id: the result, x, the key as it was written, the key that was used.
        self.picked: dict[int, tuple[Any, Any, str, Any]] = {}
        self.now: list[Any] = []  # the results of the recorded steps in this run
        self.count = 0

    def run(
        self, name: str, call: Callable[[list[Any]], Any], operands: list[Any], key: Any = None
    ) -> Any:
        """Do an operation, record it, or change what it returns."""
        moving = [i for i, v in enumerate(operands) if isinstance(v, Traced)]
        plain = [plain_of(v) for v in operands]
        code, at, stack = caller()
        place = (code, at, name, stack)
        if self.recorded is None:
            kept = [np.array(v) if isinstance(v, np.ndarray) else v for v in plain]
            result = call(plain)
            if self.is_recorded(result):
                self.steps.append(Step(place, call, kept, moving, np.array(result), key))
            return self.wrap(result)
        if self.count < len(self.recorded) and self.recorded[self.count].place == place:
            step, change = self.recorded[self.count], self.changes.get(self.count)
            self.count += 1
            result = call(plain) if change is None else change(step, plain)
            self.now.append(result)
            return self.wrap(result)
        result = call(plain)
        if self.is_recorded(result):
            raise MismatchError
        return self.wrap(result)

    def is_recorded(self, result: Any) -> bool:
        """Whether an operation with this result is a step."""
        return isinstance(result, np.ndarray | np.generic) and result.dtype.kind in self.kinds

    def pick(self, array: np.ndarray, key: Any) -> Any:
        """x[key] on a thorough tape; the key that a change puts in its place is kept."""
        used = [key]

        def call(operands: list[Any]) -> Any:
            return operands[0][used[0]]

        change = self.changes.get(self.count)
        if self.recorded is not None and isinstance(change, NewKey):
            used[0] = change.key(self.recorded[self.count])
        result = self.run("getitem", call, [array], key)
        self.picked[id(result)] = result, array, repr(key), used[0]
        return result

    def assign(self, array: np.ndarray, key: Any, value: Any) -> None:
        """x[key] = value on a thorough tape; of x[key] += ... the value stands there already."""
        _, source, written, used = self.picked.get(id(value), (None, None, "", None))
        if source is array and written == repr(key):
            plain_of(array)[used] = plain_of(value)
            return

        def call(operands: list[Any]) -> Any:
            operands[0][key] = operands[1]
            return np.array(operands[1], operands[0].dtype)

        self.run("setitem", call, [array, value], key)

    def wrap(self, result: Any) -> Any:
        """Results that report what is done with them, where they are numbers."""
        if isinstance(result, tuple | list):
            parts = [self.wrap(v) for v in result]
            return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
        if isinstance(result, np.ndarray | np.generic) and result.dtype.kind in "fc":
            traced = as_array(result).view(Traced)
            traced.tape = self
            return traced
        return result


class Traced(np.ndarray):
    """An array that tells its tape of the operations that it takes part in."""

    tape: Tape | None = None

    def __array_finalize__(self, source: Any) -> None:
        """Views report to the same tape."""
        self.tape = getattr(source, "tape", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """An operation entry by entry, or a reduction."""
        out = kwargs.pop("out", None)
        options = {k: plain_of(v) for k, v in kwargs.items()}

        def call(operands: list[Any]) -> Any:
            return getattr(ufunc, method)(*operands, **options)

        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        tape = self.tape or next(v.tape for v in inputs if getattr(v, "tape", None))
        if method == "at":
            return getattr(ufunc, method)(*(plain_of(v) for v in inputs), **options)
        result = tape.run(name, call, list(inputs))
        if out is not None and out[0] is not None:
            plain_of(out[0])[...] = plain_of(result)
            return out[0]
        return result

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """A function of NumPy, as one operation."""
        operands: list[Any] = []

        def lift(v: Any) -> Any:
            if isinstance(v, list | tuple) and any(isinstance(w, np.ndarray) for w in v):
                return [lift(w) for w in v]
            if isinstance(v, np.ndarray):
                operands.append(v)
                return Operand(len(operands) - 1)
            return v

        lifted = [lift(v) for v in args]
        options = {k: lift(v) for k, v in kwargs.items() if not self.is_narrowed(v)}

        def call(found: list[Any]) -> Any:
            return func(
                *(put(v, found) for v in lifted), **{k: put(v, found) for k, v in options.items()}
            )

        tape = self.tape or next((v.tape for v in operands if getattr(v, "tape", None)), None)
        if tape is None:
            return call([plain_of(v) for v in operands])
        return tape.run(func.__name__, call, operands)

    def is_narrowed(self, dtype: Any) -> bool:
        """Whether this is the dtype of a cast that is left out."""
        is_dtype = isinstance(dtype, np.dtype | type)
        return self.tape is not None and self.tape.is_wide and is_dtype and is_float_dtype(dtype)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """A cast; on a wide tape, none to another float."""
        return self.copy() if self.is_narrowed(dtype) else super().astype(dtype, *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        """A view, or what an array of indices picks."""
        if self.tape is not None and self.tape.is_thorough:
            return self.tape.pick(self, key)
        parts = key if isinstance(key, tuple) else (key,)
        if self.tape is None or not any(isinstance(p, list | np.ndarray) for p in parts):
            return super().__getitem__(key)
        return self.tape.run("getitem", lambda operands: operands[0][key], [self])

    def __setitem__(self, key: Any, value: Any) -> None:
        """Assignment to a part."""
        if self.tape is not None and self.tape.is_thorough:
            self.tape.assign(self, key, value)
        else:
            super().__setitem__(key, plain_of(value))

    def argmax(self, *args: Any, **kwargs: Any) -> Any:
        """As a function of NumPy, which is one operation."""
        return np.argmax(self, *args, **kwargs)

    def argmin(self, *args: Any, **kwargs: Any) -> Any:
        """As a function of NumPy, which is one operation."""
        return np.argmin(self, *args, **kwargs)

    def sum(self, *args: Any, **kwargs: Any) -> Any:
        """As a function of NumPy, which is one operation."""
        return np.sum(self, *args, **kwargs)

    def mean(self, *args: Any, **kwargs: Any) -> Any:
        """As a function of NumPy, which is one operation."""
        return np.mean(self, *args, **kwargs)

    def var(self, *args: Any, **kwargs: Any) -> Any:
        """As a function of NumPy, which is one operation."""
        return np.var(self, *args, **kwargs)

    def std(self, *args: Any, **kwargs: Any) -> Any:
        """As a function of NumPy, which is one operation."""
        return np.std(self, *args, **kwargs)


class Wide(np.ndarray):
    """An array that is on no tape, beside one on a wide tape: of it, too, casts are left out."""

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """A cast; none to another float."""
        return self.copy() if is_float_dtype(dtype) else super().astype(dtype, *args, **kwargs)


def is_float_dtype(dtype: Any) -> bool:
    """Whether this stands for a dtype of real floats."""
    try:
        return np.dtype(dtype).kind == "f"
    except TypeError:
        return False


class Operand(int):
    """The place of an array among the operands of an operation."""


def put(v: Any, operands: list[Any]) -> Any:
    """The operands in their places."""
    if isinstance(v, Operand):
        return operands[v]
    return [put(w, operands) for w in v] if isinstance(v, list) else v


def plain_of(v: Any) -> Any:
    """Without the subclass; containers, too."""
    if isinstance(v, Traced | Wide):
        return v.view(np.ndarray)
    if isinstance(v, tuple | list) and type(v) in (tuple, list):
        return type(v)(plain_of(w) for w in v)
    return v


def caller() -> tuple[CodeType, int, tuple[int, ...]]:
    """The place in the user's code from which NumPy was called, and from where that was called."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name = frame.f_globals.get("__name__", "")
        if name != __name__ and name.partition(".")[0] != "numpy":
            break
        frame = frame.f_back
    outer, stack = frame.f_back, []
    while outer is not None and not outer.f_globals.get("__name__", "").startswith("npgan.testing"):
        stack.append(first_of(outer.f_code, outer.f_lasti))
        outer = outer.f_back
    return frame.f_code, first_of(frame.f_code, frame.f_lasti), tuple(stack)


@lru_cache(maxsize=4096)
def first_of(code: CodeType, at: int) -> int:
    """The first instruction of the expression at a place.

    Which of them a frame is at depends on how often Python has run the code before.
    """
    positions = getattr(code, "co_positions", None)
    if positions is None:
        return at
    found = list(positions())
    i = at // 2
    while i and found[i - 1] == found[i]:
        i -= 1
    return 2 * i


@lru_cache(maxsize=4096)
def expression(place: Place) -> ast.expr | None:
    """The expression at a place, where its source and its columns are known."""
    code, at = place[:2]
    positions = getattr(code, "co_positions", None)
    if positions is None or "npgan/testing" in code.co_filename.replace("\\", "/"):
        return None
    first, last, start, end = list(positions())[at // 2]
    if first is None or first != last or start is None or end is None:
        return None
    line = linecache.getline(code.co_filename, first).encode()[start:end].decode()
    try:
        tree = ast.parse(line.strip(), mode="eval").body
    except SyntaxError:
        return None
    return tree


@lru_cache(maxsize=4096)
def quoted(place: Place, operand: int | None = None) -> str:
    """What a hint calls the result of an operation, or one of its operands."""
    tree = expression(place)
    name = place[2].replace("true_divide", "divide")
    if tree is None:
        return f"np.{name}" if operand is None else f"operand {operand + 1} of np.{name}"
    whole = short(tree)
    if operand is None:
        return whole
    if isinstance(tree, ast.BinOp):
        return f"{short((tree.left, tree.right)[operand])} in {whole}"
    if isinstance(tree, ast.Subscript):
        return f"{short(tree.value)} in {whole}"
    if isinstance(tree, ast.Call) and operand < len(given := arrays_of(tree)):
        return f"{short(given[operand])} in {whole}"
    return f"operand {operand + 1} of {whole}"


def target_of(place: Place) -> str:
    """What the array is called that is assigned to."""
    tree = expression(place)
    return ast.unparse(tree.value) if isinstance(tree, ast.Subscript) else "the array"


def arrays_of(call: ast.Call) -> list[ast.expr]:
    """What a call is given: of a method, its object first."""
    if isinstance(call.func, ast.Attribute):
        root = call.func.value
        while isinstance(root, ast.Attribute):
            root = root.value
        if not (isinstance(root, ast.Name) and root.id in ("np", "numpy")):
            return [call.func.value, *call.args]
    return call.args


def short(tree: ast.expr) -> str:
    """The source of an expression, at most so many characters of it."""
    text = ast.unparse(tree)
    return f"`{text if len(text) <= LONGEST else text[: LONGEST - 4] + ' ...'}`"
