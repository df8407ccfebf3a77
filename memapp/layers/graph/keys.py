"""Names as numbers. The graph knows no word: a phrase is the hash of its normal form, a passage its own number."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

Keys = NDArray[np.int64]
_MERGE_SHARE = 8


def phrase_key(form: str) -> int:
    """The key of a phrase's normal form: below 0, so that it is no passage's."""
    digest = blake2b(form.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return -1 - (int.from_bytes(digest, "little") >> 1)


class Numbers:
    """Keys to node numbers and back. Numbers of dropped keys are given again, so the graph does not grow forever."""

    def __init__(self) -> None:
        self._key = np.zeros(0, np.int64)
        """By node; 0 for a number that nobody has, which is no key: passages count from 1."""
        self._count = 0
        self._free: list[int] = []
        self._sorted = np.zeros(0, np.int64)
        self._nodes = np.zeros(0, np.int32)
        self._recent: dict[int, int] = {}

    @property
    def count(self) -> int:
        """How many numbers were given, dropped ones included."""
        return self._count

    @property
    def bytes(self) -> int:
        """Bytes in memory, about."""
        return self._count * 8 + len(self._sorted) * 12 + len(self._recent) * 100

    def keys(self, nodes: ArrayLike) -> Keys:
        """The keys of nodes; 0 for one that was dropped."""
        return np.asarray(self._key[np.asarray(nodes, np.int64)], np.int64)

    def all_keys(self) -> Keys:
        """The key of every node, shape (count,); a view."""
        return self._key[: self._count]

    def find(self, keys: Iterable[int]) -> NDArray[np.int64]:
        """The node of each key; -1 where there is none."""
        wanted = np.fromiter(keys, np.int64)
        found = np.full(len(wanted), -1, np.int64)
        if len(self._sorted) and len(wanted):
            at = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
            hit = self._sorted[at] == wanted
            found[hit] = self._nodes[at[hit]]
        if self._recent:
            for place in np.flatnonzero(found < 0):
                found[place] = self._recent.get(int(wanted[place]), -1)
        return found

    def give(self, keys: Iterable[int]) -> NDArray[np.int64]:
        """The node of each key; a new one where there was none."""
        wanted = list(keys)
        found = self.find(wanted)
        for place in np.flatnonzero(found < 0):
            key = wanted[place]
            if key not in self._recent:
                self._recent[key] = self._new(key)
            found[place] = self._recent[key]
        if len(self._recent) > max(4096, len(self._sorted) // _MERGE_SHARE):
            self._merge()
        return found

    def drop(self, nodes: Iterable[int]) -> None:
        """Forgets the keys of nodes; their numbers may be given again."""
        gone: list[int] = []
        for node in nodes:
            key = int(self._key[node])
            if self._recent.pop(key, None) is None:
                gone.append(key)
            self._key[node] = 0
            self._free.append(int(node))
        if gone:
            # The keys themselves must go: they are hashes of words that somebody may have wanted forgotten.
            places = np.searchsorted(self._sorted, gone)
            self._sorted = np.delete(self._sorted, places)
            self._nodes = np.delete(self._nodes, places)

    @classmethod
    def from_keys(cls, keys: Keys) -> Numbers:
        """The numbering in which node i has key keys[i]; 0 is a free number."""
        made = cls()
        made._key = np.array(keys, np.int64)
        made._count = len(keys)
        made._free = [int(node) for node in np.flatnonzero(made._key == 0)]
        made._merge()
        return made

    def _new(self, key: int) -> int:
        if self._free:
            node = self._free.pop()
        else:
            node = self._count
            self._count += 1
            if node >= len(self._key):
                grown = np.zeros(max(64, 2 * len(self._key)), np.int64)
                grown[: len(self._key)] = self._key
                self._key = grown
        self._key[node] = key
        return node

    def _merge(self) -> None:
        living = np.flatnonzero(self._key[: self._count])
        order = np.argsort(self._key[living], kind="stable")
        self._nodes = living[order].astype(np.int32)
        self._sorted = self._key[living][order]
        self._recent = {}
