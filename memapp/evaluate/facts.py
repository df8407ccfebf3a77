"""`memapp bench facts`: what facts from elsewhere add to recall, or what they are worth in place of ours."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memapp.errors import UsageError
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Collection, Question, load
from memapp.evaluate.recall import ranking
from memapp.evaluate.report import Report
from memapp.memory import Memory
from memapp.store.extractions import TAGGER

OURS, BESIDE, INSTEAD = "ours", "theirs beside ours", "theirs instead"
GRAPH = "graph"
UNRANKED = ("dense", "graph")
"""Too few layers for the ranker, which knows only graphs that our extractor made."""
DEPTHS = (2, 5, 20)

Values = dict[tuple[str, str, int], list[float]]
"""By extraction, recall and depth: one value a question."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--facts", type=Path, required=True, help="facts of its passages, as `memapp extract --import`")
    parser.add_argument("--limit", type=int, help="only the first questions")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set or file of facts."""
    settings = workspace.settings()
    if GRAPH not in settings.layers or not settings.extract:
        raise UsageError("Facts act through the graph, which is off.", "Set layers and extract as they were.")
    collections = load(arguments.set, arguments.corpus)
    values: Values = {}
    sizes: dict[str, str] = {}
    with workspace.remembered(collections, workspace.new_embedder(settings)) as memories:
        (collection, memory), *others = memories
        if others:
            raise UsageError("A file of facts belongs to one collection.", "Name a set of one.")
        _ask(memory, collection, OURS, arguments.limit, values, sizes)
        taken = memory.import_facts(arguments.facts)
        if not taken.stored:
            raise UsageError("The facts fit no passage of the corpus.", "Name those of this corpus.")
        _ask(memory, collection, BESIDE, arguments.limit, values, sizes)
        memory.drop_facts(TAGGER)
        _ask(memory, collection, INSTEAD, arguments.limit, values, sizes)
    said = f"{taken.facts:,} facts for {taken.stored:,} of {len(collection.records):,} records"
    return _report(arguments.set.stem, values, sizes, f"{arguments.facts.stem}: {said}.")


def _ask(
    memory: Memory, collection: Collection, extraction: str, limit: int | None, values: Values, sizes: dict[str, str]
) -> None:
    questions = collection.questions[:limit]
    workspace.note(f"Asking {len(questions):,} questions: {extraction}.")
    recalls: dict[str, Sequence[str] | None] = {"all layers": None, "without ranker": UNRANKED, GRAPH: [GRAPH]}
    for name, layers in recalls.items():
        for depth in DEPTHS:
            values[extraction, name, depth] = []
        for question in questions:
            _score(values, extraction, name, ranking(memory, question, layers), question)
    sizes[extraction] = next(layer.kind for layer in memory.stats().layers if layer.name == GRAPH)


def _score(values: Values, extraction: str, name: str, found: Sequence[str], question: Question) -> None:
    for depth in DEPTHS:
        values[extraction, name, depth].append(metrics.recall(found, question.gold, depth))


def _report(name: str, values: Values, sizes: Mapping[str, str], taken: str) -> Report:
    rows: list[tuple[str | float, ...]] = []
    figures: dict[str, Any] = {}
    for recall in dict.fromkeys(key[1] for key in values):
        for extraction, size in sizes.items():
            measured = {depth: metrics.interval(values[extraction, recall, depth]) for depth in DEPTHS}
            own = figures.setdefault(recall, {})[extraction] = {
                f"recall@{depth}": asdict(each) for depth, each in measured.items()
            }
            against = ""
            if extraction != OURS:
                less = metrics.interval(values[extraction, recall, 5], values[OURS, recall, 5])
                own["recall@5"][f"against_{OURS}"] = asdict(less)
                against = f"{less.mean:+.3f} [{less.low:+.3f}, {less.high:+.3f}]"
            rows.append((recall, extraction, *(each.mean for each in measured.values()), against, size))
    questions = len(values[OURS, GRAPH, 5])
    columns = ("recall", "facts", *(f"recall@{depth}" for depth in DEPTHS), f"recall@5 against {OURS} [95 %]", "graph")
    notes = (
        taken,
        f"{questions:,} questions; differences with a paired bootstrap's 95 % interval. The ranker was trained on "
        "graphs of our own extraction; on the sets that ranker.json and tagger.json name, that flatters ours.",
    )
    return Report(f"facts: {name}", columns, tuple(rows), {"questions": questions, "recalls": figures}, notes)
