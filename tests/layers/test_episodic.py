"""Turns of conversations: who said what, when, and in answer to what. Small conversations, real parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memapp import Memory
from memapp.layers.episodic import question
from memapp.layers.episodic.layer import EpisodicLayer, Shares
from memapp.models.scripted import ScriptedEmbedder
from memapp.settings import Settings
from memapp.types import Query

EMBEDDER = ScriptedEmbedder()
SESSIONS = [
    {
        "session": 1,
        "time": "1:56 pm on 8 May, 2023",
        "turns": [
            {"speaker": "Ann", "text": "What instrument do you play, Bo?"},
            {"speaker": "Bo", "text": "The cello, since childhood."},
            {"speaker": "Ann", "text": "I planted tulips yesterday."},
            {"speaker": "Bo", "text": "I planted tulips too."},
        ],
    },
    {
        "session": 2,
        "time": "9:00 am on 3 June, 2024",
        "turns": [
            {"speaker": "Ann", "text": "We went camping by the lake.", "caption": "a tent at dusk"},
            {"speaker": "Bo", "text": "I went camping by the lake as well."},
        ],
    },
]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    path = tmp_path / "talk.json"
    path.write_text(json.dumps({"title": "Talk", "sessions": SESSIONS}))
    with Memory.open(tmp_path / "m.db", embedder=EMBEDDER, settings=Settings(extract=False)) as opened:
        opened.ingest([path])
        yield opened


def asked(memory: Memory, text: str, **shares: Any) -> list[str]:
    """The turns, best first, without speaker and time."""
    store = memory.recall_with().store
    made = EpisodicLayer(
        store, EMBEDDER.identity.dimension, EMBEDDER.embed, replace(Shares(), **shares), lambda: date(2024, 6, 12)
    )
    found = made.recall(Query(text, EMBEDDER.embed([text])[0]), 10)
    passages = {hit.id: hit for info in memory.documents() for hit in memory.passages(info.id)}
    return [passages[score.passage].text.split(": ", 1)[1] for score in found]


def test_a_turn_is_a_passage_with_speaker_session_and_time(memory: Memory) -> None:
    first, second = memory.documents()
    passages = memory.passages(first.id)
    assert len(passages) == 4
    said = passages[2].said
    assert said is not None
    assert (said.speaker, said.session, said.time) == ("Ann", "1", "2023-05-08T13:56")
    assert passages[2].text == "Ann (8 May 2023, 13:56): I planted tulips yesterday [7 May 2023]."
    assert passages[2].content == "Ann: I planted tulips yesterday [7 May 2023]."
    assert memory.passages(second.id)[0].text.endswith("by the lake. [a tent at dusk]")


def test_an_answer_gets_part_of_its_question(memory: Memory) -> None:
    text = "Which instrument does she play by the lake, or tulips?"
    with_it = asked(memory, text).index("The cello, since childhood.")
    assert with_it < asked(memory, text, answers=0.0, neighbours=0.0, session=0.0).index("The cello, since childhood.")


def test_the_named_speaker_comes_first(memory: Memory) -> None:
    assert asked(memory, "When did Bo plant tulips?")[0] == "I planted tulips too."
    assert asked(memory, "When did Ann plant tulips?")[0].startswith("I planted tulips yesterday")


def test_a_time_in_the_question_counts(memory: Memory) -> None:
    assert "camping" in asked(memory, "What did we do last week?", time=5.0, session=0.0)[0]
    assert "camping" in asked(memory, "Who planted tulips in June 2024?", time=5.0)[0]
    assert "yesterday" in asked(memory, "What happened on 7 May 2023?", time=5.0)[0]
    before = asked(memory, "What was there before we went camping by the lake?", time=5.0)
    assert len(before) == 6


def test_documents_keep_their_places_and_turns_theirs(memory: Memory) -> None:
    memory.add("Tulips are planted in autumn.", id="tulips", title="Tulips")
    layers = [layer for layer in memory.settings.layers if layer != "episodic"]
    question_ = "When did Bo plant tulips?"
    without, with_it = memory.recall(question_, 7, layers=layers), memory.recall(question_, 7)
    places = [[hit.rank for hit in hits if hit.passage.said is None] for hits in (without, with_it)]
    assert places[0] == places[1]
    assert {hit.passage.id for hit in without} == {hit.passage.id for hit in with_it}
    assert [hit.score for hit in with_it] == sorted((hit.score for hit in with_it), reverse=True)
    best = next(hit for hit in with_it if hit.passage.said)
    assert "episodic" in best.layers
    assert best.passage.text.endswith("I planted tulips too.")


def test_without_conversations_nothing_changes(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "n.db", embedder=EMBEDDER, settings=Settings(extract=False)) as memory:
        for number, text in enumerate(("Amber is resin.", "Basalt is stone.", "Cedar is wood.")):
            memory.add(text, id=str(number))
        layers = [layer for layer in memory.settings.layers if layer != "episodic"]
        assert memory.recall("Is amber stone?", 3) == memory.recall("Is amber stone?", 3, layers=layers)
        assert memory.recall("Is amber stone?", 3, layers=["episodic"]) == []


def test_a_forgotten_session_is_gone(memory: Memory) -> None:
    first, _ = memory.documents()
    memory.recall("tulips?")
    memory.forget(first.id)
    assert not any("tulips" in hit.passage.text for hit in memory.recall("Who planted tulips?", 20))


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("When did Caroline's son go?", "When did son go?"),
        ("What did caroline say to Melanie Hart?", "What did say to ?"),
        ("Caroline?", "Caroline?"),
        ("What do users say?", "What do users say?"),
    ],
)
def test_names_are_left_out(text: str, rest: str) -> None:
    names = ("Caroline", "Melanie Hart", "user")
    named = question.named(text, names)
    assert question.nameless(text, [names[number] for number in named]) == rest


def test_i_am_the_user() -> None:
    assert question.named("What did I say of my dog?", ("assistant", "user")) == [1]
    assert question.named("What did Tom say?", ("assistant", "user")) == []


def test_an_event_as_a_point_in_time() -> None:
    assert question.anchor("Where did Ann live before she moved to Oslo?") == ("before", "she moved to Oslo")
    assert question.anchor("What did he do after the road trip?") == ("after", "the road trip")
    assert question.anchor("What is before us") is None


def test_scores_lie_between_0_and_1(memory: Memory) -> None:
    found = memory.recall_with(["episodic"]).layers["episodic"].recall(Query("Ann?", EMBEDDER.embed(["Ann?"])[0]), 3)
    assert all(0 <= score.value <= 1 for score in found)
    assert np.all(np.diff([score.value for score in found]) <= 0)
