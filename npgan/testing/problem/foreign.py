"""Arrays of other libraries among what func and grad return."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import StyleError
from .tree import an

__tracebackhide__ = True  # pytest shows a failure at the user's line, not at ours


def to_array(value: Any, who: str) -> np.ndarray:
    """A number or an array of another library as an array; StyleError where it cannot be one.

    who: what to say before the type, such as "func returned".
    """
    try:
        return np.asarray(value)
    except Exception as error:  # a tensor with a tape or on another device, rows of several lengths
        module, kind = type(value).__module__.partition(".")[0], type(value).__name__
        text = str(error).split("\n")[0].rstrip(".")
        advice = "return an array"
        if module == "torch":
            advice = "return its .detach().cpu().numpy()"
        elif kind.endswith("Tracer"):
            advice = "call no transformation of jax around check_gradients"
        elif isinstance(value, (list, tuple)):
            advice = "return an array, whose rows are of one length"
        raise StyleError(
            f"{who} {an(kind)} that is no array ({type(error).__name__}: {text}); {advice}"
        ) from None
