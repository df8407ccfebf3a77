"""Words for nodes: the graph holds numbers, and what they stand for is read from the passages when it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from memapp.graph.assembly import Assembly
from memapp.graph.snapshot import Snapshot
from memapp.graph.values import Edge, Node
from memapp.store import content, extractions
from memapp.store.log import Store
from memapp.types import Passage

_WITNESSES = 2
"""Passages that are read to learn how a phrase is written."""


class Lexicon:
    """Names nodes and edges of a snapshot; reads each passage once."""

    def __init__(self, store: Store, snapshot: Snapshot) -> None:
        self._store = store
        self._snapshot = snapshot
        self.assembly = Assembly()
        self._places: dict[int, Passage] = {}

    def read(self, nodes: Iterable[int]) -> None:
        """Learns all that these passages say of phrases."""
        keys = {int(self._snapshot.keys[node]) for node in nodes} - self.assembly.passages.keys()
        ranges = content.joined((key, key) for key in keys if key > 0)
        self.assembly.take(extractions.spoken(self._store, ranges))

    def learn(self, nodes: Iterable[int]) -> None:
        """Learns how phrases are written, and where passages stand."""
        wanted = [int(node) for node in nodes]
        keys = {node: int(self._snapshot.keys[node]) for node in wanted}
        unknown = [node for node, key in keys.items() if key < 0 and key not in self.assembly.forms]
        self.read([witness for node in unknown for witness in self._witnesses(node)])
        passages = [key for key in keys.values() if key > 0 and key not in self._places]
        self.read(node for node, key in keys.items() if key > 0)
        self._places.update(content.passages_by_id(self._store, passages))

    def known(self, node: int) -> bool:
        """Whether the node can be named; not so when its passages went meanwhile."""
        key = int(self._snapshot.keys[node])
        return key in self._places if key > 0 else key in self.assembly.forms

    def node(self, node: int) -> Node:
        """A node that is known."""
        key = int(self._snapshot.keys[node])
        name, label = self.assembly.id(key), self.assembly.label(key)
        if key < 0:
            return Node(name, "phrase", label, passages=int(self._snapshot.mentions[node]))
        place = self._places[key]
        return Node(name, "passage", label, passage=key, document=place.document, title=place.title)

    def edges(self, one: int, other: int) -> Iterator[Edge]:
        """What joins two known nodes; nothing where no edge is."""
        found, weights = self._snapshot.around(one)
        here = weights[found == other]
        ends = sorted((int(self._snapshot.keys[one]), int(self._snapshot.keys[other])))
        if len(here):
            yield from self.assembly.edges((ends[0], ends[1]), int(here[0]))

    def _witnesses(self, node: int) -> NDArray[np.int64]:
        """Passages that hold a phrase; for one that is only another name, those of what it names."""
        near, _ = self._snapshot.around(node)
        passages = near[self._snapshot.keys[near] > 0]
        if len(passages):
            return passages[:_WITNESSES]
        further = [self._snapshot.around(int(each))[0] for each in near[:_WITNESSES]]
        return np.array([n for each in further for n in each[self._snapshot.keys[each] > 0][:_WITNESSES]], np.int64)
