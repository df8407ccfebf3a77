"""A process killed at random moments loses nothing that it reported, and leaves nothing half done."""

from __future__ import annotations

from pathlib import Path

from memapp.evaluate import crash
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder


def test_kills(tmp_path: Path) -> None:
    store = tmp_path / "store" / "memory.db"
    outcome = crash.crash(store, kills=12, seed=3)
    assert outcome.kills == 12
    assert outcome.reported > 100
    assert (outcome.wrong, outcome.traces, outcome.failed) == ([], [], [])
    assert not list(tmp_path.rglob("*.part"))


def test_the_inspection_would_notice(tmp_path: Path) -> None:
    store = tmp_path / "memory.db"
    with Memory.open(store, embedder=ScriptedEmbedder()) as memory:
        memory.add(crash.text("there", 1), id="there")
        memory.add(crash.text("half", 1)[:-9], id="half")
    account = crash.Account(alive={"there": 2, "half": 1, "lost": 1}, gone={("there", 1)})
    outcome = crash.Outcome()
    crash._inspect(store, account, outcome)
    assert [line.split(":")[0] for line in outcome.wrong] == ["half", "lost", "there"]
    assert outcome.traces


def test_what_was_under_way_may_be_done_or_not(tmp_path: Path) -> None:
    store = tmp_path / "memory.db"
    with Memory.open(store, embedder=ScriptedEmbedder()) as memory:
        for name in ("old", "new", "kept"):
            memory.add(crash.text(name, 1 if name == "old" else 2), id=name)
    account = crash.Account(alive={"old": 1, "new": 1, "kept": 2, "went": 4})
    account.pending = {"old": 2, "new": 2, "kept": None, "went": None, "came": 1}
    outcome = crash.Outcome()
    crash._inspect(store, account, outcome)
    assert (outcome.wrong, outcome.traces, outcome.failed) == ([], [], [])
    assert account.alive == {"old": 1, "new": 2, "kept": 2}
    assert account.gone == {("old", 2), ("new", 1), ("went", 4), ("came", 1)}
