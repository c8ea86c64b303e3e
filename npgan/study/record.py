"""`record`: one training step of a GAN, or one loss, with every number in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import overload

from numpy.typing import ArrayLike

from ..autograd import Tensor
from ..files.atomic import check_regular, exists, write_text
from ..layers import Network
from ..losses import Loss, nonsaturating
from ..optim import Adam
from .assemble import record_data
from .inputs import of_gan, of_loss
from .write_tape import Data

MARK = '<meta name="generator" content="npgan study">'  # in the head of each page


class Record:
    """What `record` returns: every number of one step, ready for a page.

    Attributes
    ----------
    data : dict
        The record, ready for JSON.
    """

    def __init__(self, data: Data):
        self.data = data

    @property
    def passed(self) -> bool:
        """Whether all checks that the recorder made hold; see `failed`."""
        return not self.failed()

    def failed(self) -> list[str]:
        """Return one line for each check that does not hold."""
        found = []
        for tape in self.data["tapes"]:
            for check in tape["checks"]:
                if not check["ok"]:
                    at = check["at"]
                    node = tape["nodes"][at["node"]] if at else None
                    name = (node["name"] or node["op"] or "a leaf") if node else ""
                    where = f", at {name} cell {at['cell']}" if node else ""
                    worst = "NaN" if check["worst"] is None else f"{check['worst']:.3g}"
                    found.append(
                        f"{tape['title']}: not so: {check['text']}{where} "
                        f"({worst}, the limit is {check['limit']:g})"
                    )
        return found

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the page: one file, which needs no network.

        Parameters
        ----------
        path : path
            The file; an existing one is replaced if it is such a page.

        Raises
        ------
        FileExistsError
            If there is something else of this name.
        """
        from .write import page_text

        check_replaceable(path)
        write_text(Path(path), page_text(self.data))

    def __repr__(self) -> str:
        titles = ", ".join(tape["title"] for tape in self.data["tapes"])
        return f"Record({titles})"


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Raise FileExistsError if what has this name is no page of this kind."""
    check_regular(Path(path))
    if exists(path):
        with open(path, "rb") as file:
            start = file.read(2_000)
        if MARK.encode() not in start:
            raise FileExistsError(
                f"{os.fspath(path)} exists and is no page of npgan study; nothing was written"
            )


@overload
def record(
    G: Network, D: Network, real: ArrayLike, z: ArrayLike, *, adam_G: Adam | None = ...,
    adam_D: Adam | None = ..., loss: Loss = ..., gamma: float = ..., title: str | None = ...,
) -> Record: ...  # fmt: skip
@overload
def record(
    G: Tensor, *, names: Mapping[str, Tensor] | None = ..., title: str | None = ...
) -> Record: ...
def record(
    G: Network | Tensor,
    D: Network | None = None,
    real: ArrayLike | None = None,
    z: ArrayLike | None = None,
    *,
    adam_G: Adam | None = None,
    adam_D: Adam | None = None,
    loss: Loss = nonsaturating,
    gamma: float = 0.0,
    names: Mapping[str, Tensor] | None = None,
    title: str | None = None,
) -> Record:
    """Record one step of D and one of G, or the tape of one loss, with every number in it.

    Nothing is trained: the networks and the optimisers stay as they are. The numbers are computed
    in float64. G's step is recorded with D as it is after D's step, as in training.

    Parameters
    ----------
    G : Network or Tensor
        The generator. Or a scalar Tensor, written with npgan.ops: then its tape is recorded.
    D : Network
        The discriminator.
    real : array (B, n)
        A batch of data.
    z : array (B, latent)
        What G makes points or images of.
    adam_G, adam_D : Adam, optional
        The optimisers, with their averages; by default new ones, `Adam(net)`.
    loss : Loss
        One of npgan.losses.
    gamma : float, default 0
        Above 0, R1 of D after its step is recorded, too, with this weight.
    names : mapping of str to Tensor, optional
        For a scalar Tensor: names of nodes, as in {"x": x, "W": W}.
    title : str, optional
        The heading of the page.

    Returns
    -------
    Record
        `record.write("study.html")` writes the page.

    Raises
    ------
    ValueError
        If the record would be too large for a page, or the loss is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from npgan import Tensor, ops, study
    >>> x, W = Tensor([[1.0, 2.0]]), Tensor([[0.5], [0.25]])
    >>> study.record(ops.sum((x @ W) ** 2), names={"x": x, "W": W})
    Record(A loss)
    """
    if isinstance(G, Tensor):
        if not (D is None and real is None and z is None):
            raise TypeError("record() takes either a scalar Tensor, or G, D, real and z")
        return Record(record_data(title or "A loss, every number", [of_loss(G, names)]))
    if not isinstance(G, Network) or not isinstance(D, Network) or real is None or z is None:
        raise TypeError("record() takes either a scalar Tensor, or G, D, real and z")
    if names is not None:
        raise TypeError("names go with a scalar Tensor; the nodes of G and D have names already")
    computations = of_gan(G, D, real, z, adam_G, adam_D, loss, gamma)
    return Record(record_data(title or "One step of a GAN, every number", computations))
