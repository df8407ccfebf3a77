"""A call of the command line in this process, over a real store and with scripted models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from memapp.cli import app
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedStates
from memapp.types import Vectors


class WatchedEmbedder(ScriptedEmbedder):
    """Calls `before_embedding`, when there is one, before it embeds."""

    before_embedding: Callable[[], None] | None = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """As the scripted one."""
        if self.before_embedding:
            self.before_embedding()
        return super().embed(texts)


@pytest.fixture
def embedder() -> WatchedEmbedder:
    """The embedder of every memory that `call` opens."""
    return WatchedEmbedder()


@pytest.fixture
def answers() -> list[str]:
    """What the model says; the last one counts."""
    return ["I do not know."]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where `call` keeps memory."""
    return tmp_path / "store" / "notes.db"


@pytest.fixture
def call(
    store: Path,
    tmp_path: Path,
    embedder: WatchedEmbedder,
    answers: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Result]:
    """Runs a command on `store`; a --store among the arguments wins. What is not an exit is raised."""
    opened = Memory.open

    def open_scripted(*arguments: Any, **options: Any) -> Memory:
        engine = ScriptedStates(lambda _: answers[-1])
        return opened(*arguments, **options, embedder=embedder, engine=engine)

    monkeypatch.setattr(Memory, "open", open_scripted)
    monkeypatch.setenv("MEMAPP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEMAPP_STORE", str(store))
    runner = CliRunner()

    def run(*arguments: str, **options: Any) -> Result:
        result = runner.invoke(app, list(arguments), **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
