"""What a person tells memapp in a chat: proposed, kept, found, edited and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from memapp import Memory
from memapp.errors import UsageError
from memapp.models.scripted import ScriptedEmbedder
from memapp.settings import Settings

MESSAGE = "Hi! I live in Oslo. Where is the best bakery? My dog is called Rex."


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "m.db", embedder=ScriptedEmbedder(), settings=Settings(extract=False)) as opened:
        yield opened


def test_statements_are_proposed_and_nothing_is_kept_unasked(memory: Memory) -> None:
    found = memory.consider(MESSAGE)
    assert [(note.text, note.id) for note in found] == [("I live in Oslo.", ""), ("My dog is called Rex.", "")]
    assert memory.notes() == []
    assert memory.documents() == []


def test_a_note_is_a_turn_of_the_person_and_is_found(memory: Memory) -> None:
    kept = memory.remember("I moved to Oslo yesterday.", session="first")
    (hit,) = memory.recall("Where do I live?", layers=["dense"])
    said = hit.passage.said
    assert said is not None
    assert (said.speaker, said.session, said.time) == ("user", "first", kept.at)
    assert "yesterday [" in hit.passage.text
    assert [note.text for note in memory.notes()] == ["I moved to Oslo yesterday."]


def test_what_is_remembered_is_not_proposed_again(memory: Memory) -> None:
    memory.remember("I live in Oslo.")
    assert [note.text for note in memory.consider(MESSAGE)] == ["My dog is called Rex."]
    assert [note.text for note in memory.consider("I live in Bergen. I live in Bergen!")] == ["I live in Bergen."]


def test_a_note_is_edited_in_its_place_and_taken_back(memory: Memory) -> None:
    kept = memory.remember("I live in Oslo.")
    edited = memory.remember("I live in Bergen.", id=kept.id)
    assert [(note.id, note.text) for note in memory.notes()] == [(edited.id, "I live in Bergen.")]
    memory.forget(edited.id, verify=True)
    assert memory.notes() == []
    assert memory.consider("I live in Bergen.")


def test_the_setting_keeps_or_is_silent(memory: Memory) -> None:
    memory.settings = replace(memory.settings, remember="on")
    found = memory.consider(MESSAGE)
    assert {note.id for note in found} == {note.id for note in memory.notes()}
    assert len(found) == 2
    memory.settings = replace(memory.settings, remember="off")
    assert memory.consider("I have a brother named Tom.") == []
    memory.settings = replace(memory.settings, remember="perhaps")
    with pytest.raises(UsageError, match="off, ask, on"):
        memory.consider(MESSAGE)


def test_a_secret_is_kept_only_when_told_to(memory: Memory) -> None:
    memory.settings = replace(memory.settings, remember="on")
    assert memory.consider("My password is Tulip-77.") == []
    (kept,) = memory.consider("Remember that my password is Tulip-77.")
    assert kept.text == "My password is Tulip-77."


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_is_no_note(memory: Memory, text: str) -> None:
    with pytest.raises(UsageError):
        memory.remember(text)
    with pytest.raises(UsageError):
        memory.remember("I live in Oslo.", id="note:none")
