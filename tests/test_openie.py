"""Facts by the chat model and from a file: resumed, bounded, cancelled, erased, and in the graph like all else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from memapp.errors import Malformed, ModelMissing, UsageError
from memapp.extract.openie import BROKE_OFF, NOT_JSON, NOT_THERE
from memapp.layers.graph.layer import GraphLayer
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.store import extractions
from memapp.store.extractions import IMPORT, OPENIE, TAGGER, TRIES
from memapp.store.schema import extraction_failures
from memapp.types import Extraction, Fact, Message, OriginStats, Progress

TOWNS = ("Brask", "Corvel", "Dunmar", "Eskeby", "Fallow")
RELATION = "quorblexed"
"""A word that no passage holds."""


def text(town: str) -> str:
    return f"The mill of {town} stands by the river Orm."


def answer(messages: Sequence[Message]) -> str:
    """What a good model says of these passages."""
    town = next(town for town in TOWNS for message in messages[4:] if town in message.content)
    if "triples" in messages[-1].content:
        return json.dumps({"triples": [[town, RELATION, "river Orm"], [town, "is", "Atlantis"]]})
    return json.dumps({"entities": [town, "river Orm"]})


class Sometimes:
    """Answers well except on the named towns, where it says the given text."""

    def __init__(self, *bad: str, said: str = "no JSON") -> None:
        self.bad, self.said = set(bad), said
        self.asked: list[str] = []

    def __call__(self, messages: Sequence[Message]) -> str:
        town = next(town for town in TOWNS for message in messages[4:] if town in message.content)
        self.asked.append(town)
        return self.said if town in self.bad else answer(messages)


Open = Callable[..., Memory]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "notes.db"


@pytest.fixture
def open_memory(path: Path) -> Iterator[Open]:
    opened: list[Memory] = []

    def open_it(answers: Any = answer, **options: Any) -> Memory:
        engine = ScriptedEngine(answers, **options)
        opened.append(Memory.open(path, embedder=ScriptedEmbedder(), engine=engine))
        return opened[-1]

    yield open_it
    for memory in opened:
        memory.close()


def filled(memory: Memory) -> Memory:
    for town in TOWNS:
        memory.add(text(town), id=town, title=town)
    return memory


def known(memory: Memory, origin: str = OPENIE) -> dict[str, Extraction]:
    ids = {memory.passages(info.id)[0].id: info.id for info in memory.documents()}
    found = extractions.of_origin(memory._store, origin, list(ids))
    return {ids[id]: each for id, each in found.items()}


def assert_graph_is_fresh(memory: Memory) -> None:
    memory.search("mill", layers=["graph"])
    layer = memory._layers["graph"]
    assert isinstance(layer, GraphLayer)
    fresh = GraphLayer(memory._store)
    fresh.rebuild()
    assert layer.state().canonical() == fresh.state().canonical()


def failures(memory: Memory) -> list[tuple[str, int]]:
    with memory._store.database.reading() as connection:
        rows = connection.execute(sa.select(extraction_failures).order_by(extraction_failures.c.passage))
        return [(row.reason, row.tries) for row in rows]


def test_every_passage_is_read_once_and_the_graph_learns_it(open_memory: Open) -> None:
    memory = filled(open_memory())
    memory.search("mill")
    before = memory._layers["graph"].stats().kind
    seen: list[Progress] = []
    report = memory.extract_facts(progress=seen.append)
    assert (report.read, report.facts, report.failed, report.remaining) == (5, 5, (), 0)
    assert report.dropped == {NOT_THERE: 5}
    assert report.tokens > 0
    assert not report.interrupted
    assert [(one.done, one.total) for one in seen] == [(n, 5) for n in range(1, 6)]
    expected = {town: Extraction((town, "river Orm"), (Fact(town, RELATION, "river Orm"),)) for town in TOWNS}
    assert known(memory) == expected
    assert memory._layers["graph"].stats().kind != before
    assert_graph_is_fresh(memory)
    again = memory.extract_facts()
    assert (again.read, again.tokens) == (0, 0)


@pytest.mark.parametrize("budget", [{"limit": 2}, {"tokens": 20}])
def test_a_budget_ends_it_and_the_next_run_goes_on(open_memory: Open, budget: dict[str, int]) -> None:
    memory = filled(open_memory())
    first = memory.extract_facts(**budget)  # type: ignore[arg-type]
    assert 0 < first.read < 5
    assert first.remaining == 5 - first.read
    assert set(known(memory)) == set(TOWNS[: first.read])
    assert memory.extract_facts().read == first.remaining
    assert set(known(memory)) == set(TOWNS)


def test_no_time_is_no_passage(open_memory: Open) -> None:
    memory = filled(open_memory())
    assert memory.extract_facts(seconds=0).remaining == 5
    with pytest.raises(UsageError):
        memory.extract_facts(limit=-1)


def test_cancelling_keeps_what_is_committed(open_memory: Open) -> None:
    memory, cancel = filled(open_memory()), threading.Event()

    def stop(progress: Progress) -> None:
        if progress.done == 2:
            cancel.set()

    report = memory.extract_facts(progress=stop, cancel=cancel)
    assert (report.read, report.remaining, report.interrupted) == (2, 3, True)
    assert failures(memory) == []


def test_cancelling_within_a_passage_is_no_failure(path: Path) -> None:
    engine, cancel = ScriptedEngine.stepwise(answer), threading.Event()
    with Memory.open(path, embedder=ScriptedEmbedder(), engine=engine) as memory:
        filled(memory)
        reports: list[Any] = []
        thread = threading.Thread(target=lambda: reports.append(memory.extract_facts(cancel=cancel)))
        thread.start()
        engine.step(2)
        assert memory.recall("mill", 5)  # the store is free meanwhile
        cancel.set()
        thread.join(20)
        assert (reports[0].read, reports[0].remaining, reports[0].interrupted) == (0, 5, True)
        assert failures(memory) == []


def test_a_failure_is_kept_and_tried_three_times_in_all(open_memory: Open) -> None:
    said = Sometimes("Corvel", "Dunmar", said="no JSON: Corvel")
    memory = filled(open_memory(said))
    for tries in range(1, TRIES + 1):
        report = memory.extract_facts()
        assert [(one.source, one.reason) for one in report.failed] == [("Corvel", NOT_JSON), ("Dunmar", NOT_JSON)]
        assert failures(memory) == [(NOT_JSON, tries)] * 2
        assert report.remaining == (2 if tries < TRIES else 0)
    assert known(memory).keys() == set(TOWNS) - {"Corvel", "Dunmar"}
    said.asked.clear()
    assert memory.extract_facts().failed == ()
    assert said.asked == []
    assert OriginStats(OPENIE, 3, 2, 2) in memory.origins()


def test_what_failed_and_then_succeeds_is_no_failure_any_more(open_memory: Open) -> None:
    said = Sometimes("Corvel")
    memory = filled(open_memory(said))
    assert len(memory.extract_facts().failed) == 1
    said.bad.clear()
    report = memory.extract_facts()
    assert (report.read, report.failed, report.remaining) == (1, (), 0)
    assert failures(memory) == []


def test_a_passage_that_does_not_fit_is_a_failure(open_memory: Open) -> None:
    memory = filled(open_memory(context_tokens=60))
    report = memory.extract_facts()
    assert len(report.failed) == 5
    assert report.read == 0
    assert known(memory) == {}


def test_a_model_that_is_not_there_ends_the_run_and_keeps_what_is_done(open_memory: Open) -> None:
    def fails_later(messages: Sequence[Message]) -> str:
        if any("Dunmar" in message.content for message in messages):
            raise ModelMissing("It is gone.", "Get it.")
        return answer(messages)

    memory = filled(open_memory(fails_later))
    with pytest.raises(ModelMissing):
        memory.extract_facts()
    assert set(known(memory)) == {"Brask", "Corvel"}
    assert failures(memory) == []


def test_what_is_forgotten_meanwhile_is_not_brought_back(open_memory: Open) -> None:
    held: list[Memory] = []

    def forgets(messages: Sequence[Message]) -> str:
        said = answer(messages)
        for town in ("Brask", "Corvel"):
            if any(info.id == town for info in held[0].documents()) and town in said:
                held[0].forget(town)
                return "no JSON" if town == "Corvel" else said
        return said

    memory = filled(open_memory(forgets))
    held.append(memory)
    report = memory.extract_facts(limit=3)
    assert report.read == 1
    assert set(known(memory)) == {"Dunmar"}
    assert failures(memory) == []
    assert all(check.ok for check in memory.verify())


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_forgetting_takes_rows_facts_failures_and_every_byte(open_memory: Open, path: Path) -> None:
    memory = filled(open_memory(Sometimes("Corvel")))
    memory.extract_facts()
    memory.import_facts(facts_file(path, (f"Brask\n{text('Brask')}", ["Brask"], [["Brask", "zyzzogetonized", "Orm"]])))
    assert RELATION.encode() in bytes_of(path.parent)
    assert b"zyzzogetonized" in bytes_of(path.parent)
    memory.search("mill")
    report = memory.forget("Brask", "Corvel", verify=True)
    assert all(check.ok for check in report.checks)
    assert failures(memory) == []
    assert b"zyzzogetonized" not in bytes_of(path.parent)
    assert b"Brask" not in bytes_of(path.parent)
    assert_graph_is_fresh(memory)
    memory.forget("Dunmar", "Eskeby", "Fallow")
    assert RELATION.encode() not in bytes_of(path.parent)
    assert memory.origins() == []


def test_dropped_facts_leave_with_their_passage(open_memory: Open, path: Path) -> None:
    memory = filled(open_memory())
    memory.extract_facts()
    assert memory.drop_facts(OPENIE) == 5
    assert known(memory) == {}
    assert_graph_is_fresh(memory)
    memory.forget(*TOWNS)
    assert RELATION.encode() not in bytes_of(path.parent)


def test_dropping_lets_the_failed_be_tried_again(open_memory: Open) -> None:
    memory = filled(open_memory(Sometimes(*TOWNS)))
    for _ in range(TRIES):
        memory.extract_facts()
    assert memory.extract_facts().remaining == 0
    assert memory.drop_facts(OPENIE) == 0
    assert len(memory.extract_facts(limit=2).failed) == 2
    with pytest.raises(UsageError, match="nobody"):
        memory.drop_facts("nobody")


_KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from test_openie import answer
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine

def dies(messages):
    if any("Dunmar" in message.content for message in messages):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(messages)

with Memory.open(sys.argv[1], embedder=ScriptedEmbedder(), engine=ScriptedEngine(dies)) as memory:
    memory.extract_facts()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
def test_a_killed_run_is_gone_on_with(open_memory: Open, path: Path) -> None:
    memory = filled(open_memory(said := Sometimes()))
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(path), str(Path(__file__).parent)], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert set(known(memory)) == {"Brask", "Corvel"}
    assert memory.extract_facts().read == 3
    assert set(said.asked) == {"Dunmar", "Eskeby", "Fallow"}
    assert_graph_is_fresh(memory)
    assert all(check.ok for check in memory.verify())


def test_namespaces_do_not_see_one_another(open_memory: Open, path: Path) -> None:
    memory = filled(open_memory())
    with Memory.open(path, namespace="other", embedder=ScriptedEmbedder(), engine=ScriptedEngine(answer)) as other:
        other.add(text("Brask"), id="Brask")
        assert memory.extract_facts().read == 5
        assert [one.origin for one in other.origins()] == [TAGGER]
        assert other.extract_facts().read == 1
        assert memory.drop_facts(OPENIE) == 5
        assert OriginStats(OPENIE, 1, 0, 0) in other.origins()


# From a file


Doc = tuple[str, Any, Any]


def facts_file(path: Path, *docs: Doc) -> Path:
    """A file beside the store's folder."""
    file = path.parent.parent / "facts.json"
    keys = ("passage", "extracted_entities", "extracted_triples")
    listed = [{"idx": str(n), **dict(zip(keys, doc, strict=True))} for n, doc in enumerate(docs)]
    file.write_text(json.dumps({"docs": listed}))
    return file


