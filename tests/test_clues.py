"""Searching with clues: what is drafted from, what is told of it, and what forgetting leaves of the gist."""

from __future__ import annotations

from pathlib import Path

import pytest

from memapp.errors import UsageError
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.records import search_record
from memapp.settings import Settings
from memapp.types import Message

LIGHT = "Tove Lindqvist kept the light on Sullen Point until the year 1998."
MILL = "Every Monday morning the mill at Brae grinds rye for the whole valley."


class _Heard:
    """A model that says one thing and remembers what it was told."""

    def __init__(self, says: str) -> None:
        self.says, self.told = says, list[str]()

    def __call__(self, messages: tuple[Message, ...]) -> str:
        self.told.append(messages[0].content)
        return self.says


def opened(path: Path, way: str, model: _Heard) -> Memory:
    settings = Settings(clues=way, layers=("lexical", "dense"))
    memory = Memory.open(path, settings=settings, embedder=ScriptedEmbedder(), engine=ScriptedEngine(model))
    memory.add(LIGHT, id="light", title="Light")
    memory.add(MILL, id="mill", title="Mill")
    return memory


def test_what_the_model_drafts_is_searched_for_and_told(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db", "drafted", _Heard("Tove Lindqvist kept the light.")) as memory:
        found = memory.search("Whom do I owe the oil?", 2)
    assert found.clues == ("Tove Lindqvist kept the light.",)
    assert found.hits[0].passage.document == "light"
    assert 'by "Tove Lindqvist kept the light."' in found.hits[0].why
    told = search_record(found)
    assert told["clues"] == list(found.clues)
    assert {"draft", "clues", "total"} <= set(told["timing_ms"])


@pytest.mark.parametrize("way", ["off", "chosen"])
def test_without_clues_the_model_is_not_asked(tmp_path: Path, way: str) -> None:
    model = _Heard("Tove Lindqvist kept the light.")
    with opened(tmp_path / "m.db", way, model) as memory:
        # Nothing was extracted from what an unknown embedder sees but names, and the question has them all.
        found = memory.search("Light, Tove Lindqvist, Sullen Point, Mill, Brae, Monday, 1998?", 2)
    assert found.clues == ()
    assert model.told == []


def test_an_unknown_way_is_wrong_usage(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db", "guessed", _Heard("")) as memory, pytest.raises(UsageError, match="no clues"):
        memory.search("Who?", 2)


def test_the_gist_holds_what_is_remembered_and_nothing_that_was_forgotten(tmp_path: Path) -> None:
    model = _Heard("")
    with opened(tmp_path / "m.db", "drafted", model) as memory:
        memory.search("Whom do I owe the oil?", 2)
        memory.forget("light")
        memory.search("Whom do I owe the oil?", 2)
    assert LIGHT in model.told[0]
    assert MILL in model.told[0]
    assert LIGHT not in model.told[-1]
    assert MILL in model.told[-1]
