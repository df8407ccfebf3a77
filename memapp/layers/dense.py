"""Sentence vectors in FAISS. The store's rows are the vectors; the index is only a faster copy of them.

Up to some ten thousand vectors the index is read from the rows at start. Larger ones are also saved
as a file with a manifest; a file that does not fit the log any more is dropped and made anew.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp import device
from memapp.layers import dense_gpu
from memapp.protocols import EmbedderIdentity
from memapp.settings import Settings
from memapp.store import content, derived
from memapp.store.derived import Stamp
from memapp.store.log import Store, living
from memapp.types import Change, LayerStats, Query, Score, Vectors

SAVE_FROM = 20_000
"""Vectors from which reading a file is worth more than reading the rows."""
_TRAIN_PER_LIST = 64
_COMPONENT = 0.3
"""Components of unit vectors of some hundred dimensions lie within this; a fixed range makes codes independent
of what came first."""


class DenseLayer:
    """Nearest vectors by inner product. Safe from several threads.

    `exact` holds the float16 values of the store's rows, so nothing is lost; `sq8` a quarter of a
    float32's memory; `ivf` searches a part of the lists (Jégou et al., Product Quantization for
    Nearest Neighbor Search, 2011, with float16 codes) and is trained again when it has doubled.
    """

    name = "dense"

    def __init__(self, store: Store, identity: EmbedderIdentity, settings: Settings) -> None:
        self._store = store
        self._identity = identity
        self._settings = settings
        self._lock = threading.RLock()
        self._index: Any = None
        self._kind = "exact"
        self._trained_on = 0
        self._cursor = 0
        self._saved = 0
        self._gpu: tuple[int, dense_gpu.GpuCopy] | None = None
        """The copy on a GPU, and the cursor that it was made at."""

    @property
    def cursor(self) -> int:
        """Position of the last change that the index reflects."""
        with self._lock:
            self._load()
            return self._cursor

    def apply(self, changes: Sequence[Change]) -> None:
        """Adds and removes vectors; the file of an index that held a forgotten one goes at once."""
        with self._lock:
            self._load()
            fresh = [change for change in changes if change.position > self._cursor]
            if not fresh:
                return
            self._store.require(self._identity)
            gone = _ranges(fresh, "forget")
            if gone:
                self._remove(gone)
                derived.remove(self._path)
                self._saved = 0
            come = _ranges(fresh, "insert")
            if come:
                ids, vectors = content.stretches(self._store, come, self._identity.dimension)
                self._remove(come)
                self._add(ids, vectors)
            self._cursor = fresh[-1].position

    def recall(self, query: Query, k: int) -> list[Score]:
        """The k nearest passages by cosine, ties by id."""
        with self._lock:
            self._load()
            if query.vector is None or self._index.ntotal == 0:
                return []
            vector = query.vector.reshape(1, -1).astype(np.float32)
            wanted = min(k, self._index.ntotal)
            with _one_thread():
                values, ids = self._fastest(wanted).search(vector, wanted)
        found = [(float(value), int(id)) for value, id in zip(values[0], ids[0], strict=True) if id >= 0]
        return [Score(id, value) for value, id in sorted(found, key=lambda pair: (-pair[0], pair[1]))]

    def rebuild(self) -> None:
        """Reads every row anew."""
        with self._lock:
            derived.remove(self._path)
            self._fresh()
            self._gpu = None
            self.save()

    def save(self) -> None:
        """Writes the index beside the store when it is large and has changed by a twentieth."""
        with self._lock:
            if self._index is None or self._index.ntotal < SAVE_FROM or self._cursor == self._saved:
                return
            if self._saved and self._cursor - self._saved < self._index.ntotal // 20:
                return
            import faiss

            stamp = Stamp(self._cursor, self._store.mark(self._cursor), self._identity.sha256, self._kind)
            if derived.write(self._path, faiss.serialize_index(self._index).tobytes(), stamp):
                self._saved = self._cursor

    def stats(self) -> LayerStats:
        """Cursor, vectors and bytes in memory."""
        with self._lock:
            self._load()
            width = 1 if self._kind == "sq8" else 2
            size = self._index.ntotal * (self._identity.dimension * width + 8)
            return LayerStats(self.name, self._cursor, self._index.ntotal, size, f"FAISS {self._kind}")

    def _fastest(self, k: int) -> Any:
        """What to search: the index, or its copy on a GPU, made when the index has changed since the last one."""
        if self._kind == "sq8" or k > dense_gpu.MOST or device.faiss_device().value != "gpu":
            return self._index
        if self._gpu is None or self._gpu[0] != self._cursor:
            self._gpu = self._cursor, dense_gpu.GpuCopy(self._index, self._kind)
        return self._gpu[1]

    @property
    def _path(self) -> Path:
        return self._store.database.derived(self._store.number()) / "dense.faiss"

    def _load(self) -> None:
        """Takes the saved file when it belongs to this log, else the rows."""
        if self._index is not None:
            return
        self._store.require(self._identity)
        loaded = derived.read(self._path, _index)
        if loaded is not None:
            index, stamp = loaded
            fits = stamp.identity == self._identity.sha256 and stamp.mark == self._store.mark(stamp.position)
            if fits and stamp.kind == self._wanted(index.ntotal):
                self._index, self._kind = index, stamp.kind
                self._trained_on = index.ntotal
                self._cursor = self._saved = stamp.position
                return
            derived.remove(self._path)
        self._fresh()

    def _fresh(self) -> None:
        changes = self._store.changes()
        ids, vectors = content.stretches(self._store, living(changes).items(), self._identity.dimension)
        self._kind = self._wanted(len(ids))
        self._index = _make(self._kind, self._identity.dimension, vectors)
        self._trained_on = len(ids)
        if len(ids):
            self._index.add_with_ids(vectors, ids)
        self._cursor = changes[-1].position if changes else 0
        self._saved = 0

    def _add(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        total = self._index.ntotal + len(ids)
        if self._wanted(total) != self._kind or (self._kind == "ivf" and total > 2 * self._trained_on):
            self._fresh()
        elif len(ids):
            self._index.add_with_ids(vectors, ids)

    def _remove(self, ranges: Iterable[tuple[int, int]]) -> None:
        ids = np.concatenate([np.arange(first, last + 1, dtype=np.int64) for first, last in ranges])
        if self._index.ntotal:
            self._index.remove_ids(ids)

    def _wanted(self, total: int) -> str:
        chosen = self._settings.dense_index
        if chosen != "auto":
            return chosen if chosen != "ivf" or total >= _TRAIN_PER_LIST else "exact"
        return "exact" if total <= self._settings.dense_exact else "ivf"


def _ranges(changes: Sequence[Change], kind: str) -> list[tuple[int, int]]:
    return [(change.first, change.last) for change in changes if change.kind == kind]


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS shares out queries, not vectors: for one query more threads only wait, and long on a busy machine."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _index(data: bytes) -> Any:
    import faiss

    return faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))


def _make(kind: str, dimension: int, vectors: Vectors) -> Any:
    """An empty index of this kind, trained where it has to be."""
    import faiss

    if kind == "ivf":
        lists = max(1, min(int(4 * len(vectors) ** 0.5), len(vectors) // _TRAIN_PER_LIST))
        inverted: Any = faiss.index_factory(dimension, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
        inverted.nprobe = max(8, lists // 16)
        inverted.train(vectors)
        return inverted
    code = faiss.ScalarQuantizer.QT_8bit if kind == "sq8" else faiss.ScalarQuantizer.QT_fp16
    flat: Any = faiss.IndexScalarQuantizer(dimension, code, faiss.METRIC_INNER_PRODUCT)
    if kind == "sq8":
        flat.train(np.repeat(np.array([[-_COMPONENT], [_COMPONENT]], np.float32), dimension, axis=1))
    return faiss.IndexIDMap2(flat)
