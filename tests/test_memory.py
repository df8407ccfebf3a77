"""The facade end to end: feed it, ask it, chat, forget, care for it. Models are scripted, everything else is real."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memapp.errors import MemappError, ModelError, StoreForeign, UsageError
from memapp.layers import dense
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.settings import Settings
from memapp.types import Answer, Citation, Done, Progress, Recalled, Token

HERON = "The grey heron waits without moving at the edge of the pond. It eats frogs."
OTTER = "The otter swims under the ice in winter. It hunts trout at night."
SAYS = "The grey heron waits at the edge of the pond [1]."


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(lambda _: SAYS)


@pytest.fixture
def memory(tmp_path: Path, engine: ScriptedEngine) -> Iterator[Memory]:
    with Memory.open(tmp_path / "store" / "notes.db", embedder=ScriptedEmbedder(), engine=engine) as opened:
        yield opened


@pytest.fixture
def filled(memory: Memory) -> Memory:
    memory.add(HERON, id="heron", title="Heron", source="birds")
    memory.add(OTTER, id="otter", title="Otter")
    return memory


# Remembering


def test_add_tells_the_id(memory: Memory) -> None:
    (own,) = memory.add("  a text \x00 ", title="T")
    assert own.startswith("sha256:")
    assert memory.add("a text", title="T") == [own]
    assert memory.add("a text", title="U") != [own]
    assert memory.document(own).text == "a text"
    assert memory.add("other", id="mine", metadata={"a": [1, None], "b": "ö"}) == ["mine"]
    assert memory.document("mine").metadata == {"a": [1, None], "b": "ö"}


@pytest.mark.parametrize("text", ["", " \n\t ", "\x00"])
def test_there_must_be_something_to_add(memory: Memory, text: str) -> None:
    with pytest.raises(UsageError):
        memory.add(text)


def test_metadata_must_be_json(memory: Memory) -> None:
    with pytest.raises(UsageError, match="JSON"):
        memory.add("text", metadata={"a": object()})


@pytest.mark.parametrize("odd", ["\ud800", "a\x00b", "line\nbreak", "\x1b[31m"])
def test_odd_characters_in_any_field_do_no_harm(memory: Memory, odd: str) -> None:
    (id,) = memory.add(f"text {odd} text", id=f"i{odd}", title=f"t{odd}", source=f"s{odd}", metadata={f"k{odd}": odd})
    assert [info.id for info in memory.documents()] == [id]
    assert memory.recall("text")
    assert memory.matching("text")
    assert all(check.ok for check in memory.verify())
    assert memory.forget(id, verify=True).passages == 1


def test_files_and_folders(memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "heron.txt").write_text(HERON)
    (folder / "deep" / "otter.md").write_text(f"# Otter\n\n{OTTER}")
    (folder / "empty.txt").write_text("")
    monkeypatch.chdir(folder)
    report = memory.ingest(["heron.txt", "deep"])
    assert sorted(item.source for item in report.added) == [
        str(folder / "deep" / "otter.md"),
        str(folder / "heron.txt"),
    ]
    report = memory.ingest([folder])
    assert (len(report.added), len(report.unchanged), len(report.failed)) == (0, 2, 1)
    assert memory.ingest("heron.txt").unchanged
    assert memory.document("heron.txt").text == HERON
    assert [info.title for info in memory.documents(source="deep")] == ["Otter"]
    (folder / "heron.txt").write_text("Another text.")
    assert [item.state for item in memory.ingest(["heron.txt"]).added] == ["updated"]
    assert memory.forget(source="deep").documents == (str(folder / "deep" / "otter.md"),)
    assert memory.forget("heron.txt").documents == (str(folder / "heron.txt"),)
    assert memory.documents() == []


def test_standard_input(memory: Memory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Stdin:
        buffer = io.BytesIO(b'{"id": "x", "text": "from a pipe"}\n{"id": "y", "text": "too"}\n')

    (tmp_path / "heron.txt").write_text(HERON)
    monkeypatch.setattr("sys.stdin", Stdin)
    report = memory.ingest(["-", tmp_path / "heron.txt"], format=None)
    assert len(report.items) >= 2
    Stdin.buffer = io.BytesIO(b'{"id": "z", "text": "from another pipe"}\nbroken\n')
    report = memory.ingest(["-"], format="jsonl")
    assert [item.document for item in report.added] == ["z"]
    assert len(report.failed) == 1


def test_a_format_that_nobody_reads(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(UsageError, match="There is no format 'nope'"):
        memory.ingest([tmp_path], format="nope")


# Asking


def test_recall(filled: Memory) -> None:
    hits = filled.recall("Where does the heron wait?", 1)
    assert [hit.passage.document for hit in hits] == ["heron"]
    assert hits[0].layers == ("dense", "graph", "lexical")
    assert "lexical #1" in hits[0].why
    result = filled.search("trout at night", layers=["lexical"])
    assert [hit.passage.document for hit in result.hits] == ["otter"]
    assert {"embed", "lexical", "rank", "total"} <= set(result.timing_ms)
    assert filled.recall("frogs", layers=["dense", "dense"])[0].layers == ("dense",)


@pytest.mark.parametrize(
    "question", ["the of and", "what is it", "?!...", "🦦", "'\"*()-+:^", "NEAR(a b)", "a" * 50_000]
)
def test_questions_that_say_little_are_questions(filled: Memory, question: str) -> None:
    for layers in (["lexical"], ["dense"], ["graph"], None):
        assert len(filled.recall(question, layers=layers)) <= 2
    answer = filled.ask("🦦 the?!")
    assert isinstance(answer.text, str)


@pytest.mark.parametrize("question", ["", " \n "])
def test_an_empty_question_is_none(filled: Memory, question: str) -> None:
    for use in (filled.recall, filled.ask, lambda q: list(filled.stream(q)), lambda q: list(filled.chat(q, "s"))):
        with pytest.raises(UsageError, match="empty"):
            use(question)
    assert filled.turns("s") == []


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_one_at_least(filled: Memory, k: int) -> None:
    with pytest.raises(UsageError, match="at least one"):
        filled.recall("heron", k)
    with pytest.raises(UsageError, match="at least one"):
        filled.ask("heron", k)


@pytest.mark.parametrize("k", [3, 1000, 2**31, 10**30])
def test_k_may_be_huge(filled: Memory, k: int) -> None:
    assert len(filled.recall("the heron and the otter", k)) == 2


def test_a_layer_that_is_not(filled: Memory) -> None:
    for use in (filled.recall, filled.ask):
        with pytest.raises(UsageError, match=r"no layer 'nope'.*lexical, dense, graph"):
            use("heron", layers=["nope"])
    with pytest.raises(UsageError, match="nope"):
        filled.rebuild(["nope"])
    assert filled.recall("heron", layers=[])


def test_ask_cites(filled: Memory) -> None:
    answer = filled.ask("Where does the heron wait?")
    assert "edge of the pond" in answer.text
    assert "[1]" in answer.text
    assert not answer.abstained
    (citation,) = answer.citations
    assert filled.document(citation.document).text[citation.start : citation.end] == citation.text
    assert answer.tokens.generated == len(SAYS.split())
    assert answer.finish == "stop"


def test_the_stream_in_order(filled: Memory) -> None:
    events = list(filled.stream("Where does the heron wait?", 1))
    assert isinstance(events[0], Recalled)
    assert "".join(event.text for event in events if isinstance(event, Token)) == SAYS
    assert [type(event) for event in events[-2:]] == [Citation, Done]


def test_an_empty_memory_abstains(memory: Memory, engine: ScriptedEngine) -> None:
    answer = memory.ask("Anything?")
    assert answer.abstained
    assert answer.hits == ()
    assert engine.calls == []


def test_cancel(tmp_path: Path) -> None:
    engine = ScriptedEngine.stepwise([SAYS, SAYS])
    cancel = threading.Event()
    with Memory.open(tmp_path / "n.db", embedder=ScriptedEmbedder(), engine=engine) as memory:
        memory.add(HERON)
        said: list[Any] = []
        engine.step(3)
        for event in memory.chat("Where is the heron?", "s", cancel=cancel):
            said.append(event)
            if sum(isinstance(one, Token) for one in said) == 3:
                cancel.set()
        assert said[-1].answer.finish == "cancelled"
        assert [turn.question for turn in memory.turns("s")] == ["Where is the heron?"]


def test_a_follow_up_is_asked_with_the_session_in_mind(filled: Memory) -> None:
    list(filled.chat("What does the otter do?", "talk"))
    events = list(filled.chat("And what does it hunt?", "talk"))
    assert isinstance(events[0], Recalled)
    assert "otter" in events[0].question
    assert [turn.question for turn in filled.turns("talk")] == ["What does the otter do?", "And what does it hunt?"]
    assert [info.name for info in filled.sessions()] == ["talk"]
    assert [turn.question for turn in filled.search_turns("AND WHAT")] == ["And what does it hunt?"]
    assert filled.delete_session("talk") == 2
    assert filled.sessions() == []


# Forgetting


def test_forgetting(filled: Memory, tmp_path: Path) -> None:
    filled.add("The heron is not the only bird at the pond.", id="third")
    list(filled.chat("Where does the heron wait?", "s", k=1))
    assert {info.id for info in filled.matching("HERON")} == {"heron", "third"}
    report = filled.forget("heron", "heron", verify=True)
    assert (report.documents, report.passages, report.turns) == (("heron",), 1, 1)
    assert report.layers == {"lexical": 1, "dense": 1, "graph": 1}
    assert report.checks
    assert all(check.ok for check in report.checks)
    assert filled.turns("s")[0].erased
    assert "heron" not in {hit.passage.document for hit in filled.recall("heron waits pond")}
    with pytest.raises(UsageError):
        filled.document("heron")
    assert filled.forget(query="only bird").documents == ("third",)
    assert [entry.kind for entry in filled.log()] == ["forget", "forget", "insert", "insert", "insert"]
    assert len(filled.log(2)) == 2


def test_forgetting_by_several_ways_at_once(filled: Memory) -> None:
    assert set(filled.forget("otter", source="birds", query="otter").documents) == {"heron", "otter"}


def test_what_is_not_there_cannot_be_forgotten(filled: Memory) -> None:
    uses: list[Callable[[], Any]] = [
        lambda: filled.forget("nope"),
        lambda: filled.forget("heron", "nope"),
        filled.forget,
        lambda: filled.forget(source="nope"),
        lambda: filled.forget(query="nope nope"),
        lambda: filled.forget(query="  "),
        lambda: filled.document("nope"),
        lambda: filled.passages("nope"),
    ]
    for use in uses:
        with pytest.raises(UsageError) as error:
            use()
        assert error.value.hint
    assert len(filled.documents()) == 2


def test_a_saved_index_holds_nothing_forgotten_whatever_layers_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "SAVE_FROM", 2)
    store = tmp_path / "n.db"
    with Memory.open(store, embedder=ScriptedEmbedder()) as memory:
        for i in range(5):
            memory.add(f"text {i}", id=str(i))
        memory.recall("text")
    file = tmp_path / "n.db.layers" / "1" / "dense.faiss"
    assert file.exists()
    with Memory.open(store, embedder=ScriptedEmbedder(), settings=Settings(layers=("lexical",))) as memory:
        memory.forget("1")
    assert not file.exists()


# Care


def test_stats(filled: Memory, tmp_path: Path) -> None:
    stats = filled.stats()
    assert (stats.namespace, stats.documents, stats.passages, stats.changes) == ("default", 2, 2, 2)
    assert stats.characters == len(HERON) + len(OTTER)
    assert stats.bytes > 20_000
    assert [(layer.name, layer.passages, layer.cursor) for layer in stats.layers] == [
        ("lexical", 2, 2),
        ("dense", 2, 2),
        ("graph", 2, 2),
        ("episodic", 0, 2),
    ]


def test_rebuild(filled: Memory) -> None:
    before = [(hit.passage.id, hit.score) for hit in filled.recall("heron pond otter")]
    seen: list[Progress] = []
    assert [stats.passages for stats in filled.rebuild(progress=seen.append)] == [2, 2, 2, 0]
    assert [stats.name for stats in filled.rebuild(["lexical"])] == ["lexical"]
    assert [(hit.passage.id, hit.score) for hit in filled.recall("heron pond otter")] == before
    assert [one.item for one in seen] == ["lexical", "dense", "graph", "episodic"]


def test_an_engine_that_was_given_may_serve_others_and_stays_open(tmp_path: Path, engine: ScriptedEngine) -> None:
    with Memory.open(tmp_path / "n.db", embedder=ScriptedEmbedder(), engine=engine) as one:
        one.add(HERON)
        assert one.ask("What does the heron eat?").text
    assert not engine.closed


def test_prepare_loads_both_models(memory: Memory) -> None:
    seen: list[Progress] = []
    memory.prepare(seen.append)
    assert [(one.stage, one.done, one.total) for one in seen] == [("embedder", 0, 2), ("model", 1, 2), ("model", 2, 2)]


def test_a_batch(filled: Memory, tmp_path: Path) -> None:
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"id": 1, "question": "Where does the heron wait?"}\nbad\n{"id": 2, "question": "Otter?"}\n')
    report = filled.batch(questions, tmp_path / "a.jsonl")
    assert (report.done, report.failed) == (3, 1)
    answers = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert "edge of the pond" in answers[0]["answer"]
    assert "error" in answers[1]
    filled.batch(questions, tmp_path / "s.jsonl", search_only=True, k=1, layers=["dense"])
    found = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [len(record.get("hits", ())) for record in found] == [1, 0, 1]
    for options in ({"layers": ["nope"]}, {"k": 0}):
        with pytest.raises(UsageError):
            filled.batch(questions, tmp_path / "none.jsonl", **options)  # type: ignore[arg-type]
        assert not (tmp_path / "none.jsonl").read_text()
        (tmp_path / "none.jsonl").unlink()


# Namespaces and stores


@pytest.mark.parametrize("name", ["me", "ä ö/../ü", "日本", "x" * 255, "'; DROP TABLE passages; --"])
def test_namespaces_are_worlds_of_their_own(tmp_path: Path, name: str) -> None:
    with Memory.open(tmp_path / "n.db", embedder=ScriptedEmbedder()) as memory:
        memory.add(HERON, id="same")
        with Memory.open(tmp_path / "n.db", namespace=name, embedder=ScriptedEmbedder()) as other:
            assert other.recall("heron") == []
            assert (other.documents(), other.log(), other.sessions()) == ([], [], [])
            assert all(check.ok for check in other.verify())
            other.add(OTTER, id="same")
            assert other.document("same").text == OTTER
            assert [hit.passage.text for hit in other.recall("heron otter")] == [OTTER]
            assert other.forget("same", verify=True).checks
        assert memory.document("same").text == HERON
        assert [hit.passage.text for hit in memory.recall("heron otter")] == [HERON]
        assert all(check.ok for check in memory.verify())


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "\x00", "a\x1b[0m"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="namespace"):
        Memory.open(tmp_path / "n.db", namespace=name)
    assert not (tmp_path / "n.db").exists()


def test_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreForeign):
        Memory.open(tmp_path / "absent.db", create=False)
    monkeypatch.setenv("MEMAPP_HOME", str(tmp_path / "home"))
    with Memory.open() as memory:
        assert memory.store_location == str(tmp_path / "home" / "memory.db")
        assert memory.namespace == "default"
    with Memory.open(f"sqlite:///{tmp_path}/home/memory.db", create=False) as memory:
        assert memory.documents() == []
    with Memory.open(tmp_path / "home", create=False) as memory:
        assert memory.store_location == str(tmp_path / "home" / "memory.db")


def test_opening_loads_no_model(tmp_path: Path) -> None:
    class Heavy(ScriptedEmbedder):
        @property
        def identity(self) -> Any:
            raise ModelError("It was loaded.", "")

    with Memory.open(tmp_path / "n.db", embedder=Heavy()) as memory:
        assert memory.documents() == []
        assert memory.log() == []
        with pytest.raises(MemappError):
            memory.recall("heron")


def test_what_is_written_outlives_the_memory(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "n.db", embedder=ScriptedEmbedder()) as memory:
        memory.add(HERON, id="heron")
    assert [path.name for path in tmp_path.iterdir()] == ["n.db"]
    with Memory.open(tmp_path / "n.db", embedder=ScriptedEmbedder()) as memory:
        assert [hit.passage.document for hit in memory.recall("heron")] == ["heron"]


def test_an_abstention_carries_no_citation(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda _: "I do not know.")
    with Memory.open(tmp_path / "n.db", embedder=ScriptedEmbedder(), engine=engine) as memory:
        memory.add(HERON)
        answer: Answer = memory.ask("Who is the queen?")
    assert (answer.abstained, answer.citations, answer.confidence) == (True, (), 0.0)
    assert answer.hits
