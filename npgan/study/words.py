"""What the page says about a node: its formula, and one sentence about what happens there."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import re
from typing import Any

import numpy as np

from ..autograd import Primitive

# Primitive -> (formula, what it does). Of others the docstring is shown.
FORMULAS = {
    "add": ("y = a + b", "adds two arrays"),
    "subtract": ("y = a - b", "subtracts one array from another"),
    "multiply": ("y = a b", "multiplies two arrays, element by element"),
    "divide": ("y = a / b", "divides, element by element"),
    "negative": ("y = -x", "changes the sign"),
    "power": ("y = x^p", "raises every element to a fixed power"),
    "exp": ("y = e^x", "takes e to the power of every element"),
    "log": ("y = log x", "takes the natural logarithm of every element"),
    "reshape": ("y = x, in another shape", "arranges the same numbers in another shape"),
    "transpose": ("y = xᵀ", "exchanges rows and columns"),
    "broadcast_to": ("y_ij = x_j", "repeats numbers to fill a larger shape"),
    "sum_to": ("y_j = Σ_i x_ij", "sums over what was repeated"),
    "sum": ("y = Σ x", "adds up the elements"),
    "get": ("y = x[index]", "takes a part of an array"),
    "put": ("y[index] = x, 0 elsewhere", "puts an array into zeros"),
    "concatenate": ("y = (a, b, …) end to end", "joins arrays end to end"),
    "gemm": ("y = a b, each as it is or transposed", "multiplies two matrices"),
    "affine": ("y = x W + b", "multiplies by the weights W and adds the bias b"),
    "column_sum": ("y_j = Σ_i x_ij", "adds up the rows"),
    "leaky_relu": (
        "y = x where x > 0, else slope · x",
        "keeps positive numbers and makes the others smaller",
    ),
    "leaky_gate": (
        "z = g where y > 0, else slope · g",
        "multiplies g by LeakyReLU's derivative, which is 1 or the slope",
    ),
    "tanh": ("y = tanh x", "squeezes every number into (-1, 1)"),
    "tanh_gate": ("z = g (1 - y²)", "multiplies g by tanh's derivative"),
    "sigmoid": ("y = σ(x) = 1 / (1 + e^-x)", "turns a logit into a probability"),
    "sigmoid_gate": ("z = g y (1 - y)", "multiplies g by the derivative of σ"),
    "dropout": ("y = x / (1 - rate), or 0", "drops some numbers and enlarges the others"),
    "softplus": ("y = log(1 + e^x)", "is a smooth ramp"),
    "log_softmax": ("y = z - log Σ e^z", "turns logits into logarithms of probabilities"),
    "bce": (
        "L = mean of -t log p - (1 - t) log(1 - p)",
        "is the binary cross-entropy of probabilities",
    ),
    "bce_with_logits": (
        "L = mean of -t log σ(z) - (1 - t) log(1 - σ(z))",
        "is the binary cross-entropy of logits z with the target t",
    ),
}
# Where docs/derivations.md derives it, if the heading is not the primitive's name.
HEADINGS = {
    name: heading
    for heading in (
        "add-subtract-negative",
        "exp-and-log",
        "reshape-and-transpose",
        "broadcast_to-and-sum_to",
        "sum-and-mean",
        "get-and-put",
        "leaky_relu-and-leaky_gate",
        "tanh-and-tanh_gate",
        "sigmoid-and-sigmoid_gate",
    )
    for name in heading.replace("-and-", "-").split("-")
} | {"column_sum": "affine"}


def formula(op: Primitive) -> str:
    """The formula of a primitive, or the first line of its docstring."""
    known = FORMULAS.get(op.__name__) if is_own(op) else None
    return known[0] if known else about(op)


def about(op: Primitive) -> str:
    """The first sentence of a primitive's docstring."""
    text = inspect.getdoc(op) or op.__name__
    return re.split(r"(?<=[.\w)])\s{2,}|\.\s", text.splitlines()[0])[0]


