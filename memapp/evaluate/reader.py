"""`memapp bench reader`: how well the reader answers from passages, on documents that it did not learn from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from memapp import ask
from memapp.answer import cite, confidence, prompt, reading
from memapp.errors import UsageError
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Question, load
from memapp.evaluate.qa import sampled
from memapp.evaluate.report import Cell, Report
from memapp.evaluate.split import asking_held_out
from memapp.memory import Memory
from memapp.protocols import Engine
from memapp.types import Hit, Piece, Sampling

WAYS = ("gold alone", "gold among 4 others", "found by recall", "gold taken out")
_NAMES = {"sequential": "reader", "set": "reader, passages as a set", "apart": "reader, passages apart"}
_TOKENS = 48
_PLAIN = Sampling(_TOKENS, stop=("\n\n",))
_SHORT = Sampling(_TOKENS, stop=("\n",))


@dataclass(slots=True)
class Values:
    """Of each question, in order."""

    f1: list[float] = field(default_factory=list)
    exact: list[float] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)
    bears: list[float] = field(default_factory=list)
    """Of right answers that have a citation: whether the cited sentence holds a right answer."""
    outside: int = 0
    """Citations of passages that were not read."""


Found = dict[tuple[str, str], Values]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--sample", type=int, default=200, help="questions drawn, always the same (200); 0 is all")
    parser.add_argument("--plain", action="store_true", help="ask the model as it was before it was taught, too")
    parser.add_argument(
        "--readings", nargs="+", default=["sequential"], choices=ask.READINGS, help="how passages are read (sequential)"
    )


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    from memapp.models import open_engine

    (collection,) = load(arguments.set, arguments.corpus)
    (collection,) = sampled((asking_held_out(collection),), arguments.sample)
    settings, found = workspace.settings(), Found()
    engine = open_engine(settings)
    engine.prepare()
    if engine.taught is None:
        raise UsageError("The model in use was not taught to read.", "Use the default model: `memapp models use`.")
    with workspace.remembered([collection], workspace.new_embedder(settings), engine) as [(_, memory)]:
        workspace.note(f"Asking {len(collection.questions):,} questions.")
        for number, question in enumerate(collection.questions):
            read = _read(memory, question, number)
            for way, hits in read.items():
                for how in arguments.readings:
                    _ask(found, (way, _NAMES[how]), engine.taught, question, hits, reading.Form(), how)
                if arguments.plain and way != WAYS[3]:
                    _ask(found, (way, "plain"), engine, question, hits, prompt.Plain())
    return _report(arguments.set.stem, found, len(collection.questions))


def _read(memory: Memory, question: Question, number: int) -> dict[str, tuple[Hit, ...]]:
    """What is read, by way: the gold's place among others goes by the question's number."""
    hits = memory.recall(question.text, 12)
    gold = tuple(hit for hit in hits if hit.passage.document in question.gold)
    if not gold:
        more = memory.recall(question.text, 200)
        gold = tuple(hit for hit in more if hit.passage.document in question.gold)
    others = [hit for hit in hits if hit.passage.document not in question.gold]
    among = others[:4]
    if gold:
        among.insert(number % 5, gold[0])
    top = prompt.worth_reading(hits[: memory.settings.k], memory.settings.focus)
    return {WAYS[0]: gold[:1], WAYS[1]: tuple(among), WAYS[2]: tuple(top), WAYS[3]: tuple(others[:5])}


def _ask(
    found: Found,
    key: tuple[str, str],
    engine: Engine,
    question: Question,
    hits: Sequence[Hit],
    form: prompt.Form,
    how: str = "sequential",
) -> None:
    values = found.setdefault(key, Values())
    taught = isinstance(form, reading.Form)
    text, logprob, tokens = "", 0.0, 0
    made = None
    if hits:
        made, _ = ask.prompted(engine, replace(workspace.settings(), reading=how), question.text, hits, form=form)
        for piece in ask.written(engine, made, _SHORT if taught else _PLAIN):
            if isinstance(piece, Piece):
                text, logprob, tokens = text + piece.text, logprob + piece.logprob, tokens + piece.tokens
    if not taught:
        values.f1.append(metrics.f1(text, question.answers))
        values.exact.append(metrics.exact_match(text, question.answers))
        return
    told = reading.written(text)
    cited = cite.locate(told.text, question.text, hits, ask.named(told, made) if made else None)
    said = "" if told.number == 0 else told.text
    right = metrics.f1(said, question.answers)
    values.f1.append(right)
    values.exact.append(metrics.exact_match(said, question.answers))
    values.sure.append(0.0 if told.number == 0 else confidence.of_reading(logprob, tokens, cited.support))
    read = {hit.passage.id for hit in hits}
    values.outside += sum(one.passage not in read for one in cited.citations)
    if right == 1.0:
        bearing = [one for one in cited.citations if metrics.contains(one.text, question.answers)]
        values.bears.append(float(bool(bearing)))


def _report(name: str, found: Found, questions: int) -> Report:
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, object] = {"questions": questions}
    for (way, how), values in found.items():
        f1 = metrics.interval(values.f1)
        bears = float(np.mean(values.bears)) if values.bears else ""
        if way != WAYS[3]:
            between = f"[{f1.low:.3f}, {f1.high:.3f}]"
            rows.append((way, how, f1.mean, between, metrics.interval(values.exact).mean, bears))
        figures[f"{way}, {how}"] = {"F1": f1.mean, "cited bears": bears, "outside": values.outside}
    notes = [f"{questions} questions on documents that the reader did not learn from; {_TOKENS} tokens at most."]
    for how in dict.fromkeys(how for _, how in found if how != "plain"):
        told, not_told = found[WAYS[1], how], found[WAYS[3], how]
        right = metrics.auroc(told.sure, not_told.sure)
        every = [*told.sure, *not_told.sure]
        error = metrics.calibration_error(every, [*told.exact, *([0.0] * len(not_told.sure))])
        outside = sum(values.outside for (_, one), values in found.items() if one == how)
        notes.append(
            f"{how}: confidence tells whether the gold is among the passages with AUROC {right:.3f}; expected "
            f"calibration error {error:.3f}; {outside} citations of passages that were not read."
        )
        figures[how] = {"AUROC": right, "ECE": error, "outside": outside}
    columns = ("passages", "model", "F1", "95 %", "exact", "cited sentence holds the answer")
    return Report(f"reader: {name}", columns, tuple(rows), figures, tuple(notes))
