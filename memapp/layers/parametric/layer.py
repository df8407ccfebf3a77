"""The parametric layer: what the chat model made of every remembered token, and the network that learned it."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memapp.layers.parametric import consolidated
from memapp.layers.parametric.consolidated import Consolidated
from memapp.layers.parametric.gate import shipped_gate
from memapp.layers.parametric.keys import KeyIndex
from memapp.layers.parametric.mixture import Mixture
from memapp.layers.parametric.runs import Runs
from memapp.protocols import StatesIdentity
from memapp.settings import Settings
from memapp.store import derived, states
from memapp.store.derived import Stamp
from memapp.store.log import Store, living
from memapp.store.states import Coding, Read
from memapp.types import Change, LayerStats, Query, Score, Vectors

_RECALLED_FROM = 3
"""Tokens of a question that must stand together in a passage to recall it."""

Outputs = Callable[[NDArray[np.int32]], Vectors]
Tokenize = Callable[[str], NDArray[np.int32]]


class ParametricLayer:
    """Remembered tokens by hidden state and by what stood before them. Safe from several threads.

    It reflects what the chat model has read, which `memapp.consolidate` does and the log tells; passages that it has
    not read are not here yet. Forgetting removes a passage's tokens at once and takes the network out of use, since
    nothing can be taken out of a network.
    """

    name = "parametric"

    def __init__(
        self, store: Store, settings: Settings, identity: StatesIdentity, tokenize: Tokenize, outputs: Outputs
    ) -> None:
        """`identity` is that of the model in use, `tokenize` its tokenizer, `outputs` gives rows of its output matrix.

        Raises StatesMismatch when first used on states of another model.
        """
        self._lock = threading.RLock()
        self._store = store
        self._settings = settings
        self._identity = identity
        self._tokenize = tokenize
        self._outputs = outputs
        self._coding: Coding | None = None
        self._keys: KeyIndex | None = None
        self._runs = Runs()
        self._read: set[int] = set()
        self._cursor = 0
        self._saved = 0
        """The cursor at which the keys were last saved."""
        self._unsaved = 0
        """Tokens that came since."""
        self._network: Consolidated | None = None
        self._learned: Stamp | None = None
        """What the network was made from."""
        self.stale = False
        """Whether something that the network learned was forgotten since."""

    # As a memory layer

    @property
    def cursor(self) -> int:
        """Position of the last change that is reflected."""
        with self._lock:
            self._load()
            return self._cursor

    def apply(self, changes: Sequence[Change]) -> None:
        """Takes in what was read, and removes what was forgotten."""
        with self._lock:
            self._load()
            fresh = [change for change in changes if change.position > self._cursor]
            if not fresh:
                return
            gone = [(change.first, change.last) for change in fresh if change.kind == "forget"]
            if gone:
                derived.remove(self._keys_path)
                self._remove([id for first, last in gone for id in range(first, last + 1)])
                self._outdate()
            self._add([(change.first, change.last) for change in fresh if change.kind == "read"])
            self._cursor = fresh[-1].position

    def recall(self, query: Query, k: int) -> list[Score]:
        """Passages that hold the longest runs of the question's tokens, three at least; a score is a length."""
        with self._lock:
            self._load()
            shared = self._runs.shared(self._tokenize(query.text).tolist())
        best = {passage: float(length) for passage, length in shared.items() if length >= _RECALLED_FROM}
        ranked = sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))[:k]
        return [Score(passage, length, f"{length:.0f} tokens in a row") for passage, length in ranked]

    def rebuild(self) -> None:
        """Reads all rows anew; the network stays if it belongs to this log. States are made by `consolidate`."""
        with self._lock:
            self._forget_everything()
            self._load()

    def save(self) -> None:
        """Writes the network again if a forgetting took its file and the settings keep a stale one; and keys in
        inverted lists, when they have changed by a twentieth."""
        with self._lock:
            self._save_keys()
            if self._network is not None and self._learned is not None and not self.path.exists():
                derived.write(self.path, self._network.to_bytes(), self._learned)

    def stats(self) -> LayerStats:
        """Cursor, passages that were read, bytes, and what the network is."""
        with self._lock:
            self._load()
            size = (self._keys.size if self._keys else 0) + self._runs.size
            size += self._network.size if self._network else 0
            tokens = len(self._keys) if self._keys else 0
            kind = self._keys.kind if self._keys else "empty"
            return LayerStats(
                self.name, self._cursor, len(self._read), size, f"{tokens:,} tokens ({kind}), {self.network_state}"
            )

    # What generation asks

    @property
    def lock(self) -> AbstractContextManager[bool, None]:
        """Held while a token is asked for."""
        return self._lock

    @property
    def coding(self) -> Coding | None:
        """How its keys are coded; None while nothing was read."""
        return self._coding

    @property
    def keys(self) -> KeyIndex:
        """Tokens by hidden state."""
        assert self._keys is not None
        return self._keys

    @property
    def runs(self) -> Runs:
        """Tokens by what stood before them."""
        return self._runs

    @property
    def network(self) -> Consolidated | None:
        """The network, unless there is none or it is stale and the settings do not want a stale one."""
        return self._network if not self.stale or self._settings.keep_stale else None

    @property
    def network_state(self) -> str:
        """One line on the network."""
        if self._network is None:
            return "no network, because something it had learned was forgotten" if self.stale else "no network"
        if not self.stale:
            return f"network of {self._network.report.get('tokens', 0):,.0f} tokens"
        return "network stale" + ("" if self._settings.keep_stale else ", not used")

    def mixture(self, mode: str) -> Mixture | None:
        """The bias of one answer; None when there is nothing to say."""
        with self._lock:
            self._load()
            if self._keys is None or (mode != "mlp" and not len(self._keys)) or (mode == "mlp" and not self.network):
                return None
            return Mixture(self, shipped_gate(), mode)

    def adopt(self, network: Consolidated, stamp: Stamp) -> bool:
        """Puts a network into its file and into use; False, with the old one as it was, when that cannot be written."""
        with self._lock:
            if not derived.write(self.path, network.to_bytes(), stamp):
                return False
            states.note_learned(self._store, stamp)
            self._network, self._learned, self.stale = network, stamp, False
            return True

    @property
    def path(self) -> Path:
        """The network's file."""
        return self._store.database.derived(self._store.number()) / states.NETWORK

    # Inside

    def _save_keys(self) -> None:
        if self._keys is None or self._keys.kind != "ivf" or self._cursor == self._saved:
            return
        if self._keys_path.exists() and self._unsaved < len(self._keys) // 20:
            return
        stamp = Stamp(self._cursor, self._store.mark(self._cursor), self._identity.sha256, "keys")
        if derived.write(self._keys_path, self._keys.to_bytes(), stamp):
            self._saved, self._unsaved = self._cursor, 0

    def _saved_keys(self, coding: Coding, changes: Sequence[Change]) -> bool:
        """Takes over the file of keys, if there is one and it belongs to this log."""
        kind = self._settings.parametric_index
        loaded = derived.read(self._keys_path, lambda data: KeyIndex.from_bytes(data, coding, kind))
        if loaded is None:
            return False
        keys, stamp = loaded
        if stamp.identity != self._identity.sha256 or stamp.mark != self._store.mark(stamp.position):
            derived.remove(self._keys_path)
            return False
        documents = sorted(living(change for change in changes if change.position <= stamp.position))
        empty = np.empty((0, len(coding.spread)), np.uint8)
        self._keys, self._cursor, self._saved = keys, stamp.position, stamp.position
        found = [
            Read(passage, documents[bisect.bisect_right(documents, passage) - 1], tokens, empty)
            for passage, tokens in keys.passages()
        ]
        self._runs.add(found)
        self._read = {one.passage for one in found}
        return True

    @property
    def _keys_path(self) -> Path:
        return self.path.with_name("keys.safetensors")

    def _forget_everything(self) -> None:
        self._saved = self._unsaved = 0
        derived.remove(self._keys_path)
        self._coding, self._keys, self._runs, self._read, self._cursor = None, None, Runs(), set(), 0
        self._network, self._learned, self.stale = None, None, False

    def _load(self) -> None:
        if self._keys is not None:
            return
        held = states.coding(self._store)
        if held is None:
            return
        states.require(held, self._identity.sha256, self._identity.name)
        changes = self._store.changes()
        self._coding = held
        if not self._saved_keys(held, changes):
            self._keys = KeyIndex(held, self._settings.parametric_index)
            self._add(list(living(changes).items()))
            self._cursor = changes[-1].position if changes else 0
        self._load_network()

    def _add(self, ranges: Sequence[tuple[int, int]]) -> None:
        if self._keys is None or self._coding is None or not ranges:
            return
        found = list(states.stretches(self._store, ranges, len(self._coding.spread)))
        self._remove([one.passage for one in found if one.passage in self._read])
        found = [one for one in found if len(one.tokens)]
        self._keys.add(found)
        self._unsaved += sum(len(one.tokens) for one in found)
        self._runs.add(found)
        self._read.update(one.passage for one in found)

    def _remove(self, passages: Sequence[int]) -> None:
        gone = self._read.intersection(passages)
        if gone and self._keys is not None:
            self._keys.remove(gone)
            self._runs.remove(gone)
            self._read -= gone

    def _outdate(self) -> None:
        """Takes the network out of use when something that it learned was forgotten."""
        if self._learned is None or not states.is_outdated(self._store, self._learned):
            return
        self.stale = True
        if not self._settings.keep_stale:
            self._network = None
            derived.remove(self.path)

    def _load_network(self) -> None:
        loaded = derived.read(self.path, lambda data: consolidated.from_bytes(data, self._outputs))
        self._learned = states.learned(self._store)
        if loaded is not None and loaded[1] == self._learned and loaded[1].identity == self._identity.sha256:
            self._network = loaded[0]
        elif loaded is not None:
            derived.remove(self.path)
        self._outdate()