def url(op: Primitive) -> str:
    """Where the rules of one of npgan's own primitives are derived; "" for others."""
    name = op.__name__
    home = home_page()
    page = f"{home}/blob/HEAD/docs/derivations.md"
    return f"{page}#{HEADINGS.get(name, name)}" if home and is_own(op) else ""


@functools.cache
def home_page() -> str:
    """The project's address, as the installed package says; "" where it is not installed."""
    try:
        found = importlib.metadata.metadata("npgan").get_all("Home-page")
    except importlib.metadata.PackageNotFoundError:
        return ""
    return str(found[0]) if found else ""


def is_own(op: Primitive) -> bool:
    """Whether npgan.ops has this primitive."""
    return op.function.__module__ == "npgan.ops"


def options_text(options: dict[str, Any]) -> str:
    """The options as they are written in a call: "axis=1", "index=[:4]"."""
    return ", ".join(
        f"{name}={index_text(value) if name == 'index' else shown(value)}"
        for name, value in options.items()
    )


def index_text(index: Any) -> str:
    """An index as it is written behind an array."""
    parts = index if isinstance(index, tuple) else (index,)
    return f"[{', '.join(map(part_text, parts))}]"


def part_text(part: Any) -> str:
    """One part of an index: a number, a slice, None or three dots."""
    if part is Ellipsis:
        return "..."
    if not isinstance(part, slice):
        return str(part)
    ends = ["" if n is None else str(n) for n in (part.start, part.stop, part.step)]
    return ":".join(ends[: 3 if ends[2] else 2])


def shown(value: Any) -> str:
    """A value in few characters."""
    if isinstance(value, (bool, str, type(None))):
        return str(value)
    if isinstance(value, tuple):
        return "(" + ", ".join(map(shown, value)) + ("," if len(value) == 1 else "") + ")"
    return f"{float(value):.6g}" if np.ndim(value) == 0 else f"array of {shape_text(value.shape)}"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape in words: "4 × 2", "4 numbers", "one number"."""
    if len(shape) > 1:
        return " × ".join(map(str, shape))
    return f"{shape[0]} numbers" if shape and shape[0] != 1 else "one number"


def node_sentence(
    op: Primitive, name: str, shapes: list[tuple[int, ...]], to: tuple[int, ...]
) -> str:
    """What happens at a node, with the shapes that go in and the one that comes out."""
    known = FORMULAS.get(op.__name__) if is_own(op) else None
    does = known[1] if known else f"computes {about(op)}"
    *first, last = map(shape_text, shapes)
    sources = f"{', '.join(first)} and {last}" if first else last
    result = f" This is {name}." if name else ""
    return f"{op.__name__} {does}: {sources} in, {shape_text(to)} out.{result}"


def leaf_sentence(name: str, shape: tuple[int, ...], kind: str) -> str:
    """What a leaf is."""
    size = shape_text(shape)
    rows = shape[0] if shape else 1
    if name == "z":
        return f"z, {size}: random numbers, one row for each point that G makes."
    if name == "real":
        return f"real, {size}: points from the data, one in each row."
    if name == "fake":
        return (
            f"fake, {size}: points that G made. They enter as plain numbers, so no gradient "
            "goes on to G: in other libraries this is what detach does."
        )
    if name[:2] in ("G.", "D.") and name[-1] in "Wb":
        what = f"weights, {rows} inputs" if name[-1] == "W" else "biases"
        return f"{name}, {size}: {what}."
    if kind == "penalty" and not name:
        return "dD/dD = 1: the first walk backwards begins here."
    return f"{name or 'a leaf'}, {size}: given."


def cell_name(name: str, shape: tuple[int, ...], cell: int) -> str:
    """One number of an array: "G.0[0, 3]"; of a scalar only the name."""
    index = ", ".join(str(int(i)) for i in np.unravel_index(cell, shape)) if shape else ""
    return f"{name}[{index}]" if shape else name


def short_number(x: float) -> str:
    """A number with four digits."""
    return f"{x:.4g}".replace("-", "\N{MINUS SIGN}")
