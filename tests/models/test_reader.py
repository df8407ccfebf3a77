"""The default model as it was taught to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from memapp.answer import reading
from memapp.errors import ModelDamaged
from memapp.memory import Memory
from memapp.models.catalog import bundled_path
from memapp.models.llama import LlamaEngine
from memapp.models.native import Options
from memapp.models.opening import READER
from memapp.models.span_reader import MiniLMSpanReader
from memapp.protocols import Spans
from memapp.settings import Settings, shipped
from memapp.types import Done, Finish, Hit, Message, Passage, Piece, Sampling, Token

pytestmark = pytest.mark.models

OPTIONS = Options(context_tokens=1024, threads=2, ubatch_tokens=64, extra_buffers=False)
SHORT = Sampling(24, stop=("\n",))
KEEPER = "Tove Lindqvist kept the light on Sullen Point until 1998. Her dog was called Biscuit."
MILL = "The mill at Brae grinds rye on Mondays. Its miller is Ingrid Moe."


def passage(number: int, text: str) -> Passage:
    return Passage(number, f"d{number}", "Note", text, 0, len(text))


PASSAGES = (passage(1, KEEPER), passage(2, MILL))


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaEngine]:
    path = bundled_path()
    assert path is not None
    with LlamaEngine(path, OPTIONS, adapter=shipped(READER)) as opened:
        yield opened


def said(engine: object, messages: tuple[Message, ...]) -> str:
    stream = engine.stream(messages, SHORT)  # type: ignore[attr-defined]
    return "".join(piece.text for piece in stream if isinstance(piece, Piece))


def test_it_answers_in_a_few_words_with_the_passage(engine: LlamaEngine) -> None:
    assert engine.taught is not None
    miller = reading.written(said(engine.taught, reading.messages("Who is the miller at Brae?", PASSAGES)))
    assert miller == reading.Written("Ingrid Moe", 2)
    dog = reading.written(said(engine.taught, reading.messages("What was the dog called?", PASSAGES)))
    assert dog == reading.Written("Biscuit", 1)


def test_it_says_that_no_passage_tells(engine: LlamaEngine) -> None:
    assert engine.taught is not None
    asked = reading.messages("Who painted the ceiling of the Sistine Chapel?", PASSAGES)
    assert reading.written(said(engine.taught, asked)).number == 0


def test_the_plain_model_is_not_touched_by_it(engine: LlamaEngine) -> None:
    asked = (Message("user", "Name a river in France."),)
    before = said(engine, asked)
    assert engine.taught is not None
    said(engine.taught, asked)
    assert said(engine, asked) == before
    path = bundled_path()
    assert path is not None
    with LlamaEngine(path, OPTIONS) as untaught:
        assert untaught.taught is None
        assert said(untaught, asked) == before


def test_a_conversation_with_either_waits_while_the_other_answers(engine: LlamaEngine) -> None:
    assert engine.taught is not None
    told = (
        Message("user", "The tide turns at Sullen Point and the mill at Brae grinds rye. " * 12),
        Message("assistant", "I see."),
    )
    asked = (*told, Message("user", "Where does the mill stand?"))
    for one, other in ((engine, engine.taught), (engine.taught, engine)):
        engine.forget()
        *pieces, cold = one.stream(asked, SHORT)
        said(other, (Message("user", "Name a river in France."),))
        *later, warm = one.stream(asked, SHORT)
        *_, strange = other.stream(asked, SHORT)
        assert isinstance(cold, Finish)
        assert isinstance(warm, Finish)
        assert isinstance(strange, Finish)
        assert cold.reading is not None
        assert warm.reading is not None
        assert strange.reading is not None
        assert (cold.reading.held, strange.reading.held) == (0, 0)
        assert warm.reading.held > 150
        assert warm.reading.text < 60
        assert [piece.text for piece in later if isinstance(piece, Piece)] == [
            piece.text for piece in pieces if isinstance(piece, Piece)
        ]


def test_a_damaged_adapter_is_refused(tmp_path: Path) -> None:
    path = bundled_path()
    assert path is not None
    broken = tmp_path / "reader.gguf"
    broken.write_bytes(shipped(READER).read_bytes()[:5000])
    with LlamaEngine(path, OPTIONS, adapter=broken) as opened, pytest.raises(ModelDamaged, match="adapter"):
        opened.prepare()


@pytest.mark.parametrize("how", ["sequential", "set"])
def test_answers_of_a_memory_are_short_and_cited(tmp_path: Path, how: str) -> None:
    path, settings = bundled_path(), Settings(reading=how, answer_tokens=48)
    assert path is not None
    with (
        LlamaEngine(path, OPTIONS, adapter=shipped(READER)) as own,
        Memory.open(tmp_path / "m.db", engine=own, settings=settings) as memory,
    ):
        memory.add(KEEPER, id="keeper", title="Keeper")
        memory.add(MILL, id="mill", title="Mill")
        answer = memory.ask("Who is the miller at Brae?")
        assert answer.text == "Ingrid Moe [1]"
        assert [(one.document, one.text) for one in answer.citations] == [("mill", "Its miller is Ingrid Moe.")]
        assert answer.confidence > 0.5
        nothing = memory.ask("Who painted the ceiling of the Sistine Chapel?")
        assert nothing.abstained
        assert nothing.hits
        assert nothing.citations == ()
        again = memory.ask("Who is the miller at Brae?")
        assert again.text == answer.text
        if how == "set":
            assert again.reading is not None
            assert again.reading.restored > 0


@pytest.mark.parametrize("on", [True, False])
def test_the_span_reader_takes_part_unless_it_is_turned_off(engine: LlamaEngine, tmp_path: Path, on: bool) -> None:
    read: list[tuple[str, list[str]]] = []

    class Watched(MiniLMSpanReader):
        def spans(self, question: str, passages: Sequence[str]) -> list[Spans]:
            read.append((question, list(passages)))
            return super().spans(question, passages)

    settings = Settings(span_reader=on, answer_tokens=48)
    with Memory.open(tmp_path / "m.db", engine=engine, settings=settings) as memory:
        memory._span_reader = Watched(threads=1)
        memory.add(KEEPER, id="keeper", title="Keeper")
        memory.add(MILL, id="mill", title="Mill")
        memory.prepare()
        assert bool(read) == on
        read.clear()
        assert memory.ask("Who is the miller at Brae?").text == "Ingrid Moe [1]"
    assert {question for question, _ in read} == ({"Who is the miller at Brae?"} if on else set())
    assert any(f"Mill\n{MILL}" in passages for _, passages in read) == on


def test_states_of_the_reader_are_not_those_of_the_plain_model(engine: LlamaEngine) -> None:
    hits = [Hit(1, 0.9, PASSAGES[0])]
    made = reading.Form().apart("Who?", hits, ())
    plain, taught = engine.tokens_apart(made), engine.tokens_apart(made, taught=True)
    assert plain.ids == taught.ids
    assert plain.passages[0].key != taught.passages[0].key


def test_it_ends_where_the_model_ends(engine: LlamaEngine) -> None:
    assert engine.taught is not None
    *_, finish = engine.taught.stream(reading.messages("Who is the miller at Brae?", PASSAGES), SHORT)
    assert isinstance(finish, Finish)
    assert finish.reason == "stop"


BOILER = (
    "The boiler was serviced on 4 March 2026 by Hans Meier. The next service is due in March 2028. "
    "It has a filter of the type MB-3, which is cleaned every year."
)


@pytest.mark.parametrize(
    ("question", "answer", "sentence"),
    [
        ("When is the next boiler service due?", "March 2028 [1]", "The next service is due in March 2028."),
        (
            "What filter does the boiler have?",
            "MB-3 [1]",
            "It has a filter of the type MB-3, which is cleaned every year.",
        ),
        ("Who serviced the boiler?", "Hans Meier [1]", "The boiler was serviced on 4 March 2026 by Hans Meier."),
    ],
)
def test_the_sentence_that_is_asked_about_answers(tmp_path: Path, question: str, answer: str, sentence: str) -> None:
    path = bundled_path()
    assert path is not None
    with (
        LlamaEngine(path, OPTIONS, adapter=shipped(READER)) as own,
        Memory.open(tmp_path / "m.db", engine=own, settings=Settings(answer_tokens=48)) as memory,
    ):
        memory.add(BOILER, id="boiler", title="Boiler")
        events = list(memory.stream(question))
        tokens = [event.text for event in events if isinstance(event, Token)]
        done = events[-1]
        assert isinstance(done, Done)
        assert done.answer.text == answer
        assert [one.text for one in done.answer.citations] == [sentence]
        assert tokens == [answer], "an answer that was chosen comes whole"


def test_the_likeliest_answer_is_taken_where_none_are_weighed(tmp_path: Path) -> None:
    path = bundled_path()
    assert path is not None
    with (
        LlamaEngine(path, OPTIONS, adapter=shipped(READER)) as own,
        Memory.open(tmp_path / "m.db", engine=own, settings=Settings(answer_tokens=48, beams=1)) as memory,
    ):
        memory.add(BOILER, id="boiler", title="Boiler")
        tokens = [event.text for event in memory.stream("Who serviced the boiler?") if isinstance(event, Token)]
        assert len(tokens) > 1
        assert "".join(tokens).strip() == "Hans Meier [1]"
