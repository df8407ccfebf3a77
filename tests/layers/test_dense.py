"""The dense layer's own promises: which index, how near to exact, when it is saved."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memapp.errors import EmbedderMismatch
from memapp.layers import dense
from memapp.layers.dense import DenseLayer
from memapp.protocols import EmbedderIdentity
from memapp.search import catch_up
from memapp.settings import Settings
from memapp.store.log import Entry, Store
from memapp.types import Document, Query, Span, Vectors

IDENTITY = EmbedderIdentity("given", 16, "1" * 64)


def unit(rows: int, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(rows, 16)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def put(store: Store, vectors: Vectors, name: str = "d") -> None:
    entries = [
        Entry(Document(f"{name}{i}", "", "text"), (Span(0, 4),), vectors[i : i + 1]) for i in range(len(vectors))
    ]
    store.put(entries, IDENTITY)


def layer(store: Store, **chosen: Any) -> DenseLayer:
    made = DenseLayer(store, IDENTITY, Settings(**chosen))
    catch_up(made, store)
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "notes.db", "default", busy_seconds=5)
    yield opened
    opened.close()


def test_exact_is_the_inner_product(store: Store) -> None:
    vectors = unit(300)
    put(store, vectors)
    query = unit(1, seed=9)[0]
    found = layer(store).recall(Query("", query), 300)
    expected = vectors.astype(np.float16).astype(np.float32) @ query
    assert [score.passage - 1 for score in found] == list(np.argsort(-expected, kind="stable"))
    np.testing.assert_allclose([score.value for score in found], np.sort(expected)[::-1], atol=1e-5)


def test_sq8_is_near_to_exact(store: Store) -> None:
    put(store, unit(300) * 0.25)
    query = unit(1, seed=9)[0]
    exact = {s.passage: s.value for s in layer(store).recall(Query("", query), 300)}
    coded = {s.passage: s.value for s in layer(store, dense_index="sq8").recall(Query("", query), 300)}
    assert exact.keys() == coded.keys()
    assert max(abs(exact[id] - coded[id]) for id in exact) < 0.01


def test_auto_becomes_a_list_index_and_exact_again(store: Store) -> None:
    put(store, unit(700))
    made = layer(store, dense_exact=800)
    assert made.stats().kind == "FAISS exact"
    put(store, unit(200, seed=1), "e")
    catch_up(made, store)
    assert made.stats().kind == "FAISS ivf"
    assert made.stats().passages == 900
    store.forget([f"d{i}" for i in range(400)])
    put(store, unit(1, seed=2), "f")
    catch_up(made, store)
    assert (made.stats().kind, made.stats().passages) == ("FAISS exact", 501)


def test_a_list_index_finds_most_of_what_is_near_and_never_what_went(store: Store) -> None:
    centres = np.repeat(unit(20, seed=5), 100, axis=0)
    vectors = centres + 0.3 * unit(2000)
    put(store, np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32))
    listed, exact = layer(store, dense_index="ivf"), layer(store, dense_index="exact")
    gone = [f"d{i}" for i in range(0, 2000, 3)]
    store.forget(gone)
    hits = 0
    for question in unit(20, seed=5):
        query = Query("", question)
        near = [set(), set()]
        for found, one in zip(near, (listed, exact), strict=True):
            catch_up(one, store)
            found.update(score.passage for score in one.recall(query, 10))
        assert not {id for id in near[0] if (id - 1) % 3 == 0}
        hits += len(near[0] & near[1])
    assert hits >= 180


def test_it_is_saved_when_it_is_large_and_has_changed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "SAVE_FROM", 100)
    file = store.path.with_name("notes.db.layers") / "1" / "dense.faiss"
    put(store, unit(99))
    made = layer(store)
    made.save()
    assert not file.exists()
    put(store, unit(101, seed=1), "e")
    catch_up(made, store)
    made.save()
    first = file.stat().st_mtime_ns
    put(store, unit(5, seed=2), "f")
    catch_up(made, store)
    made.save()
    assert file.stat().st_mtime_ns == first
    put(store, unit(5, seed=3), "g")
    catch_up(made, store)
    made.save()
    assert file.stat().st_mtime_ns > first
    store.forget(["g1"])
    catch_up(made, store)
    assert not file.exists()


def test_a_saved_index_is_read_instead_of_the_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "SAVE_FROM", 10)
    put(store, unit(20))
    layer(store).save()
    put(store, unit(3, seed=1), "e")
    asked: list[list[tuple[int, int]]] = []
    read = dense.content.stretches

    def watched(store: Store, ranges: Any, dimension: int) -> Any:
        asked.append(list(ranges))
        return read(store, asked[-1], dimension)

    monkeypatch.setattr(dense.content, "stretches", watched)
    assert layer(store).stats().passages == 23
    assert asked == [[(21, 21), (22, 22), (23, 23)]]


def test_another_embedder_is_refused(store: Store) -> None:
    put(store, unit(3))
    other = DenseLayer(store, EmbedderIdentity("other", 16, "2" * 64), Settings())
    with pytest.raises(EmbedderMismatch, match="memapp rebuild dense"):
        other.recall(Query("", unit(1)[0]), 3)


def test_several_threads_ask_while_it_changes(store: Store) -> None:
    put(store, unit(200))
    made = layer(store)
    errors: list[BaseException] = []
    stop = threading.Event()

    def asks() -> None:
        try:
            while not stop.is_set():
                catch_up(made, store)
                found = made.recall(Query("", unit(1)[0]), 10)
                assert len(found) == 10
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=asks) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(15):
        put(store, unit(5, seed=i), f"x{i}-")
        store.forget([f"d{i}"])
    stop.set()
    for thread in threads:
        thread.join()
    catch_up(made, store)
    assert not errors
    assert made.stats().passages == 200 + 15 * 5 - 15
