"""The amortized layer: soft tokens of every passage that the encoder has read, found by the passages' vectors."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from memapp.errors import StatesMismatch
from memapp.layers.amortized.levels import by_levels
from memapp.protocols import EmbedderIdentity
from memapp.store import bank as banks
from memapp.store import content, derived
from memapp.store.bank import Bank, Entry, Form
from memapp.store.derived import Stamp
from memapp.store.log import Store, living
from memapp.types import Change, LayerStats, Progress, Query, Score, Vectors

log = logging.getLogger(__name__)

Encode = Callable[[Sequence[str], int], list[Vectors]]
"""Texts and a number of soft tokens to the soft tokens of each, shape (at most that many, width)."""
_AT_ONCE = 16
"""Passages between two looks at the clock."""


class AmortizedLayer:
    """A bank of soft tokens. Safe from several threads.

    Forgetting wipes an entry where it stands. What came is only noted: encoding costs a reading of the passage, which
    `encode` does when there is time for it; until then the passage has no entry.
    """

    name = "amortized"

    def __init__(self, store: Store, embedder: EmbedderIdentity, encode: Encode, form: Form) -> None:
        self._lock = threading.RLock()
        self._store, self._embedder, self._encode, self._form = store, embedder, encode, form
        self._bank: Bank | None = None
        self._waiting: dict[int, None] = {}
        """Passages without an entry, in the order in which they came."""
        self._cursor = 0

    @property
    def cursor(self) -> int:
        """Position of the last change that is reflected."""
        with self._lock:
            self._load()
            return self._cursor

    def apply(self, changes: Sequence[Change]) -> None:
        """Wipes what was forgotten, and notes what came."""
        with self._lock:
            bank = self._load()
            fresh = [change for change in changes if change.position > self._cursor]
            if not fresh:
                return
            self._store.require(self._embedder)
            gone = _ids(fresh, "forget")
            if gone and bank.forget(gone):
                bank.flush()
            self._waiting |= dict.fromkeys(id for id in _ids(fresh, "insert") if id not in bank)
            for id in gone:
                self._waiting.pop(id, None)
            self._cursor = fresh[-1].position

    def recall(self, query: Query, k: int) -> list[Score]:
        """The k passages with an entry that are most like the question."""
        with self._lock:
            bank = self._load()
            if query.vector is None:
                return []
            return [Score(id, value, "as soft tokens") for id, value in bank.nearest(query.vector, k)]

    def aggregate(self, vector: Vectors, k: int, without: Iterable[int] = ()) -> list[tuple[int, Vectors]]:
        """What the model reads before a question of this vector: passages and their soft tokens, shape (n, width), of
        the k that are most like it and not among `without`, fewer of those further off; the most similar last, next
        to the question."""
        with self._lock:
            bank, skipped = self._load(), set(without)
            found = [id for id, _ in bank.nearest(vector, k + len(skipped)) if id not in skipped][:k]
            whole = {id: soft for id in found if (soft := self._whole(bank, id)) is not None}
            return list(zip(whole, by_levels(list(whole.values())), strict=True))[::-1]

    def encode(
        self,
        seconds: float | None = None,
        cancel: threading.Event | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> int:
        """Has the encoder read passages that have no entry, until all have one or the time is over; how many it read.

        Raises what the encoder raises; what it had read is kept, also by a kill.
        """
        until, read = None if seconds is None else time.perf_counter() + seconds, 0
        while not (cancel and cancel.is_set()) and (until is None or time.perf_counter() < until):
            with self._lock:
                bank = self._load()
                ids = list(islice(self._waiting, _AT_ONCE))
                if not ids:
                    break
                if not read:
                    self._keep(bank)
                read += self._encoded(bank, ids)
                left = len(self._waiting)
            if progress:
                progress(Progress("soft tokens", read, read + left))
        if read:
            self.save()
        return read

    @property
    def waiting(self) -> int:
        """Passages without an entry."""
        with self._lock:
            self._load()
            return len(self._waiting)

    def rebuild(self) -> None:
        """Reads every passage anew."""
        with self._lock:
            derived.remove(self._stamp)
            self._opened(clear=True)
            self._reconcile()
            self.encode()

    def save(self) -> None:
        """Makes the entries survive a failure of the power."""
        with self._lock:
            self._keep(self._load())

    def stats(self) -> LayerStats:
        """Cursor, passages that have an entry, bytes, and how many wait."""
        with self._lock:
            bank = self._load()
            kind = f"{self._form.tokens} soft tokens a passage, {len(self._waiting):,} passages wait"
            return LayerStats(self.name, self._cursor, len(bank), bank.size, kind)

    # Inside

    @property
    def _stamp(self) -> Path:
        return self._store.database.derived(self._store.number()) / banks.STAMP

    def _keep(self, bank: Bank) -> None:
        bank.flush()
        derived.write(self._stamp, b"bank", Stamp(self._cursor, self._mark(), self._form.identity, "bank"))

    def _mark(self) -> str:
        return self._store.mark(self._cursor) if self._cursor else ""

    def _load(self) -> Bank:
        if self._bank is None:
            self._store.require(self._embedder)
            loaded = derived.read(self._stamp, lambda data: data)
            stamp = loaded[1] if loaded else None
            fits = stamp is not None and stamp.identity == self._form.identity
            fits = fits and stamp is not None and stamp.position > 0 and stamp.mark == self._store.mark(stamp.position)
            self._opened(clear=not fits)
            self._reconcile()
        else:
            self._bank.refresh()
        assert self._bank is not None
        return self._bank

    def _opened(self, clear: bool) -> None:
        folder = self._stamp.parent
        try:
            self._bank = Bank(folder, self._form, self._keys)
        except StatesMismatch as error:
            log.warning("%s It is made anew.", error)
            clear = True
        if clear:
            banks.remove(folder)
            self._bank = Bank(folder, self._form, self._keys)

    def _reconcile(self) -> None:
        """Makes the bank hold what lives only, and notes what it lacks."""
        assert self._bank is not None
        changes = self._store.changes()
        alive = [id for first, last in living(changes).items() for id in range(first, last + 1)]
        self._bank.forget(set(self._bank.passages).difference(alive))
        self._waiting = dict.fromkeys(id for id in alive if id not in self._bank)
        self._cursor = changes[-1].position if changes else 0

    def _whole(self, bank: Bank, id: int) -> Vectors | None:
        """Soft tokens; none of a damaged entry, which goes and is encoded again."""
        try:
            return bank.get([id])[0]
        except StatesMismatch as error:
            log.warning("%s It is encoded again.", error)
            bank.forget([id])
            self._waiting[id] = None
            return None

    def _keys(self, ids: Sequence[int]) -> Vectors:
        _, vectors = content.vectors_by_id(self._store, ids, self._embedder.dimension)
        return vectors

    def _encoded(self, bank: Bank, ids: Sequence[int]) -> int:
        missing = [id for id in ids if id not in bank]
        passages = content.passages_by_id(self._store, missing)
        soft = self._encode([passage.content for passage in passages.values()], self._form.tokens)
        bank.put(Entry(id, one) for id, one in zip(passages, soft, strict=True))
        for id in ids:
            self._waiting.pop(id, None)
        return len(passages)


def _ids(changes: Sequence[Change], kind: str) -> list[int]:
    return [id for change in changes if change.kind == kind for id in range(change.first, change.last + 1)]
