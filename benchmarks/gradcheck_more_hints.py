"""Second set: whether a hint names the cause of a bug, names another one, or names none."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
from gradcheck_more_kinds import Edit, Kind, dout_for, gradients, planted

# What a hint says -> the causes that it names. The words are those of npgan.testing's hints. A phrase
# names as few causes as it can: one that named many would be right whatever the bug is.
PHRASES = {
    r"sign is wrong|wrong sign|signs are lost": "sign",
    r"times too (small|large)|times what it should be": "factor sum",
    r"twice what|half of what|are halved|constant factor|one factor|wrong by a factor": "factor",
    r"added twice|np\.add\.at|adds once for each|assigned, not added": "repeat",
    r"backward returns zeros": "zero",
    r"transposed|dout\.T|instead of its transpose|transpose instead": "transpose order",
    r"flipped|wrong order|must be reversed": "order",
    r"shifted by|off by (one|two)(?!: that)": "order stride",
    r"swapped": "swapped order",
    r"the others are right": "place",
    r"only where|only at the (entries|indices)|clipped": "part",
    r"mask or gate": "local part",
    r"local derivative (is|of)|passed through unchanged|relative error is proportional": "local",
    r"too many(: numeric| at the output|$)|has a factor .* too many|lacks the factor": "local",
    r"norm, a standard deviation or a factor": "local path",
    r"dout is ignored|of dout (is|are) (used|not used)|of dout is used wrongly": "dout",
    r"path through|mean and variance|not that through|error goes through one number": "path",
    r"lacks the factor dout": "dout",
    r"\bterms?\b|is added|weight decay|through a norm or sum": "term",
    r"(path|what goes through .*) (is|are) dropped|dropped path|effects .* dropped": "term",
    r"recursion|this step is skipped": "recursion",
    r"symmetr|off-diagonal entries|through the transpose": "symmetry",
    r"only this triangle": "symmetry part",
    r"is averaged over axis|the same for every index along axis": "axis sum",
    r"or its weights .* are forgotten": "local",
    r"not conjugated": "order local",
    r"what multiplies .* is (`|that of the step|operand |np\.)": "local stale swapped",
    r"is used where (?!its|1 minus it|the mask of).* belongs": "stale swapped",
    r"is used where (its|1 minus it|the mask of)": "local",
    r"where the local derivative .* belongs": "local",
    r"(factor|division by) `.* is one too many|(factor|division by) (operand|np).* is one too many": "local",
    r"the constant .* is one too many": "factor sum",
    r"off by one: that": "factor order",
    r"loses the sign": "sign",
    r"makes a wrong local derivative": "local",
    r"summed over the wrong axis": "axis",
    r"must not be summed": "axis",
    r"right without np\.(tril|triu|clip)": "part",
    r"right without np\.(flip|roll|sort|cumsum|transpose)": "order",
    r"picks the wrong entry": "order",
    r"the stride of": "stride",
    r"not only the one that it picks": "local part sum axis",
    r"keeps state|stale|of an earlier call|random": "stale",
    r"epsilon": "eps",
}
# Words that name nothing, or so many causes that one of them is right by chance.
SAYS_NOTHING = (
    "no simple pattern",
    "nearly right",
    "at this one number",  # the ratio of two numbers: a fact, and no cause
    "could be a recursion that is cut off, a wrong stride, or a path that is dropped",
)
# A cause that is a case of another one: naming the wider one is right.
WIDER = {"path": ("term",), "recursion": ("term", "path"), "repeat": ("term",)}


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
        held = now if held is None else held & now
    assert held is not None
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
    said = [(fault, {"dout", "stale", "axis"}) for fault in report.faults]
    for k, row in enumerate(report.arguments):
        if row.hints:
            said.append((with_dout(row.hints[0], kind), facts(kind, bug, k)))
    verdict, first = judged(bug.causes, said)
    return verdict, first or (said[0][0] if said else "")


def judged(causes: tuple[str, ...], said: list[tuple[str, set[str]]]) -> tuple[str, str]:
    """The verdict on hints, each with what else is true there; and the hint that is false.

    Where a gradient is wrong is measured, so a place is no false name; it is the cause of a bug that
    is one of its place.
    """
    right = set(causes)
    for cause in causes:
        right |= set(WIDER.get(cause, ()))
    named = False
    for hint, true in said:
        found = claims(hint)
        named |= "place" in found and "part" in causes
        found -= {"place"}
        if found & (right | true):
            named = True
        elif found and "could be" not in hint:
            return "false", hint
    return ("named" if named else "not named"), ""


def with_dout(hint: str, kind: Kind) -> str:
    """A hint in which dout is called so, whatever the gradient calls it."""
    if kind.style == "loss":
        return hint
    name = next(iter(inspect.signature(kind.grad).parameters))
    return re.sub(rf"\b{name}\b", "dout", hint)
