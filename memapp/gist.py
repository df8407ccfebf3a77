"""The gist of a collection: its key sentences, made when they are first wanted and anew when the collection changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from memapp.answer import gist
from memapp.protocols import Embedder
from memapp.store import content
from memapp.store.log import Store

MOST = 3000
"""Passages that are looked at: of more, every so manieth, so that all parts of the memory count."""
_SENTENCE = 32
"""Tokens of a sentence, about."""


class Gist:
    """Nothing of it is written to disk, so what is forgotten is not in it. Safe from several threads."""

    def __init__(self, store: Store, embedder: Callable[[], Embedder], tokens: int) -> None:
        self._store, self._embedder, self._points = store, embedder, max(1, tokens // _SENTENCE)
        self._lock = threading.Lock()
        self._made: tuple[int, tuple[str, ...]] = (-1, ())

    def __call__(self) -> tuple[str, ...]:
        """The sentences, in the order in which they were remembered."""
        with self._lock:
            head = self._store.head()
            if self._made[0] != head:
                self._made = (head, self._sentences())
            return self._made[1]

    def forget(self) -> None:
        """Lets go of the sentences; they are made again when they are next wanted."""
        with self._lock:
            self._made = (-1, ())

    def _sentences(self) -> tuple[str, ...]:
        embedder = self._embedder()
        ids, vectors = content.vectors_by_id(self._store, sampled(self._store), embedder.identity.dimension)
        known = content.passages_by_id(self._store, ids.tolist())
        alive = np.array([id in known for id in ids.tolist()], bool)
        passages, vectors = [known[id] for id in ids[alive].tolist()], vectors[alive]
        weights = np.ones(len(passages), np.float32)
        points = gist.points(passages, vectors, weights, self._points, embedder.embed)
        cited = sorted((point.citation for point in points), key=lambda one: (one.passage, one.start))
        return tuple(f"{one.title}: {one.text}" if one.title else one.text for one in cited)


def sampled(store: Store) -> list[int]:
    """Ids of at most MOST living passages, from all parts of the memory."""
    everything = content.ids(store)
    return everything[:: -(-len(everything) // MOST) or 1]
