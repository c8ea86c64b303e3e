"""Where a function is written: its file, line and text, also of one lambda among several."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple


class Source(NamedTuple):
    """A place in a file; without a file (typed at a prompt), `text` is what Python calls it."""

    file: str
    line: int
    text: str


def source_of(function: Callable[..., Any]) -> Source:
    """Return the file, the first line and the text of a function or a lambda."""
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)  # of a bound method
    # A rule may be any callable: then the method that is called is shown.
    method = getattr(type(function), "__call__", None)  # noqa: B004
    code = getattr(function, "__code__", None) or getattr(method, "__code__", None)
    if not isinstance(code, CodeType):
        return Source("", 0, repr(function))
    lines = linecache.getlines(code.co_filename)
    found = segment("".join(lines), code) if lines else None
    return Source(code.co_filename, code.co_firstlineno, found or repr(function))


@functools.lru_cache(maxsize=32)
def parsed(text: str) -> ast.Module | None:
    """The syntax tree of a file's text, or None if it is not Python (any more)."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def segment(text: str, code: CodeType) -> str | None:
    """The text of the function whose code this is; None if the file does not have it any more."""
    tree = parsed(text)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno:
            if same_code(node, code):
                return ast.get_source_segment(text, node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno and node.name == code.co_name:
                return ast.get_source_segment(text, node)
    return None


def same_code(node: ast.Lambda, code: CodeType) -> bool:
    """Whether this lambda of a line is the one with this code: several may stand on one line."""
    if code.co_name != "<lambda>":
        return False
    compiled = compile(ast.Expression(node), code.co_filename, "eval")
    inner = next(c for c in compiled.co_consts if isinstance(c, CodeType))
    return (
        inner.co_varnames == code.co_varnames
        and names_in(inner) == names_in(code)
        and constants_in(inner) == constants_in(code)
        and all(lies_in(node, *place) for place in getattr(code, "co_positions", list)())
    )


def names_in(code: CodeType) -> set[str]:
    """The names that are not its arguments; a compiler splits them by where they come from."""
    return {*code.co_names, *code.co_freevars}


def constants_in(code: CodeType) -> list[str]:
    """The constants as texts, but no code: 0.0 and -0.0 differ, and so do 1 and 1.0."""
    return [repr(c) for c in code.co_consts if not isinstance(c, CodeType)]


def lies_in(
    node: ast.Lambda, line: int | None, end: int | None, column: int | None, end_column: int | None
) -> bool:
    """Whether an instruction's place is in this lambda; Python 3.11 and later know it."""
    if line is None or column is None or (line, column) == (node.lineno, 0):
        return True
    last = (node.end_lineno or line, node.end_col_offset or column)
    return (node.lineno, node.col_offset) <= (line, column) <= last
