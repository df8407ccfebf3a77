"""`memapp bench qa`: whether answers are right."""

from __future__ import annotations

import argparse
import random
import statistics
import time
from dataclasses import asdict, replace
from pathlib import Path

from memapp import ask
from memapp.answer import cite
from memapp.errors import UsageError
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Collection, load
from memapp.evaluate.report import Report
from memapp.memory import Memory
from memapp.search import search
from memapp.types import Piece, Sampling

_METRICS = {"EM": metrics.exact_match, "F1": metrics.f1, "contains": metrics.contains}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json, or LoCoMo's file")
    parser.add_argument("--corpus", type=Path, help="NAME_corpus.json")
    parser.add_argument("--sample", type=int, default=100, help="questions drawn, always the same (100); 0 is all")
    parser.add_argument("-k", type=int, help="passages handed to the model")
    parser.add_argument(
        "--plain",
        action="store_true",
        help="beside it: the nearest vectors only, and the model as it was before it was taught",
    )
    parser.add_argument("--whole", action="store_true", help="beside it: every question as it is, none in hops")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    collections = sampled(load(arguments.set, arguments.corpus), arguments.sample)
    settings = workspace.settings()
    values: dict[str, list[float]] = {
        name: [] for name in (*_METRICS, "in hops", "abstained", "gold recalled", "cites gold")
    }
    seconds: list[float] = []
    plain: list[float] = []
    whole: list[float] = []
    with workspace.remembered(collections, workspace.new_embedder(settings)) as memories:
        for collection, memory in memories:
            workspace.note(f"Asking {len(collection.questions):,} questions of {collection.name}.")
            for question in collection.questions:
                began = time.perf_counter()
                answer = memory.ask(question.text, arguments.k)
                seconds.append(time.perf_counter() - began)
                said = "" if answer.abstained else cite.unmarked(answer.text)
                for name, measure in _METRICS.items():
                    values[name].append(measure(said, question.answers))
                found = [hit.passage.document for hit in answer.hits]
                values["in hops"].append(float(bool(answer.hops) and not answer.abstained))
                values["abstained"].append(float(answer.abstained))
                values["gold recalled"].append(metrics.recall(found, question.gold, len(found)))
                values["cites gold"].append(float(any(cited.document in question.gold for cited in answer.citations)))
                if arguments.plain:
                    plain.append(metrics.f1(_plain(memory, question.text, arguments.k), question.answers))
                if arguments.whole:
                    alone = metrics.f1(_whole(memory, question.text, arguments.k), question.answers)
                    whole.append(values["F1"][-1] - alone)
    return _report(arguments.set.stem, values, seconds, plain, whole)


def _whole(memory: Memory, question: str, k: int | None) -> str:
    """What is answered to the question as it is; nothing where it is withheld."""
    recall = memory.recall_with(None)
    recall = replace(recall, settings=replace(recall.settings, hops=False))
    answer = ask.ended(ask.stream(recall, memory.engine, question, k or recall.settings.k))
    return "" if answer.abstained else cite.unmarked(answer.text)


def _plain(memory: Memory, question: str, k: int | None) -> str:
    """What the untaught model writes from the passages with the nearest vectors."""
    recall, engine = memory.recall_with(["dense"]), memory.engine
    settings = replace(recall.settings, reader=False)
    hits = search(recall, question, k or settings.k).hits
    made, _ = ask.prompted(engine, settings, question, hits)
    sampling = Sampling(settings.answer_tokens, stop=("\n\n",))
    return "".join(piece.text for piece in ask.written(engine, made, sampling) if isinstance(piece, Piece))


def sampled(collections: tuple[Collection, ...], size: int) -> list[Collection]:
    """The same collections with `size` of the questions in all, drawn with a fixed seed."""
    every = [question for collection in collections for question in collection.questions if question.answers]
    if not every:
        raise UsageError("The data set has no answers.", "Use `memapp bench recall` for it.")
    drawn = {question.id for question in (random.Random(0).sample(every, size) if 0 < size < len(every) else every)}
    return [
        Collection(one.name, one.records, tuple(question for question in one.questions if question.id in drawn))
        for one in collections
    ]


def _report(
    name: str, values: dict[str, list[float]], seconds: list[float], plain: list[float], whole: list[float]
) -> Report:
    if plain:
        values = {**values, "F1 of the plain model with the nearest vectors": plain}
    if whole:
        values = {**values, "F1 gained by hops": whole}
    intervals = {metric: metrics.interval(each) for metric, each in values.items()}
    rows = tuple((metric, each.mean, f"[{each.low:.3f}, {each.high:.3f}]") for metric, each in intervals.items())
    median = statistics.median(seconds)
    notes = (f"{len(seconds):,} questions, {median:.2f} s each (median). An abstention counts as an empty answer.",)
    figures = {
        "questions": len(seconds),
        "seconds_median": median,
        **{metric: asdict(each) for metric, each in intervals.items()},
    }
    return Report(f"qa: {name}", ("figure", "mean", "95 %"), rows, figures, notes)
