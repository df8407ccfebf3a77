"""Searching with clues: what is drafted from, what is told of it, and what forgetting leaves of the gist."""

from __future__ import annotations

from pathlib import Path

import pytest

from memapp.errors import UsageError
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.recall.clues import VAGUE
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


def opened(path: Path, way: str, model: _Heard, extract: bool = True) -> Memory:
    settings = Settings(clues=way, layers=("lexical", "dense"), extract=extract)
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


def test_a_name_that_near_passages_speak_of_is_chosen(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db", "chosen", _Heard("Tove Lindqvist")) as memory:
        found = memory.search("Whom do I owe the oil?", 2)
    assert found.clues == ("Whom do I owe the oil? Tove Lindqvist",)
    assert found.hits[0].passage.document == "light"


@pytest.mark.parametrize("way", ["off", "chosen"])
def test_without_clues_the_model_is_not_asked(tmp_path: Path, way: str) -> None:
    model = _Heard("Tove Lindqvist kept the light.")
    # Where no names were extracted there are none to choose from.
    with opened(tmp_path / "m.db", way, model, extract=False) as memory:
        found = memory.search("Whom do I owe the oil?", 2)
    assert found.hits[0].score < VAGUE
    assert found.clues == ()
    assert model.told == []


def test_forgetting_leaves_nothing_of_the_gist_in_memory(tmp_path: Path) -> None:
    with opened(tmp_path / "m.db", "drafted", _Heard("")) as memory:
        assert any(LIGHT in line for line in memory._gist())
        memory.forget("light")
        assert "Tove" not in repr(memory._gist._made)
        assert any(MILL in line for line in memory._gist())


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
