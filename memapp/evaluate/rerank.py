"""`memapp bench rerank`: what it is worth, and what it costs, to have the chat model put passages in order."""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import load
from memapp.evaluate.qa import sampled
from memapp.evaluate.report import Cell, Report
from memapp.models import open_engine
from memapp.recall import rerank
from memapp.search import search

_K = 5
_MEASURES = ("recall@1", "recall@2", "recall@5")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--sample", type=int, default=40, help="questions drawn, always the same (40)")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    collections = sampled(load(arguments.set, arguments.corpus), arguments.sample)
    settings = workspace.settings()
    engine = open_engine(settings)
    engine.prepare()
    found: dict[str, dict[str, list[float]]] = {name: {} for name in rerank.RERANKERS}
    with engine, workspace.remembered(collections, workspace.new_embedder(settings), engine) as memories:
        for collection, memory in memories:
            workspace.note(f"Asking {len(collection.questions):,} questions of {collection.name}.")
            for question in collection.questions:
                for name in rerank.RERANKERS:
                    recall = replace(memory.recall_with(), settings=replace(settings, rerank=name))
                    began = time.perf_counter()
                    hits = search(recall, question.text, _K).hits
                    spent = time.perf_counter() - began
                    ranking = [hit.passage.document for hit in hits]
                    values = {each: metrics.recall(ranking, question.gold, int(each[-1])) for each in _MEASURES}
                    for each, value in {**values, "seconds": spent}.items():
                        found[name].setdefault(each, []).append(value)
    return _report(arguments.set.stem, found)


def _report(name: str, found: dict[str, dict[str, list[float]]]) -> Report:
    rows: list[tuple[Cell, ...]] = []
    for method, values in found.items():
        row: list[Cell] = [method]
        for each in _MEASURES:
            change = metrics.interval(values[each], found[rerank.OFF][each])
            more = "" if method == rerank.OFF else f" ({change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}])"
            row.append(f"{statistics.fmean(values[each]):.3f}{more}")
        rows.append((*row, f"{statistics.median(values['seconds']):.2f} s"))
    figures = {method: {each: statistics.fmean(v) for each, v in values.items()} for method, values in found.items()}
    notes = (
        f"{len(found[rerank.OFF]['seconds'])} questions; the {rerank.DEPTH} best passages of the complete recall, as "
        "they are and put in order by the chat model; changes with 95 % intervals.",
    )
    return Report(f"rerank: {name}", ("put in order", *_MEASURES, "a question"), tuple(rows), figures, notes)
