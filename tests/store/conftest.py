"""Stores on real files, and an embedder that costs nothing."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from memapp.memory import Memory
from memapp.protocols import EmbedderIdentity, TokenStates
from memapp.settings import Settings
from memapp.store.log import Entry, Store
from memapp.types import Document, Span, Vectors

IDENTITY = EmbedderIdentity("noise", 16, "0" * 64)


class NoiseEmbedder:
    """The same random unit vector for the same text; a token is a word."""

    identity = IDENTITY

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), 16)."""
        rows = [np.random.default_rng(zlib.crc32(text.encode("utf-8", "replace"))).normal(size=16) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32).reshape(len(texts), 16)

    def encode(self, texts: Sequence[str]) -> tuple[Vectors, list[TokenStates]]:
        """No token has a state."""
        nothing = TokenStates(np.zeros((0, 2), np.int32), np.zeros((0, 16), np.float32))
        return self.embed(texts), [nothing for _ in texts]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Words of each text."""
        return [len(text.split()) for text in texts]


Put = Callable[..., list[str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store lies: alone in a folder."""
    return tmp_path / "store" / "notes.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """An empty store, with short patience."""
    opened = Store(path, "default", busy_seconds=5)
    yield opened
    opened.close()


@pytest.fixture
def memory(path: Path) -> Iterator[Memory]:
    """The same with a facade."""
    with Memory.open(path, embedder=NoiseEmbedder(), settings=Settings(busy_seconds=5)) as opened:
        yield opened


@pytest.fixture
def embedder() -> NoiseEmbedder:
    """What `entry` embeds with."""
    return NoiseEmbedder()


@pytest.fixture
def entry() -> Callable[..., Entry]:
    """Makes a document ready as one passage, or as the given spans."""

    def made(document: Document, spans: Sequence[Span] | None = None) -> Entry:
        spans = tuple(spans or (Span(0, len(document.text)),))
        return Entry(document, spans, NoiseEmbedder().embed([document.text[s.start : s.end] for s in spans]))

    return made
