"""E7: every rule in npgan/ops.py mutated, one change at a time, and whether npgan.testing notices.

A mutant changes one expression of one rule: a sign, a factor, an operand dropped, two arguments swapped, a
transposition turned, an axis or an option lost. Mutants that compute the same are named with the reason.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np

from npgan import ops
from npgan.autograd import PRIMITIVES, Primitive
from npgan.testing import PASS, check_primitive
from npgan.testing.own.primitive_cases import primitive_cases

SHAPES = "it reads only the shapes of its arguments, so there is nothing to keep on the tape"
EQUIVALENT = {  # (primitive, argument) of the mutant "off the tape" -> why it computes the same
    **{
        (name, 0): SHAPES
        for name in (
            "add",
            "subtract",
            "negative",
            "reshape",
            "transpose",
            "broadcast_to",
            "sum_to",
        )
    },
    **{(name, 0): SHAPES for name in ("sum", "column_sum", "dropout", "get", "put", "concatenate")},
    ("add", 1): SHAPES,
    ("subtract", 1): SHAPES,
    ("affine", 2): SHAPES,
    ("leaky_relu", 0): "it reads the sign of y alone, whose derivative is zero wherever it exists",
    ("leaky_gate", 0): "it reads the sign of y alone, whose derivative is zero wherever it exists",
}


def rule_functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """(label, the lambda or def) of every rule: of `x.rules = (...)`, and of the functions named there."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if not (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Attribute)
            and node.targets[0].attr == "rules"
        ):
            continue
        name = ast.unparse(node.targets[0].value)
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for i, value in enumerate(values):
            if isinstance(value, ast.Lambda):
                yield f"{name}[{i}]", value
            elif isinstance(value, ast.Name) and value.id in functions:
                yield f"{name}[{i}] {value.id}", functions[value.id]