def test_facts_from_a_file_fit_by_text_then_by_words(open_memory: Open, path: Path) -> None:
    memory = filled(open_memory())
    memory.search("mill")
    file = facts_file(
        path,
        (f"Brask\n{text('Brask')}", ["Brask"], [["Brask", "lies on", "Orm"], ["Brask", "lies"], ["Brask", 1, "Orm"]]),
        (f"CORVEL: {text('Corvel')}".replace(" ", "  "), ["Corvel"], [["Corvel", "lies on", "Orm"]]),
        (f"Dunmar\n{text('Eskeby')}", ["Dunmar"], []),
        (f"Eskeby\n{text('Eskeby')}", "no list", "[]"),
    )
    report = memory.import_facts(file)
    assert (report.stored, report.unchanged, report.facts) == (3, 0, 2)
    assert [(one.source, one.reason) for one in report.failed] == [("docs[2]", "No passage has this text.")]
    assert report.dropped == {"not three parts": 1, "not text": 1, "no list": 2}
    assert known(memory, IMPORT) == {
        "Brask": Extraction(("Brask",), (Fact("Brask", "lies on", "Orm"),)),
        "Corvel": Extraction(("Corvel",), (Fact("Corvel", "lies on", "Orm"),)),
        "Eskeby": Extraction(),
    }
    assert_graph_is_fresh(memory)


