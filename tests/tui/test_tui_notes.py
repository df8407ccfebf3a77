"""What is worth remembering of a question is proposed in the chat, kept when the person says so, and taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from memapp import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.settings import Settings


def opened(path: Path, **settings: Any) -> Memory:
    engine = ScriptedEngine(lambda _: "Good to know.")
    wanted = replace(Settings(extract=False), **settings)
    return Memory.open(path / "m.db", embedder=ScriptedEmbedder(), engine=engine, settings=wanted)


async def test_a_statement_is_proposed_kept_and_taken_back(open_chat: Any, tmp_path: Path) -> None:
    with opened(tmp_path) as memory:
        async with open_chat(memory, size=(120, 40)) as chat:
            await chat.ask("I live in Oslo.")
            await chat.shows("Remember “I live in Oslo.”?")
            assert memory.notes() == []
            await chat.send("/remember")
            await chat.shows("Remembered: “I live in Oslo.”")
            assert [note.text for note in memory.notes()] == ["I live in Oslo."]
            await chat.send("/forget that")
            await chat.shows("Forget 1 document (1 passage) for good?")
            await chat.pilot.press("y")
            await chat.notes("Forgot 1 document")
            assert memory.notes() == []


async def test_other_words_are_kept_and_on_keeps_by_itself(open_chat: Any, tmp_path: Path) -> None:
    with opened(tmp_path, remember="on") as memory:
        async with open_chat(memory, size=(120, 40)) as chat:
            await chat.ask("My dog is called Rex.")
            await chat.shows("Remembered: “My dog is called Rex.”")
            await chat.send("/remember My cat is called Mo.")
            await chat.shows("Remembered: “My cat is called Mo.”")
            assert {note.text for note in memory.notes()} == {"My dog is called Rex.", "My cat is called Mo."}
