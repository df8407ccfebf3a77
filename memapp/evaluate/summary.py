"""`memapp bench summary`: how well key points stand for a whole memory, against sentences drawn by chance."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from memapp.answer.cite import sentences
from memapp.evaluate import workspace
from memapp.evaluate.data import Collection, load
from memapp.evaluate.report import Cell, Report
from memapp.memory import Memory
from memapp.store import content
from memapp.types import Passage, Vectors

_DRAWS = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--points", type=int, nargs="+", default=[5, 10, 20], help="numbers of key points (5 10 20)")
    parser.add_argument("--limit", type=int, help="only the first records of the corpus")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    (whole,) = load(arguments.set, arguments.corpus)
    records = whole.records[: arguments.limit]
    embedder = workspace.new_embedder(workspace.settings())
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, object] = {}
    with workspace.remembered([Collection(whole.name, records, ())], embedder) as [(_, memory)]:
        passages, vectors = _everything(memory)
        for count in arguments.points:
            began = time.perf_counter()
            summary = memory.summarize(points=count)
            seconds = time.perf_counter() - began
            titled = [f"{one.citation.title}: {one.citation.text}" for one in summary.points]
            chosen = _covers(vectors, embedder.embed(titled))
            drawn = [_covers(vectors, embedder.embed(_drawn(passages, count, seed))) for seed in range(_DRAWS)]
            mean, spread = statistics.fmean(drawn), statistics.pstdev(drawn)
            rows.append((count, len(titled), chosen, f"{mean:.3f} ± {spread:.3f}", f"{seconds:.2f} s"))
            figures[str(count)] = {"covered": chosen, "by chance": mean, "spread": spread, "seconds": seconds}
    notes = (
        f"{len(passages):,} passages. Covered: the mean, over all passages, of the cosine with the key point that is "
        f"most like it. By chance: sentences of passages drawn by chance, {_DRAWS} times, mean and deviation.",
    )
    columns = ("points wanted", "points", "covered", "covered by chance", "time")
    return Report(f"summary: {arguments.set.stem}", columns, tuple(rows), figures, notes)


def _everything(memory: Memory) -> tuple[Sequence[Passage], Vectors]:
    store = memory.recall_with().store
    ids, vectors = content.vectors_by_id(store, content.ids(store), memory.embedder.identity.dimension)
    found = content.passages_by_id(store, ids.tolist())
    return [found[id] for id in ids.tolist()], vectors


def _covers(vectors: Vectors, said: Vectors) -> float:
    return float((vectors @ said.T).max(axis=1).mean())


def _drawn(passages: Sequence[Passage], count: int, seed: int) -> list[str]:
    chance = np.random.default_rng(seed)
    texts = []
    for row in chance.choice(len(passages), min(count, len(passages)), replace=False).tolist():
        spans = sentences(passages[row].text)
        start, end = spans[int(chance.integers(len(spans)))]
        texts.append(f"{passages[row].title}: {passages[row].text[start:end]}")
    return texts
