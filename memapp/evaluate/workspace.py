"""Temporary memories to measure on. The user's own store is never touched."""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from memapp.errors import UsageError
from memapp.evaluate.data import Collection, Record
from memapp.extract.extractor import RuleExtractor
from memapp.memory import Memory
from memapp.protocols import Embedder, Engine
from memapp.settings import Settings, load
from memapp.store.extractions import TAGGER
from memapp.store.log import Entry, Store
from memapp.types import Document, IngestReport, Passage, Span, Vectors

if TYPE_CHECKING:
    from memapp.models.llama import LlamaEngine

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_REAL_VECTORS = 1000
"""Texts that are embedded to derive the vectors of many more from."""
_NOISE = 0.5
"""Length of what is added to a unit vector to make another one of it."""


def note(text: str) -> None:
    """Tells on stderr what is being done."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def settings() -> Settings:
    """The user's settings: what is measured is what is used."""
    return load()


def new_embedder(settings: Settings) -> Embedder:
    """The default embedder with its runtime loaded, so that no figure contains the loading."""
    from memapp.models.embedder import MiniLMEmbedder

    embedder = MiniLMEmbedder(threads=settings.threads)
    embedder.prepare()
    return embedder


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="memapp-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def write_jsonl(path: Path, records: Iterable[Record]) -> Path:
    """Writes the records as `memapp ingest` reads them."""
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            value = {"id": record.id, "title": record.title, "text": record.text, "metadata": dict(record.metadata)}
            file.write(json.dumps({key: part for key, part in value.items() if part}, ensure_ascii=False) + "\n")
    return path


def ingested(memory: Memory, records: Iterable[Record], place: Path) -> IngestReport:
    """Remembers the records, read from a JSONL file in the folder `place`. Raises UsageError when one fails."""
    report = memory.ingest([write_jsonl(place / "corpus.jsonl", records)], format="jsonl")
    if report.failed:
        raise UsageError(f"A record did not go in: {report.failed[0].reason}", "Correct the corpus.")
    return report


@contextmanager
def remembered(
    collections: Sequence[Collection], embedder: Embedder, engine: Engine | None = None
) -> Iterator[list[tuple[Collection, Memory]]]:
    """Each collection in a namespace of its own of one temporary store."""
    with folder() as place:
        opened: list[tuple[Collection, Memory]] = []
        try:
            for collection in collections:
                note(f"Remembering {len(collection.records):,} records of {collection.name}.")
                memory = Memory.open(
                    place / "memory.db",
                    namespace=f"set-{len(opened)}",
                    settings=settings(),
                    embedder=embedder,
                    engine=engine,
                )
                opened.append((collection, memory))
                ingested(memory, collection.records, place)
            yield opened
        finally:
            for _, memory in opened:
                memory.close()


def recombined(records: Sequence[Record], count: int, seed: int = 0) -> Iterator[Record]:
    """`count` new records of the same words: each has a record's title and length, and sentences of any.

    Raises UsageError when there are no records.
    """
    if not records:
        raise UsageError("The corpus is empty.", "Name another with --corpus.")
    chance = random.Random(seed)
    split = [_SENTENCE_END.split(record.text) for record in records]
    sentences = [sentence for parts in split for sentence in parts]
    for number in range(count):
        chosen = chance.randrange(len(records))
        text = " ".join(chance.choice(sentences) for _ in split[chosen])
        yield Record(f"made-{number}", records[chosen].title, text)


def put(location: Path, records: Sequence[Record], embedder: Embedder) -> None:
    """Writes records to a store with made-up vectors: real ones of some of them, moved by noise.

    It saves the hours that embedding takes; an exact search takes as long with any vectors. Phrases are found by rule.
    """
    real = embedder.embed([f"{one.title}\n{one.text}" for one in records[:_REAL_VECTORS]])
    chance = np.random.default_rng(0)
    rules = RuleExtractor()
    store = Store(location, "default")
    try:
        for start in range(0, len(records), 1000):
            part = records[start : start + 1000]
            vectors = _moved(real[chance.integers(0, len(real), len(part))], chance)
            entries = [_entry(one, vector, rules) for one, vector in zip(part, vectors, strict=True)]
            store.put(entries, embedder.identity)
    finally:
        store.close()


def _entry(record: Record, vector: Vectors, rules: RuleExtractor) -> Entry:
    """A document of one passage, with its phrases by rule."""
    passage = Passage(0, record.id, record.title, record.text, 0, len(record.text))
    found = rules.extract([passage], [])
    span = Span(0, len(record.text))
    return Entry(Document(record.id, record.title, record.text), (span,), vector.reshape(1, -1), tuple(found), TAGGER)


def _moved(vectors: Vectors, chance: np.random.Generator) -> Vectors:
    noise = chance.standard_normal(vectors.shape, np.float32)
    noise *= _NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
    moved = vectors + noise
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    return moved


@contextmanager
def parametric(mode: str) -> Iterator[tuple[LlamaEngine, Callable[[], Memory]]]:
    """The default model, and what makes empty memories that write with the parametric memory `mode`."""
    from memapp.models import open_engine

    wanted = replace(settings(), parametric=mode)
    engine, embedder = open_engine(wanted), new_embedder(wanted)
    engine.prepare()
    memories: list[Memory] = []
    with engine, folder() as place:

        def make() -> Memory:
            path = place / f"{len(memories)}.db"
            memories.append(Memory.open(path, settings=wanted, embedder=embedder, engine=engine))
            return memories[-1]

        try:
            yield engine, make
        finally:
            for memory in memories:
                memory.close()
