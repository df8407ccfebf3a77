"""The story of ingest, when all goes well and when any of its three threads does not."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from memapp import ingest as ingesting
from memapp.errors import StoreFull
from memapp.extract.extractor import RuleExtractor
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder
from memapp.settings import Settings
from memapp.store import content
from memapp.store.log import Store
from memapp.types import Document, Failure, IngestReport, Progress, Vectors


class WatchedEmbedder(ScriptedEmbedder):
    """Calls `before` with the number of the call, before it embeds."""

    def __init__(self, before: Callable[[int], None]) -> None:
        super().__init__()
        self._before = before

    def embed(self, texts: Sequence[str]) -> Vectors:
        """As the scripted one."""
        self._before(len(self.calls))
        return super().embed(texts)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "notes.db", "default", busy_seconds=5)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of few passages."""
    monkeypatch.setattr(ingesting, "_BATCH_PASSAGES", 4)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("memapp-")]


def documents(count: int) -> list[Document]:
    return [Document(f"d{i}", f"T{i}", f"text number {i}", f"/f/{i}") for i in range(count)]


def take_in(store: Store, what: Any, embedder: ScriptedEmbedder | None = None, **options: Any) -> IngestReport:
    models = ingesting.Models(embedder or ScriptedEmbedder(), RuleExtractor())
    return ingesting.ingest(what, store, models, Settings(busy_seconds=5), **options)


def kept(store: Store) -> list[str]:
    return [info.id for info in content.infos(store)]


def test_what_became_of_each_item(store: Store) -> None:
    first = take_in(store, [*documents(10), Failure("/bad", "It is broken.")])
    assert len(first.added) == 10
    assert [(item.source, item.reason) for item in first.failed] == [("/bad", "It is broken.")]
    again = [Document("d3", "T3", "changed", "/f/3"), *documents(3), Document("e", "", " \n ", "/e")]
    second = take_in(store, again)
    assert [item.document for item in second.added] == ["d3"]
    assert [item.state for item in second.added] == ["updated"]
    assert sorted(item.document for item in second.unchanged) == ["d0", "d1", "d2"]
    assert [(item.document, item.reason) for item in second.failed] == [("e", "It holds no text.")]
    assert set(second.seconds) == {"read", "split", "embed", "extract", "commit", "total"}
    assert len(kept(store)) == 10


def test_an_id_that_goes_back_and_forth_in_one_batch(store: Store) -> None:
    one, two = Document("a", "", "one"), Document("a", "", "two")
    take_in(store, [one])
    take_in(store, [two, one])
    found = content.document(store, "a")
    assert found is not None
    assert found.text == "one"


def test_a_document_of_many_passages_is_one_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    long = Document("long", "", " ".join(f"Sentence number {i} is here." for i in range(2000)))
    embedder = ScriptedEmbedder()
    report = take_in(store, [long, *documents(2)], embedder)
    assert report.items[0].passages > 16
    assert max(map(len, embedder.calls)) <= 16
    assert content.document(store, "long") == long


def test_progress_tells_how_far_it_is(store: Store) -> None:
    seen: list[Progress] = []
    take_in(store, documents(10), progress=seen.append)
    embedded = [one.done for one in seen if one.stage == "embed"]
    assert embedded == sorted(embedded)
    assert embedded[-1] == 10


def _breaking(count: int, error: BaseException) -> Iterator[Document]:
    yield from documents(count)
    raise error


def test_an_exception_while_reading_is_raised_and_what_is_committed_stays(store: Store) -> None:
    with pytest.raises(OSError, match="gone"):
        take_in(store, _breaking(9, OSError("gone")))
    assert set(kept(store)) <= {f"d{i}" for i in range(9)}
    assert len(kept(store)) >= 4