def test_a_file_twice_changes_nothing(open_memory: Open, path: Path) -> None:
    memory = filled(open_memory())
    doc = (f"Brask\n{text('Brask')}", ["Brask"], [["Brask", "lies on", "Orm"]])
    memory.import_facts(facts_file(path, doc))
    head = memory._store.head()
    again = memory.import_facts(facts_file(path, doc))
    assert (again.stored, again.unchanged, again.facts) == (0, 1, 1)
    assert memory._store.head() == head
    changed = memory.import_facts(facts_file(path, (*doc[:2], [["Brask", "left", "Orm"]])))
    assert changed.stored == 1
    assert known(memory, IMPORT)["Brask"].facts == (Fact("Brask", "left", "Orm"),)


def test_the_same_text_in_two_documents_and_in_two_entries(open_memory: Open, path: Path) -> None:
    memory = open_memory()
    for id in ("one", "two"):
        memory.add(text("Brask"), id=id, title="Brask")
    passage = f"Brask\n{text('Brask')}"
    docs = [(passage, ["Brask"], [["Brask", "lies on", "Orm"]]), (passage, ["Brask", "Orm"], [])]
    assert memory.import_facts(facts_file(path, *docs)).stored == 2
    expected = Extraction(("Brask", "Orm"), (Fact("Brask", "lies on", "Orm"),))
    assert known(memory, IMPORT) == {"one": expected, "two": expected}


def test_a_file_of_another_form_changes_nothing(open_memory: Open, path: Path) -> None:
    memory = filled(open_memory())
    file = path.parent.parent / "facts.json"
    file.write_text("[]")
    with pytest.raises(Malformed):
        memory.import_facts(file)
    assert [one.origin for one in memory.origins()] == [TAGGER]


def test_a_broken_model_leaves_no_word_of_the_passage_in_the_reason(open_memory: Open, path: Path) -> None:
    from memapp.errors import GenerationFailed

    def quotes(messages: Sequence[Message]) -> str:
        raise GenerationFailed(messages[-1].content)

    memory = filled(open_memory(quotes))
    report = memory.extract_facts()
    assert {one.reason for one in report.failed} == {BROKE_OFF}
    assert failures(memory) == [(BROKE_OFF, 1)] * 5
