"""Asking with passages read as a set: what the answer tells, what is kept, and what forgetting leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from memapp.answer import prompt
from memapp.errors import UsageError
from memapp.memory import Memory
from memapp.models.catalog import bundled_path
from memapp.models.llama import LlamaEngine
from memapp.models.native import Options
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.records import answer_record
from memapp.settings import Settings
from memapp.store import kv
from memapp.types import Done, Finish, Hit, Message, Passage, Piece, Sampling, SetPrompt, Turn

KEEPER = "Tove Lindqvist kept the light on Sullen Point until 1998. Her dog was called Biscuit."
MILL = "The mill at Brae grinds rye on Mondays. Its miller is Ingrid Moe, who keeps a dog."
ASKED = "Who kept the light on Sullen Point?"
SET = Settings(reading="set", answer_tokens=12, focus=0.0, layers=("lexical", "dense"), extract=False)
OPTIONS = Options(context_tokens=1024, threads=2, ubatch_tokens=128, extra_buffers=False)


def opened(path: Path, settings: Settings = SET) -> Memory:
    file = bundled_path()
    assert file is not None
    engine = LlamaEngine(file, OPTIONS, identity="bundled")
    memory = Memory.open(path, settings=settings, embedder=ScriptedEmbedder(), engine=engine)
    memory.add(KEEPER, id="keeper", title="Keeper")
    memory.add(MILL, id="mill", title="Mill")
    return memory


def files(memory: Memory) -> list[Path]:
    return sorted(kv.folder(memory._store.database.derived, memory._store.number()).glob("*"))


@pytest.mark.models
def test_a_passage_is_read_once_also_by_the_next_process(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db") as memory:
        first = memory.ask(ASKED)
        again = memory.ask(ASKED)
        kept = len(files(memory))
    with opened(tmp_path / "m.db") as memory:
        later = memory.ask(ASKED)
    for answer in (again, later):
        assert answer.reading is not None
        assert answer.reading.prefilled == 0
        assert answer.reading.restored > 30
        assert answer.text == first.text
    assert kept == 2
    told = answer_record(first)["reading"]
    assert told["kind"] == "set"
    assert told["tokens"]["prefilled"] == again.reading.restored if again.reading else False
    assert set(told["ms"]) == {"held", "text", "restored", "prefilled"}
    assert told["note"] == ""


@pytest.mark.models
def test_forgetting_takes_states_and_conversations_along(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db") as memory:
        memory.ask(ASKED)
        (mill,) = memory.passages("mill")
        report = memory.forget("keeper", verify=True)
        assert all(check.ok for check in report.checks), report.checks
        assert [file.name.partition("-")[0] for file in files(memory)] == [str(mill.id)]
        assert isinstance(memory.engine, LlamaEngine)
        window = memory.engine._loaded.context
        assert window is not None
        assert window.held == []
        answer = memory.ask("Who keeps a dog?")
        assert answer.reading is not None
        assert answer.reading.restored > 0


@pytest.mark.models
def test_a_passage_forgotten_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db") as memory:
        events = memory.stream(ASKED)
        next(events)  # recalled; nothing is read yet
        memory.forget("keeper")
        assert any(isinstance(event, Done) for event in events)
        (mill,) = memory.passages("mill")
        assert {file.name.partition("-")[0] for file in files(memory)} <= {str(mill.id)}


@pytest.mark.models
def test_a_budget_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db", replace(SET, kv_mb=0)) as memory:
        first, again = memory.ask(ASKED), memory.ask(ASKED)
        assert again.reading is not None
        assert again.reading.restored == 0
        assert "kv_mb" in again.reading.note
        assert again.text == first.text
        assert not files(memory)


@pytest.mark.models
def test_a_turn_of_a_chat_reads_what_is_new(tmp_path: Path) -> None:
    long = "It is a tall one, and many have seen it from the sea in bad weather. " * 8
    with opened(tmp_path / "m.db") as memory:
        turns = [Turn("Is there a light?", long)]
        memory.ask(ASKED, history=turns)
        memory.ask("Who keeps a dog?")
        answer = memory.ask(ASKED, history=[*turns, Turn(ASKED, "Tove did.")])
        assert answer.reading is not None
        assert answer.reading.prefilled == 0
        assert answer.reading.held > 120
        assert answer.reading.text < 80
        assert answer.reading.note == ""


def test_an_engine_that_cannot_is_told_of(tmp_path: Path) -> None:
    engine = ScriptedEngine(["Tove Lindqvist kept the light until 1998."])
    with Memory.open(tmp_path / "m.db", settings=SET, embedder=ScriptedEmbedder(), engine=engine) as memory:
        memory.add(KEEPER, id="keeper")
        assert memory.ask(ASKED).text.startswith("Tove")
        assert "[1] Tove" in engine.calls[0][0][-1].content


def test_an_unknown_reading_is_refused(tmp_path: Path) -> None:
    wrong = replace(SET, reading="backwards")
    with Memory.open(tmp_path / "m.db", settings=wrong, embedder=ScriptedEmbedder(), engine=ScriptedEngine()) as memory:
        memory.add(KEEPER)
        with pytest.raises(UsageError, match="backwards"):
            memory.ask(ASKED)


def hit(rank: int, text: str) -> Hit:
    return Hit(rank, 1.0, Passage(rank, str(rank), "", text, 0, len(text)))


def test_nothing_of_a_passage_in_a_set_depends_on_its_rank() -> None:
    hits = [hit(1, KEEPER), hit(2, MILL)]

    def texts(hits: list[Hit]) -> set[str]:
        made = prompt.build_set("Who?", hits, (), 1000, lambda made: len(made.passages))
        assert made.apart is not None
        return {one.text for one in made.apart.passages}

    turned = [replace(hits[1], rank=1), replace(hits[0], rank=2)]
    assert texts(hits) == texts(turned)
    few = prompt.build_set("Who?", hits, (), 1, lambda made: len(made.passages))
    assert (few.used, few.dropped) == ((hits[0],), (2,))


def test_spread_passages_have_the_best_last() -> None:
    hits = [hit(1, KEEPER), hit(2, MILL)]
    made = prompt.build_set("Who?", hits, (), 1000, lambda made: len(made.passages), spread=True)
    assert made.apart is not None
    assert [one.passage for one in made.apart.passages] == [2, 1]
    assert made.apart.spread
    assert made.used == tuple(hits)


@pytest.mark.models
def test_states_of_a_set_serve_where_passages_have_places_of_their_own(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db") as memory:
        memory.ask(ASKED)
    with opened(tmp_path / "m.db", replace(SET, reading="apart")) as memory:
        answer = memory.ask(ASKED)
        assert answer.reading is not None
        assert (answer.reading.kind, answer.reading.prefilled) == ("apart", 0)
        assert answer.reading.restored > 30


def test_earlier_turns_go_by_halves_so_that_prompts_begin_alike() -> None:
    turns = [Turn(f"Question {n}", "word " * 8) for n in range(40)]
    begins = []
    for n in range(1, 41):
        kept = prompt.recent(turns[:n], 100, lambda messages: sum(len(one.content.split()) for one in messages))
        assert kept[-1] == turns[n - 1]
        assert len(kept) <= 10
        begins.append(kept[0].question)
    assert len(set(begins)) <= 8
    assert prompt.recent([Turn("Long?", "word " * 500)], 100, lambda messages: 500) == []


class ReaderApart(ScriptedEngine):
    """Taught to read; behind passages that it read apart it can only name the first."""

    @property
    def taught(self) -> ReaderApart:
        return self

    def reads_apart(self) -> str:
        return ""

    def count_set(self, prompt: SetPrompt) -> int:
        return sum(len(one.text.split()) for one in prompt.passages)

    def stream_set(self, prompt: SetPrompt, sampling: Sampling, *_: object) -> Iterator[Piece | Finish]:
        return self.stream((Message("user", prompt.closing),), sampling)

    def forget(self) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize("how", ["set", "apart"])
def test_the_number_of_a_passage_read_apart_names_none(tmp_path: Path, how: str) -> None:
    settings = replace(SET, reading=how)
    engine = ReaderApart(["Ingrid Moe [1]"])
    with Memory.open(tmp_path / "m.db", settings=settings, embedder=ScriptedEmbedder(), engine=engine) as memory:
        memory.add("The dog at the mill, the dog of Brae, barks. It fears Ingrid Moe.", id="dog")
        memory.add("The miller who keeps a dog is Ingrid Moe.", id="miller")
        question = "Does the dog of Brae at the mill have Ingrid, who is the miller and keeps a dog?"
        answer = memory.ask(question)
    assert [hit.passage.document for hit in answer.hits] == ["dog", "miller"]
    assert [one.document for one in answer.citations] == ["miller"]
