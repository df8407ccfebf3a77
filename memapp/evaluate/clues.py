"""`memapp bench clues`: what clues from the gist of a collection bring, and what they cost.

A vague question is one of the data set without the names that it has.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from memapp.errors import UsageError
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Question, load
from memapp.evaluate.qa import sampled
from memapp.evaluate.report import Cell, Report
from memapp.memory import Memory
from memapp.models import open_engine
from memapp.protocols import Bias, Engine
from memapp.recall import clues
from memapp.search import search
from memapp.types import Finish, Message, Passage, Piece, Sampling

_K = 5
_SHORTEST = 4
"""Words that are left of a question."""


@dataclass(slots=True)
class Values:
    """Of each question, in order."""

    recall: list[float] = field(default_factory=list)
    drafted: list[float] = field(default_factory=list)
    """Whether there were clues."""
    ms: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    """That the model wrote."""


@dataclass(slots=True)
class _Counting:
    """An engine that counts what it writes."""

    engine: Engine
    written: int = 0

    @property
    def identity(self) -> str:
        return self.engine.identity

    @property
    def context_tokens(self) -> int:
        return self.engine.context_tokens

    def count(self, messages: Sequence[Message]) -> int:
        return self.engine.count(messages)

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
    ) -> Iterator[Piece | Finish]:
        for piece in self.engine.stream(messages, sampling, cancel, bias):
            if isinstance(piece, Finish):
                self.written += piece.generated_tokens
            yield piece

    def prepare(self) -> None:
        self.engine.prepare()

    def close(self) -> None:
        self.engine.close()


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--sample", type=int, default=100, help="questions drawn, always the same (100)")
    parser.add_argument("--ways", nargs="+", default=[clues.CHOSEN, clues.DRAFTED], help="ways to make clues (both)")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    collections = sampled(load(arguments.set, arguments.corpus), arguments.sample)
    settings = workspace.settings()
    engine, found = open_engine(settings), dict[tuple[str, str], Values]()
    ways = (clues.OFF, *arguments.ways)
    with engine, workspace.remembered(collections, workspace.new_embedder(settings), engine) as memories:
        for collection, memory in memories:
            workspace.note(f"Asking {len(collection.questions):,} questions of {collection.name}.")
            for question in collection.questions:
                for kind, text in (("vague", vague(memory, question.text)), ("as it is", question.text)):
                    for way in ways if text else ():
                        _ask(found.setdefault((kind, way), Values()), memory, engine, text, question, way)
    if not any(kind == "vague" for kind, _ in found):
        raise UsageError("No question has a name that can be left out.", "Use another data set.")
    return _report(arguments.set.stem, found)


def vague(memory: Memory, question: str) -> str:
    """The question without the names in it; empty when it has none, or hardly anything else."""
    asked = Passage(0, "", "", question, 0, len(question))
    _, states = memory.embedder.encode([question])
    (extraction,) = memory.extractor.extract([asked], states)
    text = question
    for phrase in sorted(extraction.phrases, key=len, reverse=True):
        text = text.replace(phrase, "")
    text = " ".join(text.split())
    return text if text != question and len(text.split()) >= _SHORTEST else ""


def _ask(values: Values, memory: Memory, engine: Engine, text: str, question: Question, way: str) -> None:
    counting = _Counting(engine)
    recall = memory.recall_with()
    recall = replace(recall, settings=replace(recall.settings, clues=way), engine=lambda: counting)
    began = time.perf_counter()
    result = search(recall, text, _K)
    values.ms.append((time.perf_counter() - began) * 1000)
    values.recall.append(metrics.recall([hit.passage.document for hit in result.hits], question.gold, _K))
    values.drafted.append(float(bool(result.clues)))
    values.tokens.append(counting.written)


def _report(name: str, found: dict[tuple[str, str], Values]) -> Report:
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, object] = {}
    for (kind, way), values in found.items():
        change = metrics.interval(values.recall, found[kind, clues.OFF].recall)
        told = "" if way == clues.OFF else f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
        mean, share = statistics.fmean(values.recall), statistics.fmean(values.drafted)
        cost = (statistics.median(values.ms), statistics.fmean(values.tokens))
        rows.append((kind, way, len(values.recall), mean, told, share, *cost))
        figures[f"{kind}, {way}"] = {"recall@5": mean, "change": change.mean, "drafted": share, "tokens": cost[1]}
    notes = (
        "Recall of the complete search. Vague: the same questions without the names that the tagger finds in them. "
        f"Clues are drafted where the best hit scores below {clues.VAGUE}; ms is the median of a search, tokens are "
        "what the model writes, and its reading of the gist is done once.",
    )
    columns = ("questions", "clues", "number", "recall@5", "change [95 %]", "with clues", "ms", "tokens")
    return Report(f"clues: {name}", columns, tuple(rows), figures, notes)
