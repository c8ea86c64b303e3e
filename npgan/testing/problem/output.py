"""What a function returns, as one vector of real numbers, and a dout like it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .errors import StyleError
from .foreign import to_array
from .leaves import complex_of, like
from .tree import describe, named_leaves, replace_leaves
from .types import Tree

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


class Output:
    """The nesting, shapes and dtypes of an output.

    A complex array counts as an array of one more axis, with its real and its imaginary part. The
    masked entries of a masked array are no outputs: they count as 0, and so does their dout.
    """

    def __init__(self, out: Tree, is_loss: bool):
        self.tree = out
        self.leaves = [leaf for _, leaf in named_leaves(out, "out")]
        self.shapes: list[tuple[int, ...]] = []
        self.dtypes: list[np.dtype[Any]] = []
        self.is_complex: list[bool] = []
        for leaf in self.leaves:
            array = to_array(leaf, "func returned")
            if array.dtype.kind not in "fiubc":
                raise StyleError(not_numbers(leaf, array))
            is_complex = array.dtype.kind == "c"
            self.is_complex.append(is_complex)
            self.shapes.append((*array.shape, 2) if is_complex else array.shape)
            self.dtypes.append(float_dtype(array.dtype))
        self.size = sum(int(np.prod(shape)) for shape in self.shapes)
        self.is_one_real_array = len(self.leaves) == 1 and not any(self.is_complex)
        if is_loss and any(self.is_complex):
            raise StyleError(
                "func(*args) must return a real number where grad(*args) takes no dout; it "
                "returned a complex one. Return its real part, or write backward(dout, *args)"
            )
        if is_loss and self.size != 1:
            raise StyleError(
                "func(*args) must return a scalar where grad(*args) takes no dout; it returned "
                f"{returned_shapes(self)}. Reduce it to one number; or write backward(dout, "
                "*args), which calls forward first where the cache is on self. If grad is the "
                "derivative of each entry, write lambda dout, x: dout * grad(x); if it is the "
                "Jacobian of a vector, lambda dout, x: dout @ grad(x)"
            )

    def as_vector(self, out: Tree) -> np.ndarray:
        """An output, or something nested like it, as one vector; complex in a complex step."""
        if type(out) is np.ndarray and out.dtype == np.float64 and self.is_one_real_array:
            numbers: np.ndarray = out.flatten()  # the usual case, thousands of times in one check
            if numbers.size == self.size:
                return numbers
        leaves = [leaf for _, leaf in named_leaves(out, "out")]
        if len(leaves) != len(self.leaves):
            raise StyleError(f"func returned {len(self.leaves)} outputs, and then {len(leaves)}")
        parts = [
            real_parts(leaf) if c else plain(leaf)
            for leaf, c in zip(leaves, self.is_complex, strict=True)
        ]
        if sum(part.size for part in parts) != self.size:
            raise StyleError(
                f"func returned {self.size} numbers, and then {sum(p.size for p in parts)}"
            )
        wide = np.complex128 if any(part.dtype.kind == "c" for part in parts) else np.float64
        if len(parts) == 1:
            return parts[0].reshape(-1).astype(wide, copy=True)
        return np.concatenate([part.reshape(-1) for part in parts]).astype(wide, copy=False)

    def nest(self, vector: np.ndarray) -> Any:
        """A vector as a dout: nested, shaped and typed like the output."""
        parts: list[Any] = []
        start = 0
        for leaf, shape, dtype, is_complex in zip(
            self.leaves, self.shapes, self.dtypes, self.is_complex, strict=True
        ):
            size = int(np.prod(shape))
            part = vector[start : start + size].reshape(shape).astype(dtype)
            start += size
            if is_complex:
                part = complex_of(part[..., 0], part[..., 1])
            if isinstance(leaf, (np.ma.MaskedArray, np.matrix)):
                part = like(leaf, part)
            parts.append(part if part.shape else part[()])
        return replace_leaves(self.tree, iter(parts))

    def read_dout(self, given: Any) -> np.ndarray:
        """The user's dout as a vector; raise ValueError where it is not like the output."""
        if isinstance(given, (int, float, np.number)):
            given = replace_leaves(
                self.tree, iter([np.full(np.shape(leaf), given) for leaf in self.leaves])
            )
        elif not isinstance(self.tree, (tuple, list, dict)):
            given = np.asarray(given)
        wanted, found = (
            ", ".join(
                f"{name} of shape {np.shape(leaf)}" for name, leaf in named_leaves(tree, "dout")
            )
            for tree in (self.tree, given)
        )
        if wanted != found:
            raise ValueError(f"expected {wanted}, like the output of func; got {found}")
        return self.as_vector(given)


def plain(leaf: Any) -> np.ndarray:
    """An output as an array of the base class; masked entries are 0."""
    return np.asarray(leaf.filled(0) if isinstance(leaf, np.ma.MaskedArray) else leaf)


def real_parts(leaf: Any) -> np.ndarray:
    """The real and the imaginary part along a last axis."""
    z = plain(leaf)
    return np.stack([z.real, z.imag], axis=-1)


def float_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the numbers in an array: float32 for complex64, float64 for integers."""
    if dtype.kind == "c":
        return np.empty(0, dtype).real.dtype
    return dtype if dtype.kind == "f" else np.dtype(float)


def returned_shapes(output: Output) -> str:
    """What func returned, for an error message."""
    if len(output.leaves) == 1:
        return f"shape {output.shapes[0]}"
    return f"{len(output.leaves)} outputs"


def not_numbers(leaf: object, array: np.ndarray) -> str:
    """Why an output that holds no numbers is refused."""
    if leaf is None or leaf is NotImplemented or leaf is ...:
        return f"func returned {leaf}: is it written yet, or is its return missing?"
    if isinstance(leaf, Iterator):
        kind = type(leaf).__name__
        return f"func must return real numbers, got a {kind}; return a list or tuple of its items"
    if hasattr(leaf, "__dataclass_fields__"):
        kind = type(leaf).__name__
        return f"func must return real numbers, got a {kind}; return a tuple or dict of its fields"
    return f"func must return real numbers, got {array.dtype} ({describe(array[()])})"
