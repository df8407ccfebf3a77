"""A small world that layers live in. A new layer joins the contract by one line in `LAYERS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from memapp import consolidate
from memapp.layers import dense
from memapp.layers.amortized.layer import AmortizedLayer
from memapp.layers.dense import DenseLayer
from memapp.layers.episodic.layer import EpisodicLayer
from memapp.layers.graph import layer as graph
from memapp.layers.graph.layer import GraphLayer
from memapp.layers.lexical import LexicalLayer
from memapp.layers.parametric import layer as parametric
from memapp.layers.parametric.layer import ParametricLayer
from memapp.models.scripted import ScriptedEmbedder, ScriptedStates
from memapp.protocols import MemoryLayer
from memapp.settings import Settings
from memapp.store import bank
from memapp.store.bank import Form
from memapp.store.extractions import TAGGER
from memapp.store.log import Entry, Store
from memapp.types import Document, Extraction, LayerStats, Query, Score, Span, Vectors

EMBEDDER = ScriptedEmbedder()
MODEL = ScriptedStates()


def parametric_layer(store: Store) -> ParametricLayer:
    """With the scripted model's states."""
    return ParametricLayer(store, Settings(), MODEL.states_identity, lambda text: MODEL.tokens(text)[0], MODEL.outputs)


class EagerBank(AmortizedLayer):
    """A bank whose encoder always has the time: what came has its entry at once."""

    def recall(self, query: Query, k: int) -> list[Score]:
        """Encodes what waits, then recalls."""
        self.encode()
        return super().recall(query, k)

    def save(self) -> None:
        """Encodes what waits, then saves."""
        self.encode()
        super().save()

    def stats(self) -> LayerStats:
        """Encodes what waits, then counts."""
        self.encode()
        return super().stats()


def amortized_layer(store: Store) -> AmortizedLayer:
    """With vectors for soft tokens."""

    def encode(texts: Sequence[str], count: int) -> list[Vectors]:
        return [np.repeat(EMBEDDER.embed([text]), count, axis=0) for text in texts]

    return EagerBank(store, EMBEDDER.identity, encode, Form("scripted", 2, EMBEDDER.identity.dimension))


def episodic_layer(store: Store) -> EpisodicLayer:
    """Every document is a turn of its own session."""
    return EpisodicLayer(store, EMBEDDER.identity.dimension, EMBEDDER.embed)


LAYERS: dict[str, Callable[[Store], MemoryLayer]] = {
    "lexical": LexicalLayer,
    "dense-exact": lambda store: DenseLayer(store, EMBEDDER.identity, Settings(dense_index="exact")),
    "dense-sq8": lambda store: DenseLayer(store, EMBEDDER.identity, Settings(dense_index="sq8")),
    "dense-ivf": lambda store: DenseLayer(store, EMBEDDER.identity, Settings(dense_index="ivf")),
    "graph": GraphLayer,
    "parametric": parametric_layer,
    "amortized": amortized_layer,
    "episodic": episodic_layer,
}


class World:
    """One namespace, the layers that are made over it, and short ways to change and ask it."""

    def __init__(self, path: Path, make: Callable[[Store], MemoryLayer], namespace: str = "default") -> None:
        self.path = path
        self._make = make
        self.store = Store(path, namespace, busy_seconds=5)
        self._opened = [self.store]

    def beside(self, namespace: str = "default") -> World:
        """The same store as another process would open it."""
        other = World(self.path, self._make, namespace)
        self._opened.append(other.store)
        return other

    def layer(self) -> MemoryLayer:
        """A new object, as in a new process; it has not caught up."""
        return self._make(self.store)

    def put(self, **texts: str) -> None:
        """Documents by id, each one passage a line, in one transaction."""
        entries = []
        for key, text in texts.items():
            lines = text.split("\n")
            starts = [sum(len(line) + 1 for line in lines[:i]) for i in range(len(lines))]
            spans = tuple(Span(start, start + len(line)) for start, line in zip(starts, lines, strict=True))
            spoken = tuple(Extraction(tuple(line.split())) for line in lines)
            said = {"speaker": "Ann", "session": key} if self._make is episodic_layer else {}
            entries.append(Entry(Document(key, "", text, metadata=said), spans, EMBEDDER.embed(lines), spoken, TAGGER))
        self.store.put(entries, EMBEDDER.identity)
        if self._make is parametric_layer:
            consolidate.read(self.store, MODEL)

    def forget(self, *keys: str) -> None:
        """The log's part of a forget."""
        self.store.forget(keys)

    def ids(self) -> set[int]:
        """The living passages."""
        alive: set[int] = set()
        for change in self.store.changes():
            stretch = range(change.first, change.last + 1)
            alive = alive.union(stretch) if change.kind == "insert" else alive
            alive = alive.difference(stretch) if change.kind == "forget" else alive
        return alive

    def close(self) -> None:
        """Lets go of every store that was opened."""
        for store in self._opened:
            store.close()


def ask(layer: MemoryLayer, question: str, k: int = 50) -> list[Score]:
    """What a layer that has caught up recalls."""
    # Names are what the graph starts from, and names have capitals.
    text = question.title() if layer.name == "graph" else question
    return layer.recall(Query(text, EMBEDDER.embed([question])[0]), k)


@pytest.fixture(params=sorted(LAYERS))
def kind(request: pytest.FixtureRequest) -> str:
    """The layer under test."""
    return str(request.param)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are saved, and lists trained, from a handful of vectors."""
    monkeypatch.setattr(dense, "SAVE_FROM", 2)
    monkeypatch.setattr(dense, "_TRAIN_PER_LIST", 8)
    monkeypatch.setattr(graph, "SAVE_FROM", 2)
    monkeypatch.setattr(bank, "ROWS", 8)
    monkeypatch.setattr(parametric, "_RECALLED_FROM", 1)


@pytest.fixture
def worlds(tmp_path: Path, kind: str) -> Iterator[Callable[[], World]]:
    """Makes worlds of their own, for as long as a test runs."""
    made: list[World] = []

    def make() -> World:
        made.append(World(tmp_path / str(len(made)) / "notes.db", LAYERS[kind]))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(worlds: Callable[[], World]) -> World:
    """An empty one."""
    return worlds()


@pytest.fixture(name="ask")
def _ask() -> Callable[..., list[Score]]:
    """What a layer that has caught up recalls."""
    return ask