def changes(root: ast.AST) -> Iterator[tuple[str, Any]]:
    """(what, (index of a node in ast.walk, function of the node)) for every change below root."""
    for n, node in enumerate(ast.walk(root)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            arrays = [a for a in node.args if not isinstance(a, ast.Starred)]
            if len(arrays) == 2:
                yield f"swap the arguments of {ast.unparse(node)}", (n, swap_arguments)
            for k in node.keywords:
                if k.arg in ("ta", "tb"):
                    yield f"drop {k.arg} in {ast.unparse(node)}", (n, drop_keyword(k.arg))
                if k.arg in ("axis", "keepdims", "slope", "axes") and node.func.id != "tuple":
                    yield f"drop {k.arg} in {ast.unparse(node)}", (n, drop_keyword(k.arg))
            if node.func.id == "gemm" and not node.keywords:
                for flag in ("ta", "tb"):
                    yield f"add {flag} in {ast.unparse(node)}", (n, add_flag(flag))
            if node.func.id in ("negative", "sum_to", "exp", "sigmoid", "log", "sum", "power"):
                yield f"leave out {node.func.id} in {ast.unparse(node)}", (n, unwrap)
        if isinstance(node, ast.BinOp):
            yield f"left operand alone of {ast.unparse(node)}", (n, side("left"))
            yield f"right operand alone of {ast.unparse(node)}", (n, side("right"))
            if isinstance(node.op, (ast.Add, ast.Sub)):
                yield f"+ for -, or - for +, in {ast.unparse(node)}", (n, turn)
            if isinstance(node.op, (ast.Mult, ast.Div)):
                yield f"/ for x, or x for /, in {ast.unparse(node)}", (n, turn)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield f"without the sign of {ast.unparse(node)}", (n, lambda node: node.operand)
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield (
                f"half of {node.value}",
                (n, lambda node: ast.Constant(node.value * 0.5 + 0.25 * (node.value == 0))),
            )


def swap_arguments(node: ast.Call) -> ast.AST:
    node.args = node.args[::-1]
    return node


def drop_keyword(name: str) -> Any:
    def apply(node: ast.Call) -> ast.AST:
        node.keywords = [k for k in node.keywords if k.arg != name]
        return node

    return apply


def add_flag(flag: str) -> Any:
    def apply(node: ast.Call) -> ast.AST:
        node.keywords.append(ast.keyword(flag, ast.Constant(True)))
        return node

    return apply


def unwrap(node: ast.Call) -> ast.AST:
    return node.args[0]


def side(which: str) -> Any:
    return lambda node: getattr(node, which)


def turn(node: ast.BinOp) -> ast.AST:
    other = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
    node.op = other[type(node.op)]()
    return node


class At(ast.NodeTransformer):
    def __init__(self, target: ast.AST, apply: Any):
        self.target, self.apply = target, apply

    def visit(self, node: ast.AST) -> Any:
        if node is self.target:
            return self.apply(node)
        return self.generic_visit(node)


def compiled(root: ast.AST) -> Any:
    """The mutated rule as a function in the namespace of ops.py."""
    if isinstance(root, ast.FunctionDef):
        space = dict(vars(ops))
        exec(compile(ast.fix_missing_locations(ast.Module([root], [])), "<mutant>", "exec"), space)
        return space[root.name]
    return eval(
        compile(ast.fix_missing_locations(ast.Expression(root)), "<mutant>", "eval"),
        dict(vars(ops)),
    )


def mutants() -> Iterator[tuple[Primitive, int, str, Any]]:
    """(primitive, argument, what was changed, the wrong rule)"""
    tree = ast.parse(textwrap.dedent(inspect.getsource(ops)))
    for label, root in rule_functions(tree):
        name, _, rest = label.partition("[")
        i = int(rest.partition("]")[0])
        for what, (n, apply) in changes(root):
            twin = copy.deepcopy(root)
            target = list(ast.walk(twin))[n]
            twin = At(target, apply).visit(twin)
            if ast.unparse(twin) != ast.unparse(root):
                yield PRIMITIVES[name], i, what, compiled(twin)
        right = PRIMITIVES[name].rules
        rule = right(i) if callable(right) else right[i]
        if rule is None or rule is ops.zero_derivative:
            continue
        yield (
            PRIMITIVES[name],
            i,
            "the sign of the whole",
            lambda *a, r=rule, **k: -1.0 * r(*a, **k),
        )
        yield PRIMITIVES[name], i, "twice the whole", lambda *a, r=rule, **k: 2.0 * r(*a, **k)
        yield PRIMITIVES[name], i, "half the whole", lambda *a, r=rule, **k: 0.5 * r(*a, **k)
        yield PRIMITIVES[name], i, "zero for the whole", lambda *a, r=rule, **k: 0.0 * r(*a, **k)
        yield PRIMITIVES[name], i, "no derivative for the whole", ops.zero_derivative
        yield PRIMITIVES[name], i, "off the tape", lambda *a, r=rule, **k: off_tape(r, a, k)


def off_tape(rule: Any, args: Any, keywords: Any) -> Any:
    """The rule with bare arrays in place of Tensors: right at order 1, wrong at order 2."""
    from npgan.autograd import Tensor

    bare = [args[0], *(a.data if isinstance(a, Tensor) else a for a in args[1:])]
    return rule(*bare, **keywords)


def killed(op: Primitive, i: int, rule: Any) -> str:
    """ "order 1", "order 2", or "" where the mutant survives."""
    right = op.rules
    wrong = (
        (lambda j: rule if j == i else right(j))
        if callable(right)
        else tuple(rule if j == i else r for j, r in enumerate(right))
    )
    op.rules = wrong
    try:
        for order in (1, 2):
            for case in primitive_cases():
                if case.primitive is not op:
                    continue
                try:
                    report = check_primitive(op, *case.args, order=order, keywords=case.keywords)
                except (ValueError, TypeError, IndexError, NotImplementedError, AttributeError):
                    return f"order {order}"  # it raises
                if report.verdict != PASS:
                    return f"order {order}"
    finally:
        op.rules = right
    return ""


def run() -> dict[str, Any]:
    count = {"order 1": 0, "order 2": 0}
    survivors, equivalent = [], []
    with np.errstate(all="ignore"):
        for op, i, what, rule in mutants():
            verdict = killed(op, i, rule)
            if verdict:
                count[verdict] += 1
            elif what == "off the tape" and (op.__name__, i) in EQUIVALENT:
                equivalent.append(f"{op.__name__}, argument {i}")
            else:
                survivors.append(f"{op.__name__}, argument {i}: {what}")
    return {"killed": count, "survivors": survivors, "equivalent": equivalent}
