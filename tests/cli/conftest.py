"""A call of the command line in this process, over a real store and with scripted models."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from memapp.cli import app
from memapp.memory import Memory
from memapp.protocols import EmbedderIdentity
from memapp.types import Finish, Message, Piece, Sampling, Vectors


class WordEmbedder:
    """Texts with the same words have near vectors."""

    def __init__(self) -> None:
        self.before_embedding: Callable[[], None] | None = None

    @property
    def identity(self) -> EmbedderIdentity:
        return EmbedderIdentity("words", 64, "0" * 64)

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.before_embedding:
            self.before_embedding()
        vectors = np.full((len(texts), 64), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.casefold()):
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % 64] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


class AnswerEngine:
    """Says the next of `answers`, word by word."""

    identity = "scripted"
    context_tokens = 4096

    def __init__(self) -> None:
        self.answers = ["I do not know."]

    def count(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, cancel: threading.Event | None = None
    ) -> Iterator[Piece | Finish]:
        words = re.findall(r"\S+\s*", self.answers[0])
        for word in words:
            if cancel is not None and cancel.is_set():
                yield Finish("cancelled", self.count(messages), len(words))
                return
            yield Piece(word, -0.1)
        yield Finish("stop", self.count(messages), len(words))

    def close(self) -> None:
        pass


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def engine() -> AnswerEngine:
    return AnswerEngine()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store" / "notes.db"


@pytest.fixture
def call(
    store: Path,
    tmp_path: Path,
    embedder: WordEmbedder,
    engine: AnswerEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Result]:
    """Runs a command on `store`; a --store among the arguments wins."""
    opened = Memory.open

    def open_scripted(*arguments: Any, **options: Any) -> Memory:
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
