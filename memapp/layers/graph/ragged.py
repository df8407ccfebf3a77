"""Arrays of different lengths by node number, in one pool: what a graph keeps of each passage beside its edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Positions = NDArray[np.int64]


class Ragged:
    """One array of numbers a node, empty at first. Setting one costs its length; the pool is tidied when it pays."""

    def __init__(self, kind: type[np.generic] = np.uint32) -> None:
        """`kind` is the type of the numbers."""
        self._kind = kind
        self._start = np.zeros(0, np.int64)
        self._length = np.zeros(0, np.int32)
        self._pool: NDArray[Any] = np.zeros(0, kind)
        self._used = 0
        self._living = 0

    @property
    def bytes(self) -> int:
        """Bytes in memory, without what is only reserved."""
        return self._used * self._pool.itemsize + len(self._start) * 12

    def __getitem__(self, node: int) -> NDArray[Any]:
        """A view, good until the next change; empty for a node that has none."""
        if node >= len(self._start):
            return self._pool[:0]
        start = int(self._start[node])
        return self._pool[start : start + int(self._length[node])]

    def __setitem__(self, node: int, values: ArrayLike) -> None:
        """Replaces a node's array; an empty one is forgotten."""
        new = np.asarray(values, self._kind)
        if node >= len(self._start):
            if len(new) == 0:
                return
            self._grow(node + 1)
        self._living += len(new) - int(self._length[node])
        # What is left behind must not stay readable: these are hashes of words and numbers of phrases.
        self._writable()
        start = int(self._start[node])
        self._pool[start : start + int(self._length[node])] = 0
        if self._used + len(new) > len(self._pool):
            self._reserve(len(new))
        self._pool[self._used : self._used + len(new)] = new
        self._start[node], self._length[node] = self._used, len(new)
        self._used += len(new)

    def many(self, nodes: ArrayLike) -> tuple[Positions, NDArray[Any]]:
        """The lengths of several nodes' arrays, shape (nodes,), and their numbers one after another."""
        chosen = np.asarray(nodes, np.int64)
        known = chosen < len(self._start)
        safe = np.where(known, chosen, 0)
        if len(self._start) == 0:
            return np.zeros(len(chosen), np.int64), self._pool[:0]
        lengths = np.where(known, self._length[safe], 0).astype(np.int64)
        return lengths, self._pool[places(self._start[safe], lengths)]

    def arrays(self) -> tuple[Positions, NDArray[Any]]:
        """`indptr` and `data`, in the order of the nodes and without gaps."""
        lengths, data = self.many(np.arange(len(self._start)))
        return np.concatenate(([0], np.cumsum(lengths))), data

    @classmethod
    def from_arrays(cls, indptr: Positions, data: NDArray[Any]) -> Ragged:
        """What `arrays` gave; read-only arrays are copied at the first change."""
        made = cls(data.dtype.type)
        made._start = np.array(indptr[:-1], np.int64)
        made._length = np.diff(indptr).astype(np.int32)
        made._pool = data
        made._used = made._living = len(data)
        return made

    def _grow(self, nodes: int) -> None:
        reserve = max(nodes, 2 * len(self._start), 64)
        for name in ("_start", "_length"):
            old = getattr(self, name)
            new = np.zeros(reserve, old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def _writable(self) -> None:
        if not self._pool.flags.writeable:
            self._pool = self._pool.copy()

    def _reserve(self, more: int) -> None:
        if self._used - self._living > self._living:
            _, data = self.arrays()
            lengths = self._length.astype(np.int64)
            self._start = np.cumsum(lengths) - lengths
            self._used = len(data)
        else:
            data = self._pool[: self._used]
        pool = np.zeros(max(2 * self._used, self._used + more, 1024), self._kind)
        pool[: self._used] = data
        self._pool = pool


def places(start: Positions, lengths: Positions) -> Positions:
    """The positions of all numbers of stretches that begin at `start`."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    found = np.repeat(start - ends + lengths, lengths)
    found += np.arange(total)
    return found
