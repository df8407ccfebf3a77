"""One query is searched for by one thread, and what comes after has all of them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from memapp.layers.dense import DenseLayer
from memapp.protocols import EmbedderIdentity
from memapp.settings import Settings
from memapp.store.log import Entry, Store
from memapp.types import Document, Query, Span

IDENTITY = EmbedderIdentity("given", 4, "1" * 64)


def test_a_search_uses_one_thread_and_gives_the_others_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "notes.db", "default")
    vector = np.eye(1, 4, dtype=np.float32)
    store.put([Entry(Document("d", "", "text"), (Span(0, 4),), vector)], IDENTITY)
    layer = DenseLayer(store, IDENTITY, Settings())
    assert [score.passage for score in layer.recall(Query("", vector[0]), 5)] == [1]
    threads: list[int] = []
    real = layer._index

    class Watched:
        ntotal = real.ntotal

        def search(self, *given: Any) -> Any:
            threads.append(faiss.omp_get_max_threads())
            return real.search(*given)

    monkeypatch.setattr(layer, "_index", Watched())
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        assert [score.passage for score in layer.recall(Query("", vector[0]), 5)] == [1]
        assert threads == [1]
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)
        store.close()
