"""The chat over a real memory: a store on disk, all layers; first with scripted models, then with the default ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memapp import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine

LIGHTHOUSE = "The Skerryvore lighthouse was designed by Alan Stevenson and first lit in 1844."
BAKERY = "The bakery on Mill Street opens at six and sells rye bread on Fridays."


def scripted(path: Path, *answers: str) -> Memory:
    memory = Memory.open(path / "m.db", embedder=ScriptedEmbedder(), engine=ScriptedEngine(lambda _: answers[0]))
    memory.add(LIGHTHOUSE, id="light", title="Skerryvore", source="skerryvore.md")
    memory.add(BAKERY, id="bread", title="Bakery", source="bakery.md")
    return memory


async def test_ask_open_the_source_and_find_the_session_again(open_chat: Any, tmp_path: Path) -> None:
    with scripted(tmp_path, "It was designed by Alan Stevenson [1].") as memory:
        async with open_chat(memory, size=(120, 40)) as chat:
            await chat.shows("2 documents")
            await chat.ask("Who designed the Skerryvore lighthouse?")
            await chat.shows("designed by Alan Stevenson")
            await chat.until(lambda: chat.chat._pane.sources)
            await chat.pilot.press("f2", "enter")
            await chat.until(lambda: chat.screen.query("#page"))
            await chat.shows("first lit in 1844.")
            await chat.pilot.press("escape")
        async with open_chat(memory) as chat:
            await chat.shows("2 documents")
            await chat.pilot.press("f3")
            await chat.shows("1 question")
            await chat.pilot.press(*"stevenson")
            await chat.shows("Who designed the Skerryvore lighthouse?")
            await chat.pilot.press("enter")
            await chat.until(lambda: chat.chat._conversation.exchanges)
            await chat.shows("designed by Alan Stevenson")


async def test_ingest_and_forget_through_the_prompt(open_chat: Any, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "otter.md").write_text("# Otters\n\nOtters hold hands while they sleep.")
    (notes / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    with scripted(tmp_path, "They hold hands [1].") as memory:
        async with open_chat(memory, size=(120, 40)) as chat:
            await chat.shows("2 documents")
            await chat.send(f"/ingest {notes}")
            await chat.shows("Remembered 1 document, 1 passage")
            await chat.shows("1 failed")
            await chat.shows("3 documents")
            await chat.ask("What do otters do while they sleep?")
            await chat.send(f"/forget {notes}")
            await chat.shows("Forget 1 document (1 passage) for good?")
            await chat.pilot.press("y")
            await chat.notes("Forgot 1 document")
            await chat.shows("2 documents")
            assert [info.id for info in memory.documents()] == ["light", "bread"]


async def test_escape_keeps_what_came_in_the_store(open_chat: Any, tmp_path: Path) -> None:
    engine = ScriptedEngine.stepwise(["Alan Stevenson designed it, and then a long story follows."])
    with Memory.open(tmp_path / "m.db", embedder=ScriptedEmbedder(), engine=engine) as memory:
        memory.add(LIGHTHOUSE, id="light", title="Skerryvore")
        async with open_chat(memory, session="towers") as chat:
            await chat.shows("1 document")
            await chat.send("Who designed it?")
            engine.step(3)
            await chat.shows("Alan Stevenson designed")
            await chat.pilot.press("escape")
            await chat.until(lambda: not chat.chat._conversation.busy)
            await chat.shows("stopped")
            (turn,) = memory.turns("towers")
            assert turn.answer.startswith("Alan Stevenson designed")
            assert "story" not in turn.answer


async def test_a_store_that_cannot_be_opened_is_told_with_its_hint(open_chat: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    path.write_bytes(b"this is no database at all" * 100)
    async with open_chat(None, opener=lambda: Memory.open(path, embedder=ScriptedEmbedder())) as chat:
        await chat.shows("✗")
        await chat.send("a question")
        await chat.until(lambda: chat.chat._composer.text == "a question")
        await chat.pilot.press("f3", "f2", "ctrl+y", "f1", "escape")
        assert chat.app.is_running


@pytest.mark.models
async def test_the_default_models_answer_in_the_chat(open_chat: Any, tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m.db") as memory:
        memory.add(LIGHTHOUSE, id="light", title="Skerryvore", source="skerryvore.md")
        memory.add(BAKERY, id="bread", title="Bakery", source="bakery.md")
        async with open_chat(memory, size=(120, 40)) as chat:
            await chat.send("Who designed the Skerryvore lighthouse?")
            for _ in range(12):  # loading may outlast one wait
                try:
                    await chat.until(lambda: not chat.chat._conversation.busy)
                    break
                except AssertionError:
                    continue
            entry = chat.chat._conversation.exchanges[-1].entry
            assert entry.answer.strip()
            assert any(source.document == "light" for source in entry.sources)
            await chat.until(lambda: chat.chat._status.tokens.context, "for the meter")
            assert chat.chat._status.tokens.context == memory.engine.context_tokens
            chat.assert_harmless()