@pytest.mark.parametrize("count", [3, 100])
def test_an_exception_while_committing_is_raised(store: Store, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    def full(*_: Any) -> None:
        raise StoreFull("No room.", "Free some.")

    monkeypatch.setattr(store, "put", full)
    with pytest.raises(StoreFull):
        take_in(store, documents(count))
    assert kept(store) == []


def test_an_exception_while_embedding_is_raised(store: Store) -> None:
    def breaks(call: int) -> None:
        if call == 3:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        take_in(store, documents(100), WatchedEmbedder(breaks))
    assert len(kept(store)) == 12


def test_an_exception_in_progress_is_raised(store: Store, tmp_path: Path) -> None:
    def shows(progress: Progress) -> None:
        raise RuntimeError("the terminal is gone")

    with pytest.raises(RuntimeError, match="terminal"):
        take_in(store, documents(100), progress=shows)
    (tmp_path / "a.txt").write_text("One.", encoding="utf-8")
    with pytest.raises(RuntimeError, match="terminal"):
        take_in(store, ingesting.from_paths([tmp_path], Settings(), progress=shows))


def test_reading_tells_how_many_bytes_are_left(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One.", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "two"}\n{"text": "three"}\n', encoding="utf-8")
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    seen: list[Progress] = []
    assert len(list(ingesting.from_paths([tmp_path], Settings(), progress=seen.append))) == 3
    assert {(one.stage, one.total) for one in seen} == {("read", size)}
    done = [one.done for one in seen]
    assert done == sorted(done)
    assert done[-1] == size


def test_the_files_of_the_store_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One.", encoding="utf-8")
    with Memory.open(tmp_path / "memory.db", embedder=ScriptedEmbedder()) as memory:
        report = memory.ingest([tmp_path])
        assert [item.state for item in report.items] == ["added"]


def test_progress_comes_from_one_thread_at_a_time(store: Store) -> None:
    take_in(store, documents(40))
    inside = threading.Lock()

    def shows(progress: Progress) -> None:
        assert inside.acquire(blocking=False)
        time.sleep(0.001)
        inside.release()

    mixed = [Document(d.id, d.title, d.text + (" new" if i % 2 else ""), d.source) for i, d in enumerate(documents(60))]
    take_in(store, mixed, progress=shows)


def test_cancel_ends_it_and_the_next_run_does_the_rest(store: Store) -> None:
    cancel = threading.Event()

    def cancels(call: int) -> None:
        if call == 2:
            cancel.set()

    report = take_in(store, documents(1000), WatchedEmbedder(cancels), cancel=cancel)
    assert report.interrupted
    assert 8 <= len(report.added) == len(kept(store)) < 1000
    rest = take_in(store, documents(1000))
    assert not rest.interrupted
    assert len(rest.unchanged) == len(report.added)
    assert len(kept(store)) == 1000


def test_cancelled_before_it_began(store: Store) -> None:
    cancel = threading.Event()
    cancel.set()
    report = take_in(store, documents(1000), cancel=cancel)
    assert report.interrupted
    assert len(kept(store)) < 100


def _interrupted_meanwhile() -> None:
    """Returns once Ctrl-C came from elsewhere: never later, when it would end whatever runs then."""
    sent = threading.Event()

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        sent.set()

    threading.Timer(0.2, interrupt).start()
    assert sent.wait(60)


def test_ctrl_c_while_it_embeds(store: Store) -> None:
    def interrupts(call: int) -> None:
        if call == 2:
            signal.raise_signal(signal.SIGINT)

    report = take_in(store, documents(1000), WatchedEmbedder(interrupts))
    assert report.interrupted
    assert len(report.added) == len(kept(store)) == 8


def test_ctrl_c_while_it_waits_for_a_reader(store: Store) -> None:
    def slow() -> Iterator[Document]:
        yield from documents(6)
        _interrupted_meanwhile()

    report = take_in(store, slow())
    assert report.interrupted
    assert kept(store) == ["d0", "d1", "d2", "d3"]


def test_ctrl_c_while_the_last_is_committed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put = store.put

    def slow(*arguments: Any) -> Any:
        _interrupted_meanwhile()
        return put(*arguments)

    monkeypatch.setattr(store, "put", slow)
    report = take_in(store, documents(3))
    assert report.interrupted
    assert len(report.added) == len(kept(store)) == 3


def test_nothing_is_nothing(store: Store) -> None:
    report = take_in(store, [])
    assert (report.items, report.interrupted) == ((), False)
    assert store.head() == 0
