"""Several processes, and several threads, on one store: nothing is locked out, lost or half there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from memapp.errors import UsageError
from memapp.evaluate import concurrency
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine


def test_processes(tmp_path: Path) -> None:
    outcome = concurrency.contend(tmp_path / "memory.db", seconds=3, writers=2, readers=4)
    assert (outcome.errors, outcome.wrong, outcome.failed) == ((), (), ())
    assert outcome.writes > 4
    assert outcome.reads > 10
    assert outcome.documents > 0


def test_a_reader_would_notice_a_text_that_is_not_whole(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "memory.db", embedder=ScriptedEmbedder()) as memory:
        memory.add("version 1 of document, part 0 goes on", id="document-1", metadata={"version": 1})
    said = concurrency.read(tmp_path / "memory.db", 0, 0.3)
    assert any("half there" in what for what in said["wrong"])
    assert any("not of its text" in what for what in said["wrong"])


def _together(*works: Callable[[], None]) -> list[BaseException]:
    """Runs each in a thread of its own; returns what they raised."""
    raised: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return raised


def test_threads_on_one_memory(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda _: "The heron waits [1].")
    with Memory.open(tmp_path / "memory.db", embedder=ScriptedEmbedder(), engine=engine) as memory:
        memory.add("The heron waits at the pond.", id="heron")

        def writes(name: str) -> Callable[[], None]:
            def work() -> None:
                for i in range(15):
                    memory.add(f"{name} saw heron number {i} at the pond.", id=f"{name}{i}")
                    if i % 3 == 2:
                        memory.forget(f"{name}{i - 1}")

            return work

        def asks() -> None:
            for _ in range(10):
                assert memory.recall("heron at the pond")
                assert memory.ask("What does the heron do?").text
                list(memory.chat("And then?", "one session"))
                memory.stats()

        def looks() -> None:
            for _ in range(20):
                for info in memory.documents():
                    try:
                        assert memory.document(info.id).text
                    except UsageError:
                        continue

        assert _together(writes("ann"), writes("bob"), asks, asks, looks) == []
        assert {info.id for info in memory.documents()} == {
            "heron",
            *(f"{name}{i}" for name in ("ann", "bob") for i in range(15) if i % 3 != 1),
        }
        assert len(memory.turns("one session")) == 20
        assert all(check.ok for check in memory.verify())


def test_two_memories_of_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = tmp_path / "memory.db"
    with Memory.open(store, embedder=ScriptedEmbedder()) as first:
        first.add("one", id="a")
        with Memory.open(store, embedder=ScriptedEmbedder(), namespace="other") as second:
            second.add("two", id="a")
            first.forget("a", verify=True)
            assert second.document("a").text == "two"
        first.add("three", id="b")
        assert [hit.passage.document for hit in first.recall("three")] == ["b"]
        assert all(check.ok for check in first.verify())


def test_a_closed_memory_may_be_closed_again(tmp_path: Path) -> None:
    memory = Memory.open(tmp_path / "memory.db", embedder=ScriptedEmbedder())
    memory.close()
    memory.close()


@pytest.mark.parametrize("count", [30])
def test_more_threads_than_pooled_connections(tmp_path: Path, count: int) -> None:
    with Memory.open(tmp_path / "memory.db", embedder=ScriptedEmbedder()) as memory:
        memory.add("a heron")
        barrier = threading.Barrier(count)

        def asks() -> None:
            with memory._store.database.reading() as connection:
                connection.exec_driver_sql("SELECT 1").all()
                barrier.wait(30)

        assert _together(*[asks] * count) == []
        assert memory.recall("heron")
