"""The graph's edges: a symmetric sparse matrix of integers that grows and shrinks row by row.

Rows lie in one pool, each with some room behind it. A row that outgrows its room moves to the pool's end with half as
much again, and the pool is written anew when a third of it is abandoned, so a contribution costs the same on average
however large the graph is. Nothing here knows what the nodes are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memapp.errors import StoreForeign, UsageError

Nodes = NDArray[np.int32]
Weights = NDArray[np.int32]
_Positions = NDArray[np.int64]

_LARGEST = np.iinfo(np.int32).max
_BLOCK = 1 << 20
"""Entries that are copied at a time when the pool is written anew."""


class Adjacency:
    """Undirected edges between the nodes 0 to n - 1, whose weights are sums of integers.

    Sums of integers do not depend on their order: whatever was added and subtracted, the matrix is the same as one
    made at once of what is left. An edge whose weight is 0 does not exist. What was never added must not be
    subtracted; if it is, the negative weight stays until it is made up for. Reading may tidy rows, so several
    threads need a lock for it too.
    """

    def __init__(self, nodes: int = 0) -> None:
        """A graph of `nodes` nodes without edges."""
        self._nodes = 0
        self._start = np.zeros(0, np.int64)
        self._length = np.zeros(0, np.int64)
        self._room = np.zeros(0, np.int64)
        self._degree = np.zeros(0, np.int64)
        self._loose = np.zeros(0, np.bool_)
        """Rows that are not sorted, or hold one column twice."""
        self._untidy: list[_Positions] = []
        """The loose rows, and some that are not any more."""
        self._indices: Nodes = np.zeros(0, np.int32)
        self._weights: Weights = np.zeros(0, np.int32)
        self._used = 0
        self._abandoned = 0
        self._entries = 0
        self._connected = 0
        self._weight = 0
        self._compact = True
        self.grow(nodes)

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return self._nodes

    @property
    def connected(self) -> int:
        """How many nodes have edges."""
        return self._connected

    @property
    def degree(self) -> NDArray[np.int64]:
        """The sum of the weights of each node's edges, shape (nodes,); a view that is not to be changed."""
        return self._degree[: self._nodes]

    @property
    def weight(self) -> int:
        """The sum of all degrees: twice the sum of the edges' weights."""
        return self._weight

    @property
    def edges(self) -> int:
        """How many edges there are, each counted once."""
        self._tidy_all()
        return self._entries // 2

    @property
    def bytes(self) -> int:
        """Bytes in memory, without what is only reserved."""
        return self._used * 8 + self._nodes * 33

    def grow(self, nodes: int) -> None:
        """Makes it at least `nodes` nodes; new ones have no edges."""
        if nodes > _LARGEST:
            raise UsageError(f"A graph holds at most {_LARGEST:,} nodes.", "Divide the collection into namespaces.")
        if nodes > len(self._start):
            reserve = max(nodes, 2 * len(self._start), 64)
            for name in ("_start", "_length", "_room", "_degree", "_loose"):
                old = getattr(self, name)
                new = np.zeros(reserve, old.dtype)
                new[: self._nodes] = old[: self._nodes]
                setattr(self, name, new)
        if nodes > self._nodes:
            self._start[self._nodes : nodes] = self._used
            self._nodes = nodes

    def add(self, rows: ArrayLike, columns: ArrayLike, weights: ArrayLike) -> None:
        """Adds to the weights of the edges between `rows` and `columns`, all of shape (m,).

        An edge may be named several times and in either direction; one from a node to itself is left out.
        Raises UsageError for nodes that are not there (see `grow`).
        """
        self._contribute(rows, columns, np.asarray(weights, np.int64))

    def subtract(self, rows: ArrayLike, columns: ArrayLike, weights: ArrayLike) -> None:
        """Takes back what `add` was given, at once or in other portions. Raises UsageError like `add`."""
        self._contribute(rows, columns, -np.asarray(weights, np.int64))

    def neighbours(self, nodes: ArrayLike) -> tuple[NDArray[np.int64], Nodes, Weights]:
        """All edges of several nodes: for each edge the index into `nodes`, the node at its other end, and its weight.

        Shapes (m,), in the order of `nodes` and then by the other node. Nodes must be in the graph.
        """
        chosen = np.asarray(nodes, np.int64)
        lengths, columns, weights = self.rows(chosen)
        return np.repeat(np.arange(len(chosen)), lengths), columns, weights

    def rows(self, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], Nodes, Weights]:
        """Like `neighbours`, with the number of edges of each of `nodes` instead of an index for each edge."""
        if len(nodes) == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32)
        if self._untidy:
            loose = nodes[self._loose[nodes]]
            if len(loose):
                self._tidy(np.unique(loose))
        lengths = self._length[nodes]
        places = _places(self._start[nodes], lengths)
        return lengths, self._indices.take(places, mode="clip"), self._weights.take(places, mode="clip")

    def compact(self) -> None:
        """Writes the pool anew, in the order of the nodes and without gaps; happens by itself when it pays."""
        if self._compact:
            return
        self._tidy_all()
        lengths = self._length[: self._nodes]
        ends = np.cumsum(lengths)
        indices = np.empty(self._entries, np.int32)
        weights = np.empty(self._entries, np.int32)
        first = 0
        while first < self._nodes:
            done = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + _BLOCK, "right")))
            places = _places(self._start[first:last], lengths[first:last])
            indices[done : done + len(places)] = self._indices[places]
            weights[done : done + len(places)] = self._weights[places]
            first = last
        self._indices, self._weights = indices, weights
        self._start[: self._nodes] = ends - lengths
        self._room[: self._nodes] = lengths
        self._used, self._abandoned, self._compact = self._entries, 0, True

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The compacted matrix in CSR, to be saved or read: indptr (nodes + 1,), indices and weights (2 * edges,).

        Columns ascend within a row. Views, good until the next change, and not to be changed.
        """
        self.compact()
        indptr = np.append(self._start[: self._nodes], self._used)
        return {"indptr": indptr, "indices": self._indices[: self._used], "weights": self._weights[: self._used]}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Adjacency:
        """The graph of `arrays()`. Read-only and memory-mapped arrays are taken as they are and copied on a change.

        Raises StoreForeign when the arrays do not fit each other.
        """
        indptr, indices, weights = arrays["indptr"], arrays["indices"], arrays["weights"]
        sound = indices.dtype == weights.dtype == np.int32 and len(indices) == len(weights) and len(indptr) > 0
        if not (sound and indptr[0] == 0 and indptr[-1] == len(indices) and bool((np.diff(indptr) >= 0).all())):
            raise StoreForeign("The saved graph is damaged.", "Rebuild it from the store.")
        graph = cls(len(indptr) - 1)
        graph._start[: graph._nodes] = indptr[:-1]
        graph._length[: graph._nodes] = graph._room[: graph._nodes] = np.diff(indptr)
        graph._indices, graph._weights = indices, weights
        graph._used = graph._entries = len(indices)
        running = np.zeros(len(weights) + 1, np.int64)
        np.cumsum(weights, out=running[1:])
        graph._degree[: graph._nodes] = np.diff(running[indptr])
        graph._connected = int(np.count_nonzero(graph._degree))
        graph._weight = int(running[-1])
        return graph

    def _contribute(self, rows: ArrayLike, columns: ArrayLike, weights: NDArray[np.int64]) -> None:
        one, other = np.asarray(rows, np.int64), np.asarray(columns, np.int64)
        if len(one) == 0:
            return
        if min(one.min(), other.min()) < 0 or max(one.max(), other.max()) >= self._nodes:
            raise UsageError("An edge names a node that is not in the graph.", "Call grow() first.")
        edges = one != other
        one, other, weights = one[edges], other[edges], weights[edges]
        keys = np.concatenate((one << 32 | other, other << 32 | one))
        keys, sums = _summed(keys, np.concatenate((weights, weights)))
        if len(keys):
            self._append(keys >> 32, (keys & 0xFFFFFFFF).astype(np.int32), sums)

    def _append(self, rows: _Positions, columns: Nodes, weights: Weights) -> None:
        """Writes entries, sorted and without repetition, behind the rows they belong to."""
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        changed = rows[first]
        counts = np.diff(first, append=len(rows))
        self._make_room(changed, counts)
        before = int(np.count_nonzero(self._degree[changed]))
        self._degree[changed] += np.add.reduceat(weights.astype(np.int64), first)
        self._connected += int(np.count_nonzero(self._degree[changed])) - before
        self._weight += int(weights.sum(dtype=np.int64))
        ends = self._start[changed] + self._length[changed]
        filled = np.flatnonzero(self._length[changed])
        # A new node has the highest number, so its entries mostly go behind all others and a row stays sorted.
        behind = self._indices[ends[filled] - 1] < columns[first[filled]]
        loose = changed[filled[~behind]]
        loose = loose[~self._loose[loose]]
        if len(loose):
            self._loose[loose] = True
            self._untidy.append(loose)
        places = _places(ends, counts)
        self._indices[places] = columns
        self._weights[places] = weights
        self._length[changed] += counts
        self._entries += len(rows)
        self._compact = False

    def _make_room(self, rows: _Positions, counts: _Positions) -> None:
        """Sees to it that each of `rows` can take its number of further entries."""
        full = self._length[rows] + counts > self._room[rows]
        if not full.any():
            return
        self._tidy(rows[full & self._loose[rows]])
        need = self._length[rows] + counts
        full = need > self._room[rows]
        moving, room = rows[full], need[full] + (need[full] >> 1) + 2
        total = int(room.sum())
        if self._used + total > len(self._indices):
            if self._abandoned * 3 > self._used:
                self.compact()
            self._reserve(self._used + total)
        lengths = self._length[moving]
        start = self._used + np.cumsum(room) - room
        old, new = _places(self._start[moving], lengths), _places(start, lengths)
        self._indices[new] = self._indices[old]
        self._weights[new] = self._weights[old]
        self._abandoned += int(self._room[moving].sum())
        self._start[moving], self._room[moving] = start, room
        self._used += total

    def _reserve(self, entries: int) -> None:
        """Makes the pool hold so many entries; a copy, so what was read-only is writable after it."""
        if entries <= len(self._indices):
            return
        size = max(entries, 2 * len(self._indices))
        for name in ("_indices", "_weights"):
            new = np.empty(size, np.int32)
            new[: self._used] = getattr(self, name)[: self._used]
            setattr(self, name, new)

    def _tidy_all(self) -> None:
        if self._untidy:
            rows = np.unique(np.concatenate(self._untidy))
            self._tidy(rows[self._loose[rows]])
            self._untidy = []

    def _tidy(self, rows: _Positions) -> None:
        """Sorts the rows, sums what they hold twice and drops zeros; `rows` without repetition."""
        if len(rows) == 0:
            return
        lengths = self._length[rows]
        places = _places(self._start[rows], lengths)
        owners = np.repeat(np.arange(len(rows)), lengths)
        keys, sums = _summed(owners << 32 | self._indices[places], self._weights[places])
        kept = np.bincount(keys >> 32, minlength=len(rows))
        places = _places(self._start[rows], kept)
        self._indices[places] = (keys & 0xFFFFFFFF).astype(np.int32)
        self._weights[places] = sums
        self._length[rows] = kept
        self._loose[rows] = False
        self._entries += int(kept.sum() - lengths.sum())


def _places(start: _Positions, lengths: _Positions) -> _Positions:
    """The positions in the pool of all entries of rows that begin at `start`."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    places = np.repeat(start - ends + lengths, lengths)
    places += np.arange(total)
    return places


def _summed(keys: _Positions, weights: NDArray[Any]) -> tuple[_Positions, Weights]:
    """Keys in order, each once, with the sum of its weights; sums of 0 left out. Raises UsageError on overflow."""
    if len(keys) == 0:
        return keys, weights.astype(np.int32)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = np.add.reduceat(weights[order].astype(np.int64), first)
    if max(int(sums.max()), -int(sums.min())) > _LARGEST:
        raise UsageError("The weight of an edge is too large for 32 bits.", "Count in larger units.")
    living = sums != 0
    return keys[first[living]], sums[living].astype(np.int32)
