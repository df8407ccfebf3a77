"""`memapp bench graph`: what the graph costs as it grows: to insert, to forget, to hold in memory and on the disk."""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from pathlib import Path
from typing import Any

from memapp.evaluate import workspace
from memapp.evaluate.data import Record, load_corpus
from memapp.evaluate.report import Report
from memapp.extract.extractor import RuleExtractor
from memapp.layers.graph.layer import GraphLayer
from memapp.memory import Memory
from memapp.protocols import Embedder
from memapp.search import catch_up
from memapp.store.extractions import TAGGER
from memapp.store.log import Entry, Store
from memapp.types import Document, Passage, Span

_DOCUMENTS = 50
"""Documents inserted and forgotten one at a time."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json, whose sentences are recombined")
    parser.add_argument("--passages", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="sizes to measure at")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError for a bad corpus."""
    corpus = load_corpus(arguments.corpus)
    embedder = workspace.new_embedder(workspace.settings())
    figures: dict[str, Any] = {}
    for size in arguments.passages:
        workspace.note(f"Making {size:,} passages.")
        records = list(workspace.recombined(corpus, size + _DOCUMENTS))
        with workspace.folder() as place:
            workspace.put(place / "memory.db", records[:size], embedder)
            workspace.note("Measuring.")
            figures[str(size)] = _measured(place / "memory.db", records[size:], embedder)
    return _report(arguments.corpus.stem, figures)


def _measured(path: Path, records: list[Record], embedder: Embedder) -> dict[str, float]:
    store = Store(path, "default")
    try:
        found: dict[str, float] = {}
        layer = GraphLayer(store)
        began = time.perf_counter()
        catch_up(layer, store)
        found["build_s"] = time.perf_counter() - began
        layer.save()
        folder = store.database.derived(store.number())
        found["file_mb"] = sum(each.stat().st_size for each in folder.glob("graph.*")) / 2**20
        del layer
        gc.collect()
        before = _resident()
        layer = GraphLayer(store)
        began = time.perf_counter()
        found["phrases"] = layer.state().phrases
        found["load_s"] = time.perf_counter() - began
        gc.collect()
        found["edges"] = layer.state().adjacency.edges
        found["resident_mb"] = (_resident() - before) / 2**20
        found["insert_ms"], found["apply_ms"] = _inserted(store, layer, records, embedder)
        found["forget_layer_ms"] = _forgotten(store, layer, [record.id for record in records[: _DOCUMENTS // 2]])
    finally:
        store.close()
    found["forget_ms"] = _forgotten_whole(path, [record.id for record in records[_DOCUMENTS // 2 :]], embedder)
    return found


def _inserted(store: Store, layer: GraphLayer, records: list[Record], embedder: Embedder) -> tuple[float, float]:
    """Milliseconds to insert one document, commit and phrases included, and of that the graph's part; medians."""
    rules = RuleExtractor()
    vectors = embedder.embed([f"{record.title}\n{record.text}" for record in records])
    whole, part = [], []
    for record, vector in zip(records, vectors, strict=True):
        passage = Passage(0, record.id, record.title, record.text, 0, len(record.text))
        began = time.perf_counter()
        found = tuple(rules.extract([passage], []))
        document = Document(record.id, record.title, record.text)
        entry = Entry(document, (Span(0, len(record.text)),), vector.reshape(1, -1), found, TAGGER)
        store.put([entry], embedder.identity)
        committed = time.perf_counter()
        catch_up(layer, store)
        whole.append(time.perf_counter() - began)
        part.append(time.perf_counter() - committed)
    return 1000 * statistics.median(whole), 1000 * statistics.median(part)


def _forgotten(store: Store, layer: GraphLayer, ids: list[str]) -> float:
    times = []
    for id in ids:
        store.forget([id])
        began = time.perf_counter()
        catch_up(layer, store)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _forgotten_whole(path: Path, ids: list[str], embedder: Embedder) -> float:
    """Milliseconds of `Memory.forget` for one document: log, all layers, chats, and the scrubbing of the files."""
    times = []
    with Memory.open(path, embedder=embedder) as memory:
        memory.stats()
        for id in ids[:5]:
            began = time.perf_counter()
            memory.forget(id)
            times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def _report(name: str, figures: dict[str, dict[str, float]]) -> Report:
    columns = {
        "phrases": "phrases",
        "edges": "edges",
        "build_s": "build, s",
        "load_s": "load, s",
        "resident_mb": "resident, MB",
        "file_mb": "file, MB",
        "insert_ms": "insert one, ms",
        "apply_ms": "of it the graph, ms",
        "forget_layer_ms": "forget one: the graph, ms",
        "forget_ms": "forget one: all, ms",
    }
    rows = [
        (
            f"{int(size):,}",
            *(float(each[key]) if key not in ("phrases", "edges") else int(each[key]) for key in columns),
        )
        for size, each in figures.items()
    ]
    notes = (
        f"Medians of {_DOCUMENTS} documents of one passage; forgetting all: of 5. Phrases are found by rule.",
        "Insert: phrases, commit and graph, without the embedding. Forget all: log, full text, vectors, graph and the"
        " scrubbing of the files, which is done anew for every call.",
    )
    return Report(f"graph: {name}", ("passages", *columns.values()), tuple(rows), figures, notes)
