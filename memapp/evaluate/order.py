"""`memapp bench order`: what the order of passages does to answers, and other ways to read many."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from memapp import ask
from memapp.answer import order
from memapp.errors import UsageError
from memapp.evaluate import metrics, workspace
from memapp.evaluate.answering import Answering, among_others
from memapp.evaluate.data import Question, load
from memapp.evaluate.qa import sampled
from memapp.evaluate.report import Cell, Report
from memapp.evaluate.split import asking_held_out
from memapp.memory import Memory
from memapp.models import open_engine
from memapp.models.llama import LlamaEngine
from memapp.models.set_prompt import Tokens
from memapp.profile import PLACES, at_each_place, measuring
from memapp.types import Hit

_SHORT = 32
_SIZES = [3, 5, 10, 20]
_TWICE, _SET, _APART = "read twice", "a set", "apart, best last"

Values = dict[tuple[int, str], dict[str, list[float]]]
"""By number of passages and way, by metric, one value a question."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--sample", type=int, default=40, help="questions drawn, always the same (40)")
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="numbers of passages (3 5 10 20)")
    parser.add_argument("--profiled", type=int, default=20, help="other questions for the profile, of 5 places (20)")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    (whole,) = load(arguments.set, arguments.corpus)
    (collection,) = sampled((asking_held_out(whole),), arguments.sample + arguments.profiled)
    settings = workspace.settings()
    engine, values = open_engine(settings), Values()
    asked = Answering(engine, ask.reader_of(engine, settings) is not None, _SHORT)
    questions, profiled = _split(collection.questions, arguments.profiled)
    with engine, workspace.remembered([collection], workspace.new_embedder(settings), engine) as [(_, memory)]:
        curve = _profile(memory, engine, profiled)
        for number, question in enumerate(questions, 1):
            for size in arguments.sizes:
                hits = among_others(memory, question, size)
                for name, made in _ways(asked, question.text, hits, curve).items():
                    into = values.setdefault((size, name), {"log-probability": [], "F1": []})
                    into["log-probability"].append(asked.forced(made(), question))
                    into["F1"].append(asked.scored(asked.said(made()), question))
            if number % 5 == 0:
                workspace.note(f"{number} of {len(questions)} questions.")
    name = arguments.set.stem
    if arguments.sizes != _SIZES:
        name += f", {', '.join(map(str, arguments.sizes))} passages"
    return _report(name, values, curve, len(profiled), len(questions))


def _split(questions: Sequence[Question], profiled: int) -> tuple[Sequence[Question], Sequence[Question]]:
    if len(questions) <= profiled + 1:
        raise UsageError("There are too few questions.", "Draw more, or profile with fewer.")
    return questions[profiled:], questions[:profiled]


def _profile(memory: Memory, engine: LlamaEngine, questions: Sequence[Question]) -> tuple[float, ...]:
    if not questions:
        return ()
    workspace.note("Measuring the places of the prompt.")
    rows = []
    for question in questions:
        hits = among_others(memory, question, PLACES)
        gold = next(hit for hit in hits if hit.passage.document in question.gold)
        others = [hit for hit in hits if hit is not gold]
        measure = measuring(engine, memory.settings, question.text, question.answers[0])
        rows.append(at_each_place(gold, others, measure))
    return tuple(np.mean(rows, axis=0).tolist())


def _ways(
    asked: Answering, question: str, hits: Sequence[Hit], curve: Sequence[float]
) -> dict[str, Callable[[], Tokens]]:
    orders = [one for one in order.ORDERS if one != order.PROFILE or curve]
    ways: dict[str, Callable[[], Tokens]] = {
        one: functools.partial(asked.sequential, question, order.arranged(hits, one, curve)) for one in orders
    }
    ways[_SET] = lambda: asked.apart(question, hits)
    ways[_APART] = lambda: replace(asked.apart(question, hits[::-1]), spread=True)
    ways[_TWICE] = lambda: asked.sequential(question, [*hits, *hits])
    return ways


def _report(name: str, values: Values, curve: Sequence[float], profiled: int, questions: int) -> Report:
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, object] = {"curve": list(curve)}
    for (size, way), found in values.items():
        base = values[size, order.SCORE]
        row: list[Cell] = [size, way]
        for metric in ("log-probability", "F1"):
            row.append(float(np.mean(found[metric])))
            if way == order.SCORE:
                row.append("")
                continue
            change = metrics.interval(found[metric], base[metric])
            row.append(f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]")
        rows.append(tuple(row))
        figures[f"{size}, {way}"] = {metric: float(np.mean(each)) for metric, each in found.items()}
    places = ", ".join(f"{value:.3f}" for value in curve)
    notes = (
        f"{questions} questions on held-out documents: the gold passage among those that search finds, in the model's "
        "default way of being asked. Log-probability of the first gold answer in nats a token. Changes are against "
        "the order of scores, with 95 % intervals. ends: best first, second best last. read twice: all passages "
        "once more.",
        f"profile: from {profiled} other questions; log-probability with the gold passage at each of five places: "
        f"{places or 'not measured'}.",
    )
    columns = ("passages", "order", "log-probability", "change", "F1", "change")
    return Report(f"order: {name}", columns, tuple(rows), figures, notes)
