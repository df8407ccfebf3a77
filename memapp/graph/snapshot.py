"""The graph's arrays at one moment, so that looking at it takes as long as it likes and hinders nobody."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from memapp.graph.values import Kind
from memapp.layers.graph.contribution import RELATION
from memapp.layers.graph.keys import phrase_key
from memapp.layers.graph.state import GraphState

Nodes = NDArray[np.int64]


class Snapshot:
    """Nodes by number, their keys and edges; a copy."""

    def __init__(self, state: GraphState) -> None:
        arrays = state.arrays()
        self.keys = arrays["keys"].copy()
        """By node: above 0 a passage's number, below 0 a phrase, 0 nothing."""
        self.mentions = arrays["mentions"].copy()
        """By node: passages that hold the phrase."""
        self.titles = arrays["titles"].copy()
        """By node: the phrases that a passage is about, shape (nodes, 2); -1 where there is none."""
        self.indptr, self.indices = arrays["indptr"].copy(), arrays["indices"].copy()
        self.weights = arrays["weights"].copy()
        self._triples = arrays["edges"].reshape(-1, 3).copy()
        self.bytes = state.bytes

    def node(self, form: str) -> int:
        """The node of a phrase's normal form; -1 where no living passage brings it."""
        found = np.flatnonzero(self.keys == phrase_key(form))
        return int(found[0]) if len(found) else -1

    def nodes(self, keys: Iterable[int]) -> Nodes:
        """The nodes of these keys, as far as they are there."""
        return np.flatnonzero(np.isin(self.keys, np.fromiter(keys, np.int64)))

    def around(self, node: int) -> tuple[Nodes, NDArray[np.int32]]:
        """The neighbours of a node and the weights of the edges to them."""
        place = slice(self.indptr[node], self.indptr[node + 1])
        return self.indices[place].astype(np.int64), self.weights[place]

    def all_around(self, nodes: Nodes) -> Nodes:
        """All neighbours of several nodes; one that several of them have comes as often."""
        lengths = self.indptr[nodes + 1] - self.indptr[nodes]
        first = np.repeat(self.indptr[nodes] - np.cumsum(lengths) + lengths, lengths)
        return self.indices[first + np.arange(len(first))].astype(np.int64)

    def degrees(self) -> Nodes:
        """By node: how many edges it has."""
        return np.asarray(np.diff(self.indptr), np.int64)

    def edges(self) -> tuple[Nodes, Nodes]:
        """Both ends of every edge, each edge once."""
        rows = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        once = rows < self.indices
        return rows[once], self.indices[once].astype(np.int64)

    def edge_weights(self) -> NDArray[np.int32]:
        """The weights of `edges`."""
        rows = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        return self.weights[rows < self.indices]

    def kinds(self) -> dict[Kind, int]:
        """How many edges there are of each kind; what is a relation and a synonym is a relation."""
        one, other = self.edges()
        passages = (self.keys[one] > 0).astype(int) + (self.keys[other] > 0)
        low, high = np.minimum(*self._triples[:, :2].T), np.maximum(*self._triples[:, :2].T)
        phrases = (self.keys[low] < 0) & (self.keys[high] < 0) & (low != high) & (self._triples[:, 2] >= RELATION)
        relations = len(np.unique(low[phrases].astype(np.int64) << 32 | high[phrases]))
        between = int((passages == 0).sum())
        return {
            "context": int((passages == 1).sum()),
            "relation": relations,
            "synonym": between - relations,
            "neighbour": int((passages == 2).sum()),
        }
