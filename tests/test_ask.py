"""The story of answering, over a real store, with a scripted model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memapp.answer.plan import Bridge
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.multihop import Tried
from memapp.settings import Settings
from memapp.types import Answer, Done, Hop, Recalled, Token, Turn
from memapp.withhold import after_hops

KEEPER = "Tove Lindqvist kept the light on Sullen Point until 1998. Her dog was called Biscuit."
MILL = "The mill at Brae grinds rye on Mondays. Its miller is Ingrid Moe."


@pytest.fixture
def answers() -> list[str]:
    return []


@pytest.fixture
def memory(tmp_path: Path, answers: list[str]) -> Iterator[Memory]:
    engine = ScriptedEngine(lambda messages: answers.pop(0))
    with Memory.open(tmp_path / "m.db", embedder=ScriptedEmbedder(), engine=engine) as opened:
        opened.add(KEEPER, id="keeper", title="Keeper")
        opened.add(MILL, id="mill", title="Mill")
        yield opened


def test_the_model_answers_where_the_best_sentence_bears_it_out(memory: Memory, answers: list[str]) -> None:
    answers.append("Tove Lindqvist kept the light until 1998.")
    answer = memory.ask("Who kept the light on Sullen Point?")
    assert answer.text == "Tove Lindqvist kept the light until 1998. [1]"
    assert [c.document for c in answer.citations] == ["keeper"]
    assert not answer.abstained
    assert 0 < answer.confidence <= 1


def test_else_the_best_sentence_is_quoted(memory: Memory, answers: list[str]) -> None:
    answers.append("It was the Queen of Spain, in 1066.")
    answer = memory.ask("Who kept the light on Sullen Point?")
    assert answer.text == "Tove Lindqvist kept the light on Sullen Point until 1998. [1]"
    (citation,) = answer.citations
    assert KEEPER[citation.start : citation.end] == citation.text
    assert "Spain" not in answer.text


def test_what_memory_does_not_hold_is_not_answered(memory: Memory, answers: list[str]) -> None:
    answers.append("Paris.")
    answer = memory.ask("Quantum chromodynamics lattice spacing?")
    assert answer.abstained
    assert answer.citations == ()
    assert answer.hits


def test_an_empty_memory_says_so_without_asking_the_model(tmp_path: Path) -> None:
    engine = ScriptedEngine([])
    with Memory.open(tmp_path / "m.db", embedder=ScriptedEmbedder(), engine=engine) as memory:
        assert memory.ask("Anything?").abstained
        assert engine.calls == []


def test_a_model_that_repeats_itself_is_stopped(memory: Memory, answers: list[str]) -> None:
    answers.append("Her dog was called Biscuit. " * 30)
    events = list(memory.stream("What was her dog called?"))
    drafted = "".join(event.text for event in events if isinstance(event, Token))
    assert drafted.count("Biscuit") == 2
    done = events[-1]
    assert isinstance(done, Done)
    assert done.answer.text.count("Biscuit") == 1


def test_a_follow_up_is_searched_with_what_came_before(memory: Memory, answers: list[str]) -> None:
    answers.append("Biscuit.")
    history = [Turn("Who kept the light on Sullen Point?", "Tove Lindqvist kept the light on Sullen Point.")]
    events = list(memory.stream("And what was her dog called?", history=history))
    recalled, done = events[0], events[-1]
    assert isinstance(recalled, Recalled)
    assert "Sullen Point" in recalled.question
    assert isinstance(done, Done)
    assert "Biscuit" in done.answer.text
    assert done.answer.question == "And what was her dog called?"


def test_a_trusted_model_stands_on_any_sentence_that_supports_it(tmp_path: Path) -> None:
    engine = ScriptedEngine(["Her dog was called Biscuit."])
    settings = Settings(trust_model=True)
    with Memory.open(tmp_path / "m.db", embedder=ScriptedEmbedder(), engine=engine, settings=settings) as memory:
        memory.add(KEEPER, id="keeper", title="Keeper")
        answer = memory.ask("Who kept the light on Sullen Point until 1998?")
    assert answer.text == "Her dog was called Biscuit. [1]"


def test_passages_far_behind_are_listed_as_unread(memory: Memory, answers: list[str]) -> None:
    answers.append("Ingrid Moe.")
    answer = memory.ask("Who is the miller at the mill at Brae that grinds rye?")
    assert answer.hits[0].passage.document == "mill"
    assert answer.dropped == (2,)


def test_what_was_withheld_already_keeps_its_reason_after_hops() -> None:
    told = Answer("Who?", "Memory does not hold that of Jon.", abstained=True)
    hop = Hop("Who directed Loop?", "", (), 0.0)
    tried = Tried(Bridge("Who directed Loop?", "When did {} die?"), (hop,))
    after = after_hops(told, tried, 0.12)
    assert (after.text, after.hops) == (told.text, (hop,))
    sure = Answer("Who?", "1953 [1]", confidence=0.6)
    assert after_hops(sure, tried, 0.12) == Answer("Who?", "1953 [1]", confidence=0.3)
    assert after_hops(sure, tried, 0.4).abstained
    assert after_hops(sure, Tried(), 0.9) == sure
