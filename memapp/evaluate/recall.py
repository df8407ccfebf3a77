"""`memapp bench recall`: how much of what helps is found, by each layer and by their fusion."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Question, load
from memapp.evaluate.report import Report
from memapp.memory import Memory
from memapp.recall import ranker
from memapp.recall.fuse import DEPTH

BASELINE = "dense"
FUSED = "fused"
_DEEPEST = 20
_ASKED = DEPTH
"""Passages asked for, as many as layers propose; several may be of one document."""

METRICS: Mapping[str, Callable[[Sequence[str], metrics.Gold], float]] = {
    "recall@1": lambda ranking, gold: metrics.recall(ranking, gold, 1),
    "recall@2": lambda ranking, gold: metrics.recall(ranking, gold, 2),
    "recall@5": lambda ranking, gold: metrics.recall(ranking, gold, 5),
    "recall@10": lambda ranking, gold: metrics.recall(ranking, gold, 10),
    "recall@20": lambda ranking, gold: metrics.recall(ranking, gold, 20),
    "all-gold@5": lambda ranking, gold: metrics.all_gold(ranking, gold, 5),
    "nDCG@10": lambda ranking, gold: metrics.ndcg(ranking, gold, 10),
    "MRR": metrics.reciprocal_rank,
}

Values = dict[str, list[float]]
"""Per metric, one value a question."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument(
        "--set", type=Path, required=True, help="questions: NAME.json, LoCoMo's file, Cranfield's folder"
    )
    parser.add_argument("--corpus", type=Path, help="NAME_corpus.json")
    parser.add_argument("--limit", type=int, help="only the first questions of each collection")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    collections = load(arguments.set, arguments.corpus)
    settings = workspace.settings()
    runs: dict[str, Sequence[str]] = {layer: [layer] for layer in settings.layers}
    if len(runs) > 1:
        runs[FUSED] = settings.layers
    values: dict[str, Values] = {name: {metric: [] for metric in METRICS} for name in runs}
    with workspace.remembered(collections, workspace.new_embedder(settings)) as memories:
        for collection, memory in memories:
            questions = collection.questions[: arguments.limit]
            workspace.note(f"Asking {len(questions):,} questions of {collection.name}.")
            for question in questions:
                for name, layers in runs.items():
                    _score(values[name], ranking(memory, question, layers), question)
    return _report(arguments.set.stem, values)


def ranking(memory: Memory, question: Question, layers: Sequence[str] | None = None) -> list[str]:
    """Ids of the documents that a search finds, each at its best passage's place, at most 20.

    One layer's passages stand in that layer's own order, without what fusion adds.
    """
    hits = memory.search(question.text, _ASKED, layers=layers).hits
    if layers is not None and len(layers) == 1:
        hits = tuple(sorted(hits, key=lambda hit: hit.shares[0].rank))
    return list(dict.fromkeys(hit.passage.document for hit in hits))[:_DEEPEST]


def _score(values: Values, found: Sequence[str], question: Question) -> None:
    for metric, measure in METRICS.items():
        values[metric].append(measure(found, question.gold))


def _report(name: str, values: Mapping[str, Values]) -> Report:
    rows: list[tuple[str | float, ...]] = []
    figures: dict[str, Any] = {}
    for layer, measured in values.items():
        figures[layer] = {metric: asdict(metrics.interval(each)) for metric, each in measured.items()}
        against = ""
        if BASELINE in values and layer != BASELINE:
            for metric, each in measured.items():
                difference = metrics.interval(each, values[BASELINE][metric])
                figures[layer][metric][f"against_{BASELINE}"] = asdict(difference)
                if metric == "recall@5":
                    against = f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
        rows.append((layer, *(figures[layer][metric]["mean"] for metric in METRICS), against))
    questions = len(next(iter(values.values()))["recall@5"])
    columns = ("layer", *METRICS, f"recall@5 against {BASELINE} [95 %]")
    note = f"{questions:,} questions; a record is one document; differences with a paired bootstrap's 95 % interval."
    notes = (note, *_learned(name))
    return Report(f"recall: {name}", columns, tuple(rows), {"questions": questions, "layers": figures}, notes)


def _learned(name: str) -> Iterator[str]:
    """What has to be said where the shipped ranker was trained on this very set."""
    manifest = ranker.load()[1]
    if name in manifest["data"]:
        reached = manifest["left_out"][name]["recall@5"]
        yield f"The shipped ranker was trained on this set, so '{FUSED}' is too high: left out it is {reached:.3f}."
