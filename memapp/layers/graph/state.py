"""The graph of what lives: nodes, edges and words, as the sum of the contributions that passages made to it.

A contribution is kept as long as its passage, and taken back number by number when the passage goes. So a graph is
the same whatever came and went before, and nothing of a forgotten passage stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.layers.graph.adjacency import Adjacency
from memapp.layers.graph.contribution import Contribution
from memapp.layers.graph.keys import Numbers
from memapp.layers.graph.ragged import Ragged

_BUCKETS = 1 << 20
"""Counters of how many passages hold a word; words that share one count a little higher than they are."""
_NONE = -1

Nodes = NDArray[np.int64]


class GraphState:
    """Nodes, weighted edges and word counts of one namespace. Not safe from several threads."""

    def __init__(self) -> None:
        self.adjacency = Adjacency()
        self.numbers = Numbers()
        self._titles = np.zeros((0, 2), np.int32)
        self._mentions = np.zeros(0, np.int32)
        self._edges = Ragged(np.int32)
        """By passage: its contribution, as triples of two nodes and a weight."""
        self.words = Ragged(np.uint32)
        """By passage: hashes of its words."""
        self._counts = np.zeros(_BUCKETS, np.int32)
        self.passages = 0

    @property
    def bytes(self) -> int:
        """Bytes in memory, about."""
        parts = self.adjacency.bytes + self.numbers.bytes + self._edges.bytes + self.words.bytes
        return parts + self._titles.nbytes + self._mentions.nbytes + self._counts.nbytes

    @property
    def phrases(self) -> int:
        """How many phrases some passage holds."""
        return int(np.count_nonzero(self._mentions))

    # Coming and going

    def add(self, contributions: Sequence[Contribution]) -> None:
        """Takes in passages that are not there yet."""
        if not contributions:
            return
        lengths = [len(one.edges) for one in contributions]
        ends = self.numbers.give(key for one in contributions for edge in one.edges for key in edge[:2])
        own = self.numbers.give(one.passage for one in contributions)
        titles = iter(self.numbers.give(key for one in contributions for key in one.titles))
        self._grow()
        weights = np.fromiter((edge[2] for one in contributions for edge in one.edges), np.int32)
        triples = np.column_stack((ends.reshape(-1, 2).astype(np.int32), weights))
        self.adjacency.add(triples[:, 0], triples[:, 1], triples[:, 2])
        self._mention(triples, own, 1)
        at = 0
        for node, one, length in zip(own, contributions, lengths, strict=True):
            self._edges[int(node)] = triples[at : at + length].ravel()
            at += length
            self.words[int(node)] = one.words
            np.add.at(self._counts, one.words & (_BUCKETS - 1), 1)
            mine = [next(titles) for _ in one.titles]
            self._titles[node] = (*mine, _NONE, _NONE)[:2]
        self.passages += len(contributions)

    def remove(self, passages: Iterable[int]) -> int:
        """Takes back what these passages contributed; returns how many of them were there."""
        found = self.numbers.find(passages)
        own = found[found >= 0]
        if len(own) == 0:
            return 0
        _, flat = self._edges.many(own)
        triples = flat.reshape(-1, 3).copy()
        self.adjacency.subtract(triples[:, 0], triples[:, 1], triples[:, 2])
        self._mention(triples, own, -1)
        _, words = self.words.many(own)
        np.subtract.at(self._counts, words & (_BUCKETS - 1), 1)
        for node in own:
            self._edges[int(node)] = self.words[int(node)] = ()
            self._titles[node] = _NONE
        self.passages -= len(own)
        self._drop_orphans(np.unique(np.concatenate((own, triples[:, 0], triples[:, 1]))), own)
        return len(own)

    def _drop_orphans(self, touched: Nodes, gone: Nodes) -> None:
        phrases = touched[self.numbers.keys(touched) < 0]
        orphans = phrases[self.adjacency.degree[phrases] == 0]
        self.numbers.drop((*gone, *orphans))

    def _mention(self, triples: NDArray[np.int32], own: Nodes, step: int) -> None:
        """Counts, for phrases, the passages that hold them: an edge from a passage to a phrase is a mention."""
        keys = self.numbers.keys(triples[:, :2])
        mentions = triples[(keys[:, 0] > 0) & (keys[:, 1] < 0), 1]
        np.add.at(self._mentions, mentions, step)

    def _grow(self) -> None:
        count = self.numbers.count
        self.adjacency.grow(count)
        if count > len(self._mentions):
            reserve = max(64, count, 2 * len(self._mentions))
            mentions, titles = np.zeros(reserve, np.int32), np.full((reserve, 2), _NONE, np.int32)
            mentions[: len(self._mentions)], titles[: len(self._titles)] = self._mentions, self._titles
            self._mentions, self._titles = mentions, titles

    # Reading

    def is_passage(self, nodes: Nodes) -> NDArray[np.bool_]:
        """Whether each node is a passage; else it is a phrase."""
        return self.numbers.keys(nodes) > 0

    def mentions(self, nodes: Nodes) -> NDArray[np.int32]:
        """How many passages hold each phrase."""
        return np.asarray(self._mentions[nodes])

    def titles(self, nodes: Nodes) -> NDArray[np.int32]:
        """The phrases that each passage is about, shape (nodes, 2); -1 where there is none."""
        return np.asarray(self._titles[nodes])

    def frequency(self, hashes: NDArray[np.uint32]) -> NDArray[np.int32]:
        """About how many passages hold each word; never too low."""
        return np.asarray(self._counts[hashes & (_BUCKETS - 1)])

    def holds(self, nodes: Nodes, hashes: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which of these words each passage holds, shape (nodes, words); words ascending, each once."""
        lengths, words = self.words.many(nodes)
        held = np.zeros((len(nodes), len(hashes)), np.bool_)
        if len(hashes) and len(words):
            at = np.minimum(np.searchsorted(hashes, words), len(hashes) - 1)
            hit = np.flatnonzero(hashes[at] == words)
            held[np.repeat(np.arange(len(nodes)), lengths)[hit], at[hit]] = True
        return held

    def canonical(self) -> dict[str, Any]:
        """The graph by names instead of numbers: two graphs are the same when these are equal."""
        arrays = self.adjacency.arrays()
        rows = np.repeat(np.arange(self.adjacency.nodes), np.diff(arrays["indptr"]))
        keys = self.numbers.all_keys()
        living = np.flatnonzero(keys)
        ends = keys[rows].tolist(), keys[arrays["indices"]].tolist()
        edges = sorted(zip(*ends, arrays["weights"].tolist(), strict=True))
        titles = {int(keys[n]): sorted(int(keys[t]) for t in self._titles[n] if t >= 0) for n in living if keys[n] > 0}
        return {
            "nodes": sorted(keys[living].tolist()),
            "edges": edges,
            "titles": titles,
            "mentions": {int(keys[n]): int(self._mentions[n]) for n in living},
            "words": {int(keys[n]): self.words[int(n)].tolist() for n in living if keys[n] > 0},
            "counts": {int(n): int(self._counts[n]) for n in np.flatnonzero(self._counts)},
        }

    # Saving

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays, by name."""
        count = self.numbers.count
        edges, words = self._edges.arrays(), self.words.arrays()
        return {
            **self.adjacency.arrays(),
            "keys": self.numbers.all_keys(),
            "titles": self._titles[:count],
            "mentions": self._mentions[:count],
            "edges_at": edges[0],
            "edges": edges[1],
            "words_at": words[0],
            "words": words[1],
            "counts": self._counts,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> GraphState:
        """What `arrays` gave. Raises StoreForeign when the arrays do not fit each other, KeyError when one lacks."""
        made = cls()
        made.adjacency = Adjacency.from_arrays(arrays)
        made.numbers = Numbers.from_keys(arrays["keys"])
        made._titles = np.array(arrays["titles"])
        made._mentions = np.array(arrays["mentions"])
        made._edges = Ragged.from_arrays(arrays["edges_at"], arrays["edges"])
        made.words = Ragged.from_arrays(arrays["words_at"], arrays["words"])
        made._counts = np.array(arrays["counts"])
        made.passages = int(np.count_nonzero(made.numbers.all_keys() > 0))
        return made
