"""While nobody asks, the chat consolidates, if it may; whoever types has the machine at once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from memapp import Memory, consolidate
from memapp.layers.parametric.training import Recipe
from memapp.models.scripted import ScriptedEmbedder, ScriptedStates
from memapp.settings import Settings
from memapp.tui import idle

STORY = " ".join(f"On day {day} the keeper wrote that ferry {day * 7 % 31} had come back." for day in range(60))


@pytest.fixture
def resting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A memory with something to learn, in a chat that learns after a tenth of a second."""
    monkeypatch.setattr(idle, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(consolidate, "Recipe", lambda: Recipe(width=8, batch=16))
    with Memory.open(
        tmp_path / "m.db",
        settings=Settings(train_idle_minutes=0.1 / 60),
        embedder=ScriptedEmbedder(),
        engine=ScriptedStates(lambda _: "The ferry came back [1]."),
    ) as memory:
        memory.add(STORY, id="story", title="Story")
        yield memory


async def test_an_idle_chat_reads_and_learns_once(open_chat: Any, resting: Any) -> None:
    async with open_chat(resting, size=(120, 40)) as chat:
        await chat.until(lambda: resting.parametric().network, "for the network")
        await chat.until(lambda: chat.chat._idle._learned == resting.stats().changes, "for the end")
        asked = len(resting.engine.read)
        await chat.ask("What did the keeper write?")
        await chat.until(lambda: chat.chat._idle._stop is not None, "for the next look")
        await chat.until(lambda: chat.chat._idle._stop is None, "for its end")
        assert len(resting.engine.read) == asked


async def test_whoever_types_stops_it(open_chat: Any, resting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    real = ScriptedStates.states

    def slowly(self: ScriptedStates, ids: Any) -> Any:
        begun.set()
        return real(self, ids)

    monkeypatch.setattr(ScriptedStates, "states", slowly)
    monkeypatch.setattr(consolidate, "_COMMIT_TOKENS", 1)
    stopped: list[bool] = []
    consolidating = Memory.consolidate

    def watched(self: Memory, **options: Any) -> Any:
        # Nothing ends before somebody types.
        options["cancel"].wait(20)
        found = consolidating(self, **options)
        stopped.append(found[0].interrupted)
        return found

    monkeypatch.setattr(Memory, "consolidate", watched)
    async with open_chat(resting, size=(120, 40)) as chat:
        await chat.shows("Learning what is remembered")
        await chat.pilot.press("w")
        await chat.until(lambda: stopped, "for it to stop")
        assert stopped[0]
        assert begun.is_set()


async def test_without_leave_nothing_is_learned(
    open_chat: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "_LOOK_SECONDS", 0.02)
    with Memory.open(tmp_path / "m.db", embedder=ScriptedEmbedder(), engine=ScriptedStates(lambda _: "Yes.")) as memory:
        memory.add(STORY, id="story", title="Story")
        async with open_chat(memory, size=(120, 40)) as chat:
            await chat.ask("What did the keeper write?")
            await chat.pilot.pause(0.3)
            assert memory.engine.read == []  # type: ignore[attr-defined]
