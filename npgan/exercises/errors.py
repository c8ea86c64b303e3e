"""What an exception of a student's file means, in one line, and what to write instead."""

from __future__ import annotations

import ast
import difflib
import re
import traceback
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from .quantities import Inputs

SHAPES = re.compile("shape|dimension|broadcast|axis|axes|aligned")
PRODUCTS = re.compile(r"[)\w]\s*\)\s*[A-Za-z_]|\b\d+[A-Za-z_]")
# Characters that stand in a formula and not in Python.
FORMULA = {"²": "**2", "³": "**3", "·": "*", "×": "*", "−": "-", "–": "-", "÷": "/", "ᵀ": ".T"}
NOT_WRITTEN = "not written yet"
CALLED = re.compile(r"(\w+)\(\) (takes|missing|got an unexpected)")


def sentence_of(error: BaseException, path: Path, inputs: Inputs) -> str:
    """An error in one line: the line of the file in which it happened, and what it means."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: Python cannot read this: {syntax(error)}"
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == str(path)
    ]
    text = meaning(error, frames[-1][0] if frames else None)
    if not text and not frames:
        text = outside(error, inputs)
    if not text:
        text = re.sub(r"\s+", " ", str(error)).strip()
        if frames or not isinstance(error, ValueError):
            text = f"{type(error).__name__}: {text}"
    if isinstance(error, ValueError) and SHAPES.search(str(error)) and inputs and frames:
        text += f"; the shapes are {shapes_of(inputs)}"
    return f"line {frames[-1][1]}: {text}" if frames else text


def shapes_of(inputs: Inputs) -> str:
    """The arguments with their shapes."""
    return ", ".join(f"{name} {value.shape}" for name, value in inputs.items())


def syntax(error: SyntaxError) -> str:
    """What Python says of a line that it cannot read, and what may be meant."""
    found = [c for c in FORMULA if c in (error.text or "") and repr(c) in error.msg]
    if found:
        return f"{error.msg}: in Python write {FORMULA[found[0]]}"
    if PRODUCTS.search(error.text or ""):
        return f"{error.msg}: is a * missing?"
    return error.msg


def meaning(error: BaseException, frame: FrameType | None) -> str:
    """What is behind an error that beginners meet; "" for any other."""
    text = str(error)
    if isinstance(error, NameError) and frame is not None:
        return unknown_name(error, frame)
    if "bitwise_xor" in text or "for ^" in text:
        return "^ is no power in Python: write y**2 for y²"
    if "bitwise_and" in text or "bitwise_or" in text:
        return "& and | join True and False alone: put each comparison in parentheses"
    if "is not callable" in text and ("ndarray" in text or "numpy.float" in text):
        return "an array stands before a parenthesis, as if it were a function: is a * missing?"
    if re.search("only (length-1|0-dimensional|size-1) arrays", text):
        return "this function takes one number: use the one of NumPy, such as np.tanh for an array"
    if "truth value of an array" in text:
        return (
            "if, and, or, max and min need one True or False, and arrays have one for each entry: "
            "use np.where(condition, value, other value)"
        )
    if found := re.search(r"size (\d+) is different from (\d+)", text):
        return (
            "@ needs as many columns on its left as rows on its right; "
            f"here there are {found[2]} and {found[1]}"
        )
    if "does not have enough dimensions (has 0" in text:
        return "a factor of @ is no array: are () missing behind a method, as in W.transpose()?"
    if isinstance(error, AttributeError) and frame is not None:
        return unknown_attribute(error)
    return ""


def unknown_name(error: NameError, frame: FrameType) -> str:
    """A name that is not there, and the names that are."""
    name = error.name or str(error).split("'")[1]
    code = frame.f_code
    if isinstance(error, UnboundLocalError):
        return f"{name} is used before it has a value"
    own = code.co_varnames[: code.co_argcount]
    globals_ = [n for n in frame.f_globals if not n.startswith("__")]
    known = [*own, *(n for n in frame.f_locals if n not in own), *globals_]
    start = f"there is no {name} here"
    alike = [n for n in known if n.lower() == name.lower()]
    if alike:
        return f"{start}, but there is {alike[0]}: capital and small letters are different"
    if name == "math" or (hasattr(np, name) and "np" in globals_):
        return f"{start}: use NumPy's, {'np.tanh' if name == 'math' else f'np.{name}'}"
    if name == "np":
        return f"{start}: the first lines need import numpy as np"
    near = difflib.get_close_matches(name, known, 1, 0.75)
    if near:
        return f"{start}; is {near[0]} meant?"
    if not own:
        return start
    return f"{start}; {code.co_name} is given {' and '.join(own)}" + constants(frame)


def constants(frame: FrameType) -> str:
    """The constants of the file that a function may use, too."""
    names = [n for n in frame.f_globals if n.isupper() and not n.startswith("_")]
    return f", and there is {', '.join(names)}" if names else ""


def unknown_attribute(error: AttributeError) -> str:
    """A method or function that is not there, and the one that may be meant."""
    if isinstance(error.obj, np.ndarray):
        what = "an array"
    elif error.obj is np:
        what = "NumPy"
    else:
        return ""
    name = error.name or ""
    alike = [n for n in dir(error.obj) if n.lower() == name.lower()]
    near = alike or difflib.get_close_matches(name, dir(error.obj), 1, 0.7)
    return f"{what} has no {name}" + (f"; is {near[0]} meant?" if near else "")


def outside(error: BaseException, inputs: Inputs) -> str:
    """An error in the call of the student's function: its name or its arguments are not right."""
    text = str(error)
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        return f"the file has no function or value of the name {error.name}"
    found = CALLED.match(text.split(".")[-1])
    if isinstance(error, TypeError) and found:
        wanted = f"({', '.join(inputs)})" if inputs and found[1] == "backward" else ""
        return f"{found[1]}{wanted or ' and its arguments'} must stay as in the exercise: {text}"
    return ""


def stub(error: NotImplementedError, path: Path, source: str) -> tuple[str, bool]:
    """(what is said of a raise NotImplementedError, whether the student has written something)."""
    frames = [
        (frame.f_code, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == str(path)
    ]
    if not frames:
        return NOT_WRITTEN, False
    code, line = frames[-1]
    own = [node for node in function_at(code, source) if not is_text(node)]
    if len(own) > 1:
        return f"raise NotImplementedError still stands in line {line}: delete that line", True
    return NOT_WRITTEN, False


def function_at(code: CodeType, source: str) -> list[ast.stmt]:
    """The statements of a function in a file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.lineno == code.co_firstlineno:
            return node.body
    return []


def is_text(node: Any) -> bool:
    """Whether a statement is a docstring, ... or pass."""
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )
