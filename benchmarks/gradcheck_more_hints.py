"""Second set: whether a hint names the cause of a bug, names another one, or names none."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from gradcheck_more_kinds import Edit, Kind, dout_for, gradients, planted

# What a hint says -> the causes that it names. The words are those of npgan.testing's hints.
PHRASES = {
    r"sign is wrong|wrong sign|signs are lost": "sign",
    r"times too (small|large)|twice what|half of what|added twice|halved": "factor sum repeat",
    r"times what it should be": "factor sum",
    r"constant factor|one factor|wrong by a factor": "factor",
    r"backward returns zeros|is zero there": "zero",
    r"transposed|dout\.T|instead of its transpose|transpose instead": "transpose order",
    r"flipped|shifted by|wrong order|off by one|must be reversed": "order stride",
    r"swapped": "swapped order",
    r"the others are right|only at the edges": "place",
    r"only where|right elsewhere|clipped": "part",
    r"mask or gate": "local part",
    r"np\.add\.at|adds once for each|overwrit|assigned instead": "repeat",
    r"stride|padding|dilation": "stride",
    r"local derivative (is|of)|too many|passed through unchanged|relative error is proportional": "local",
    r"norm, a standard deviation or a factor": "local path",
    r"dout is ignored|of dout is used|of dout is not used|of dout only|dout is used": "dout",
    r"path through|mean and variance|not that through": "path",
    r"term|is added|is missing|path is dropped|dropped path|are dropped|is dropped": "term",
    r"recursion": "recursion",
    r"symmetr|off-diagonal entries|through the transpose": "symmetry",
    r"only this triangle": "symmetry part",
    r"this step is skipped": "recursion",
    r"error goes through (one|two) number": "path",
    r"(averaged|summed) over axis|the same for every index along axis": "axis sum",
    r"is (flipped|shifted by one) along axis .* in backward": "order",
    r"not conjugated": "order local",
    r"what multiplies .* is (`|that of the step)": "local stale swapped",
    r"the indices of .* are swapped": "order swapped",
    r"not only the one that it picks": "local part sum axis",
    r"keeps state|stale|of an earlier call|random": "stale",
    r"epsilon": "eps",
}
SAYS_NOTHING = ("no simple pattern", "a factor that varies", "nearly right")
# A cause that is a case of another one: naming the wider one is right.
WIDER = {"path": ("term",), "recursion": ("term", "path"), "repeat": ("term",), "local": ("term",)}


def claims(hint: str) -> set[str]:
    """The causes that a hint names."""
    if any(words in hint for words in SAYS_NOTHING):
        return set()
    found = {
        c for words, causes in PHRASES.items() if re.search(words, hint) for c in causes.split()
    }
    return found or {"unknown"}  # a sentence that PHRASES does not know


def facts(kind: Kind, bug: Edit, k: int) -> set[str]:
    """What is true of the wrong gradient of argument k at three draws of the arguments."""
    wrong_grad = planted(kind.grad, bug)
    held: set[str] | None = None
    places = []
    for seed in range(3):
        args = kind.args(seed)
        dout = dout_for(kind, args, seed)
        right = [np.asarray(g, float) for g in gradients(kind, kind.grad, dout, args)]
        wrong = np.asarray(gradients(kind, wrong_grad, dout, args)[k], float)
        if np.shape(dout) == wrong.shape and np.array_equal(dout, wrong):
            return {"local", "dout"}
        if wrong.shape != right[k].shape or not np.any(right[k]):
            return set()
        now = true_of(wrong, right, k)
        gap = np.abs(wrong - right[k]) > 1e-9 * np.max(np.abs(right[k]))
        places.append(gap)
        held = now if held is None else held & now
    inside = np.any(places, axis=0)
    assert held is not None
    if inside.ndim and not inside.all() and all(np.any(p) for p in places):
        held |= {"part", "place"}
    return held


def true_of(wrong: np.ndarray, right: list[np.ndarray], k: int) -> set[str]:
    """The simple relations that hold between a wrong gradient and the right ones."""
    r = right[k]
    tolerance = 1e-7 * np.max(np.abs(r))

    def equal(a: np.ndarray) -> bool:
        return a.shape == wrong.shape and bool(np.all(np.abs(a - wrong) <= tolerance))

    found = set()
    if not np.any(wrong):
        return {"zero"}
    if equal(float(np.vdot(wrong, r) / np.vdot(r, r)) * r):
        found |= {"sign"} if np.vdot(wrong, r) < 0 else {"factor"}
        found |= {"factor"} if not equal(-r) else set()
    if r.ndim > 1 and any(equal(np.swapaxes(r, i, i + 1)) for i in range(r.ndim - 1)):
        found.add("transpose")
    if r.ndim and any(equal(np.flip(r, i)) or equal(np.roll(r, 1, i)) for i in range(r.ndim)):
        found.add("order")
    if any(equal(other) or equal(-other) for i, other in enumerate(right) if i != k):
        found.add("swapped")
    return found


def score(kind: Kind, bug: Edit, report: Any) -> tuple[str, str]:
    """("named", "not named" or "false", the first hint of each row that failed)"""
    right = set(bug.causes)
    for cause in bug.causes:
        right |= set(WIDER.get(cause, ()))
    hints = [(None, fault) for fault in report.faults]
    hints += [(k, row.hints[0]) for k, row in enumerate(report.arguments) if row.hints]
    named = False
    for k, first in hints:
        said = claims(first)
        true = right | (facts(kind, bug, k) if k is not None else {"dout", "stale", "axis"})
        # Where a gradient is wrong is measured. It is the cause only if it is there at any arguments.
        named |= "place" in said and bool({"part", "place"} & true)
        said -= {"place"}
        if not said:
            continue
        if said & true:
            named = True
        elif "could be" not in first:
            return "false", first
    return ("named" if named else "not named"), hints[0][1] if hints else ""
