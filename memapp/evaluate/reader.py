"""`memapp bench reader`: how well the reader answers from passages, on documents that it did not learn from."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from memapp import ask
from memapp.answer import candidates, cite, prompt, reading
from memapp.answer.pointing import Point
from memapp.errors import UsageError
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Question, load
from memapp.evaluate.qa import sampled
from memapp.evaluate.report import Cell, Report
from memapp.evaluate.split import asking_held_out
from memapp.memory import Memory
from memapp.protocols import Engine
from memapp.types import UNSURE_BELOW, Beam, Hit, Piece, Sampling

WAYS = ("gold alone", "gold among 4 others", "found by recall", "gold taken out")
_READER = {ask.SEQUENTIAL: "reader", ask.SET: "reader, passages as a set", ask.APART: "reader, passages apart"}
"""What the table calls it, by the way in which it reads."""
_LIKELIEST = ", its likeliest answer"
_UNPOINTED = ", without the span reader"
_TOKENS = 48
_RIGHT = 0.5
"""F1 from which an answer counts as right beside its confidence."""
_PLAIN = Sampling(_TOKENS, stop=("\n\n",))


@dataclass(slots=True)
class Values:
    """Of each question, in order."""

    f1: list[float] = field(default_factory=list)
    exact: list[float] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)
    withheld: list[float] = field(default_factory=list)
    """Whether the answer is not given, which counts as wrong."""
    bears: list[float] = field(default_factory=list)
    """Of right answers that have a citation: whether the cited sentence holds a right answer."""
    outside: int = 0
    """Citations of passages that were not read."""


@dataclass(frozen=True, slots=True)
class _Said:
    beams: tuple[Piece, ...] = ()
    """What it may say; one text, where it was to write one."""
    prompt: prompt.Prompt | None = None
    """What it was asked with."""


Found = dict[tuple[str, str], Values]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--sample", type=int, default=200, help="questions drawn, always the same (200); 0 is all")
    parser.add_argument("--plain", action="store_true", help="ask the model as it was before it was taught, too")
    told = f"how passages are read ({ask.SEQUENTIAL})"
    parser.add_argument("--readings", nargs="+", default=[ask.SEQUENTIAL], choices=ask.READINGS, help=told)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS, help="what is read (all of these)")
    parser.add_argument("--unpointed", action="store_true", help="weigh without the span reader, too")
    weighed = "how many likely answers are weighed, 1 for none (as the settings say)"
    parser.add_argument("--beams", nargs="+", type=int, default=[workspace.settings().beams], help=weighed)


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
    with engine, workspace.remembered([collection], workspace.new_embedder(settings), engine) as [(_, memory)]:
        points: dict[str, Point | None] = {"": memory.span_reader.spans if settings.span_reader else None}
        if arguments.unpointed:
            points[_UNPOINTED] = None
        workspace.note(f"Asking {len(collection.questions):,} questions.")
        for number, question in enumerate(collection.questions):
            read = _read(memory, question, number)
            for way, hits in ((way, read[way]) for way in arguments.ways):
                for how, beams in itertools.product(arguments.readings, arguments.beams):
                    sampling = replace(ask.reading_sampling(settings), max_tokens=_TOKENS, beams=beams)
                    said = _said(engine.taught, question.text, hits, reading.Form(), how, sampling)
                    name = _READER[how] if beams > 1 else _READER[how] + _LIKELIEST
                    for mark, point in points.items():
                        values = found.setdefault((way, name + mark), Values())
                        _score_reader(values, said, question, hits, settings.abstain_below, point)
                if arguments.plain and way != WAYS[3]:
                    said = _said(engine, question.text, hits, prompt.Plain(), ask.SEQUENTIAL, _PLAIN)
                    _score(found.setdefault((way, "plain"), Values()), said.beams[0].text if hits else "", question)
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


def _said(engine: Engine, question: str, hits: Sequence[Hit], form: prompt.Form, how: str, sampling: Sampling) -> _Said:
    """What the model says with these hits before it; nothing without any."""
    if not hits:
        return _Said()
    made, _ = ask.prompted(engine, replace(workspace.settings(), reading=how), question, hits, form=form)
    pieces = [piece for piece in ask.written(engine, made, sampling) if isinstance(piece, Piece)]
    if any(isinstance(piece, Beam) for piece in pieces):
        return _Said(tuple(pieces), made)
    text = "".join(piece.text for piece in pieces)
    whole = Piece(text, sum(piece.logprob for piece in pieces), sum(piece.tokens for piece in pieces))
    return _Said((whole,), made)


def _score(values: Values, text: str, question: Question) -> float:
    right = metrics.f1(text, question.answers)
    values.f1.append(right)
    values.exact.append(metrics.exact_match(text, question.answers))
    return right


def _score_reader(
    values: Values, said: _Said, question: Question, hits: Sequence[Hit], bound: float, point: Point | None = None
) -> None:
    numbered = said.prompt.numbered if said.prompt else lambda _: None
    best = candidates.chosen(question.text, said.beams, hits, numbered, point)
    cited = best.cited
    right = _score(values, cite.unmarked(cited.text) if best.stands(bound) else "", question)
    values.sure.append(best.confidence)
    values.withheld.append(float(not best.stands(bound)))
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
            withheld = float(np.mean(values.withheld)) if values.withheld else ""
            rows.append((way, how, f1.mean, between, metrics.interval(values.exact).mean, withheld, bears))
        figures[f"{way}, {how}"] = {"F1": f1.mean, "cited bears": bears, "outside": values.outside}
    notes = [
        f"{questions} questions on documents that the reader did not learn from; {_TOKENS} tokens at most; "
        "what is withheld counts as wrong."
    ]
    for how in dict.fromkeys(how for _, how in found if how != "plain"):
        if not {(WAYS[1], how), (WAYS[3], how)} <= found.keys():
            continue
        told, not_told = found[WAYS[1], how], found[WAYS[3], how]
        right = metrics.auroc(told.sure, not_told.sure)
        every = [*told.sure, *not_told.sure]
        error = metrics.calibration_error(every, [*told.exact, *([0.0] * len(not_told.sure))])
        outside = sum(values.outside for (_, one), values in found.items() if one == how)
        notes.append(
            f"{how}: confidence tells whether the gold is among the passages with AUROC {right:.3f}; expected "
            f"calibration error {error:.3f}; without the gold {float(np.mean(not_told.withheld)):.3f} are withheld; "
            f"{outside} citations of passages that were not read. {_by_confidence(told, not_told)}"
        )
        figures[how] = {"AUROC": right, "ECE": error, "outside": outside}
    notes += _gains(found)
    columns = ("passages", "model", "F1", "95 %", "exact", "withheld", "cited sentence holds the answer")
    ways = tuple(dict.fromkeys(way for way, _ in found))
    title = f"reader: {name}" if len(ways) == len(WAYS) else f"reader: {name}, {', '.join(ways)}"
    return Report(title, columns, tuple(rows), figures, tuple(notes))


def _by_confidence(told: Values, not_told: Values) -> str:
    """How many answers are given as sure and as not sure, and how many of either are right."""
    f1 = [*told.f1, *([0.0] * len(not_told.sure))]
    every = zip([*told.sure, *not_told.sure], f1, [*told.withheld, *not_told.withheld], strict=True)
    given = [(sure >= UNSURE_BELOW, right >= _RIGHT) for sure, right, withheld in every if not withheld]
    sure, unsure = ([right for certain, right in given if certain is wanted] for wanted in (True, False))
    parts = [
        f"{len(some)} with a confidence {name} {UNSURE_BELOW}, of which {float(np.mean(some)):.2f} right"
        for name, some in (("from", sure), ("below", unsure))
        if some
    ]
    return f"Given {' and '.join(parts)} (F1 at least {_RIGHT})." if parts else ""


def _gains(found: Found) -> list[str]:
    """What weighing the likely answers brings, and reading apart, question by question, where both were asked for."""
    told = []
    for (way, how), values in found.items():
        if how == "plain":
            continue
        read = next(name for name in sorted(_READER.values(), key=len, reverse=True) if how.startswith(name))
        in_order = _READER[ask.SEQUENTIAL] + how.removeprefix(read)
        others = {
            how + _LIKELIEST: "its likeliest",
            in_order: "the same one after another",
            how + _UNPOINTED: "the same without the span reader",
        }
        for other, name in others.items():
            if other == how or (way, other) not in found or way == WAYS[3]:
                continue
            pairs = zip(values.f1, found[way, other].f1, strict=True)
            gain = metrics.interval([one - base for one, base in pairs])
            told.append(f"{way}, {how}: F1 {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] against {name}.")
    return told
