"""`memapp bench parametric-qa`: what the parametric memory does to answers, with passages to read and without."""

from __future__ import annotations

import argparse
from pathlib import Path

from memapp.answer import prompt
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Question, load
from memapp.evaluate.qa import sampled
from memapp.evaluate.report import Cell, Report
from memapp.layers.parametric.gate import MODES
from memapp.layers.parametric.mixture import Mixture
from memapp.memory import Memory
from memapp.models.llama import LlamaEngine
from memapp.types import Message, Piece, Sampling

_SHORT = 32
"""Tokens of an answer without passages."""
Values = dict[tuple[str, str, str], list[float]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--sample", type=int, default=100, help="questions drawn, always the same (100)")
    parser.add_argument("-k", type=int, default=5, help="passages handed to the model")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    (collection,) = sampled(load(arguments.set, arguments.corpus), arguments.sample)
    values: Values = {}
    with workspace.parametric("both") as (engine, make), workspace.folder() as place:
        memory = make()
        workspace.note("Reading and learning.")
        workspace.ingested(memory, collection.records, place)
        memory.consolidate()
        workspace.note(f"Asking {len(collection.questions)} questions.")
        for question in collection.questions:
            # All modes of a question in a row: its prompt is computed once.
            for mode in ("off", *MODES):
                _ask(question, mode, arguments.k, memory, engine, values)
    return _report(arguments.set.stem, values, len(collection.questions))


def _ask(question: Question, mode: str, k: int, memory: Memory, engine: LlamaEngine, values: Values) -> None:
    def bias() -> Mixture | None:
        return None if mode == "off" else memory.parametric().mixture(mode)

    hits = memory.recall(question.text, k)
    room = engine.context_tokens - memory.settings.answer_tokens
    read = prompt.build(question.text, hits, [], room, engine.count).messages
    asked = {"with passages": read, "without": (Message("user", f"{question.text} Answer in a few words."),)}
    for kind, messages in asked.items():
        gold = max(engine.forced(messages, answer, bias()) for answer in question.answers)
        values.setdefault((kind, mode, "log-probability"), []).append(gold)
        pieces = engine.stream(messages, Sampling(_SHORT, stop=("\n\n",)), None, bias())
        text = "".join(piece.text for piece in pieces if isinstance(piece, Piece))
        values.setdefault((kind, mode, "F1"), []).append(metrics.f1(text, question.answers))


def _report(name: str, values: Values, questions: int) -> Report:
    rows: list[tuple[Cell, ...]] = []
    for kind in ("with passages", "without"):
        for mode in ("off", *MODES):
            row: list[Cell] = [kind, mode]
            for metric in ("log-probability", "F1"):
                mine, base = values[kind, mode, metric], values[kind, "off", metric]
                row.append(metrics.interval(mine).mean)
                difference = metrics.interval([one - other for one, other in zip(mine, base, strict=True)])
                row.append(
                    "" if mode == "off" else f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
                )
            rows.append(tuple(row))
    columns = ("passages", "memory", "log-probability", "change [95 %]", "F1", "change [95 %]")
    notes = (
        f"{questions} questions. Log-probability of the gold answer, in nats a token, teacher-forced after the prompt; "
        f"F1 of what the model writes, {_SHORT} tokens at most.",
    )
    figures = {" / ".join(key): metrics.interval(each).mean for key, each in values.items()}
    return Report(f"parametric memory, answers: {name}", columns, tuple(rows), figures, notes)
