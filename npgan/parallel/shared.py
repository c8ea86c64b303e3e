"""One rank's share of the training steps: its shards, and its slice of the weights.

    own shards -> sums of the nodes of the tree -> a slice of the gradient from every rank
    -> the slice of the whole sum, in the tree's order -> Adam on this slice -> all weights

MPI moves numbers and never adds them, so the bits are those of one process. Adam's state is cut
into slices, too: stage 1 of ZeRO (Rajbhandari et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..optim import Adam
from .group import GradientOf, Group, own_sum
from .processes import Processes
from .tree import largest_nodes, tree_sum

Array = npt.NDArray[Any]
LINE = 16  # floats in a cache line, at which slices begin


class SharedGroup(Group):
    """One of the processes that share the shards of every batch, in consecutive runs.

    `checksum` is that of all numbers of a model that a step changes. Raises ValueError if there are
    more processes than shards.
    """

    def __init__(self, shards: int, processes: Processes, checksum: Callable[[Any], int]) -> None:
        super().__init__(shards)
        ranks = processes.size
        if ranks > shards:
            raise ValueError(
                f"{ranks} ranks cannot share {shards} shard{'s' * (shards > 1)}; set shards to "
                f"{ranks} or a multiple of it, or start fewer ranks"
            )
        self.processes: Processes = processes
        self.checksum = checksum
        self.rank = processes.rank
        cuts = [shards * r // ranks for r in range(ranks + 1)]
        self.runs = [range(a, b) for a, b in pairwise(cuts)]
        self.own = self.runs[self.rank]
        self.nodes = [largest_nodes(0, shards, run) for run in self.runs]
        self.stage = 0
        # The first thing that was not finite on this rank in this step, as a key and in words.
        self.failure: tuple[int, tuple[float, ...], str] | None = None

    # ---- one update ----

    def update(self, adam: Adam, gradient_of: GradientOf) -> None:
        """Update this rank's slice of the weights, and receive the others."""
        assert adam.net is not None
        size, dtype = adam.net.theta.size, adam.net.theta.dtype
        self.stage += 2

        def guarded(shard: int) -> Array:
            if self.failure is None:
                try:
                    return gradient_of(shard)
                except FloatingPointError as error:
                    self.failure = (self.stage, (shard,), str(error))
            return np.full(size, np.nan, dtype)  # the others wait for a gradient

        sums = [own_sum(node, guarded) for node in self.nodes[self.rank]]
        gradient = self.scaled(self.exchange(sums))
        try:
            adam.step(gradient)
        except FloatingPointError:
            if self.failure is None:
                fault = adam.fault(gradient)
                self.failure = (self.stage + 1, fault.order, fault.words)
        self.gather(adam.net.theta)

    def exchange(self, sums: list[Array]) -> Array:
        """This rank's slice of the sum over all shards, from the sums of its own nodes.

        Ranks may have different numbers of nodes; exchange k concerns the k-th node of each.
        """
        cuts = self.cuts(sums[0].size)
        widths = np.diff(cuts)
        width = int(widths[self.rank])
        found = {}
        for k in range(max(map(len, self.nodes))):
            has = [k < len(nodes) for nodes in self.nodes]
            sent = sums[k] if has[self.rank] else np.empty(0, sums[0].dtype)
            to_each = widths * has[self.rank]
            starts = np.array(cuts[:-1]) * has[self.rank]
            from_each = width * np.array(has)
            places = np.cumsum(from_each) - from_each
            received = np.empty(int(from_each.sum()), sums[0].dtype)
            self.processes.comm.Alltoallv(
                [sent, (to_each.tolist(), starts.tolist())],
                [received, (from_each.tolist(), places.tolist())],
            )
            for rank, nodes in enumerate(self.nodes):
                if has[rank]:
                    found[nodes[k]] = received[places[rank] : places[rank] + width]
        return tree_sum(0, self.shards, lambda lo, hi: found.get((lo, hi)))

    def gather(self, vector: Array) -> None:
        """Complete a vector, of which each rank has its slice."""
        cuts = self.cuts(vector.size)
        in_place = self.processes.in_place
        counts = np.diff(cuts).tolist()
        self.processes.comm.Allgatherv(in_place, [vector, (counts, cuts[:-1])])

    def cuts(self, size: int) -> list[int]:
        """Where each rank's slice of a vector begins, and the end."""
        lines, ranks = -(-size // LINE), len(self.runs)
        return [min(size, LINE * (lines * r // ranks)) for r in range(ranks + 1)]

    # ---- the message of a step ----

    def agree(self, values: Array) -> Array:
        """The means over all shards. All ranks learn whether to stop, and of numbers not finite."""
        processes, (rows, columns) = self.processes, values.shape
        marks = np.full((rows, 2), [self.failure is not None, processes.pressed()], np.float64)
        sent = np.concatenate([values, marks], axis=1)
        received = np.empty((self.shards, columns + 2))
        counts = [len(run) * (columns + 2) for run in self.runs]
        starts = [run.start * (columns + 2) for run in self.runs]
        processes.comm.Allgatherv(sent, [received, (counts, starts)])
        self.stage = 0
        if received[:, -2].any():
            failures = processes.comm.allgather(self.failure)
            self.failure = None
            processes.agreed = True
            raise FloatingPointError(min(f for f in failures if f is not None)[-1])
        if received[:, -1].any():
            processes.stop = True
        return super().agree(np.ascontiguousarray(received[:, :-2]))

    # ---- an epoch ----

    def rows(self, batch: int, updates: int) -> list[int]:
        """The positions of this rank's images among those of a step of several updates."""
        positions = np.arange(batch * updates).reshape(updates, self.shards, -1)
        found: list[int] = positions[:, self.own].ravel().tolist()
        return found

    @contextmanager
    def epoch(self, model: Any) -> Iterator[None]:
        """In this block each rank has its slice of Adam's state; after it all of it.

        Raises RuntimeError on all ranks if they have different numbers at the end.
        """
        for name in ("adam_G", "adam_D"):
            setattr(model, name, self.sliced(getattr(model, name)))
        try:
            yield
        except BaseException as error:
            if self.processes.known(error):
                self.join(model)
            raise
        self.join(model)
        self.processes.compare(lambda: {"network at the end of the epoch": self.checksum(model)})

    def join(self, model: Any) -> None:
        """Give the model the whole state of its optimisers."""
        for name in ("adam_G", "adam_D"):
            setattr(model, name, self.whole(getattr(model, name)))

    def sliced(self, adam: Adam) -> Adam:
        """An optimiser of this rank's slice, with its part of the state."""
        assert adam.net is not None
        start, stop = self.cuts(adam.theta.size)[self.rank : self.rank + 2]
        part = slice(start, stop)
        other = Adam(adam.net, part=part, **adam.hyper)
        other.restore({"t": adam.t, **{name: slot[part] for name, slot in adam.slots.items()}})
        return other

    def whole(self, adam: Adam) -> Adam:
        """An optimiser of all weights, with the parts of the state from all ranks."""
        assert adam.net is not None
        other = Adam(adam.net, **adam.hyper)
        other.t = adam.t
        for name, slot in adam.slots.items():
            other.slots[name][adam.part] = slot
            self.gather(other.slots[name])
        return other
