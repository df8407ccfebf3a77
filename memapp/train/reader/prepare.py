"""Texts and questions to the tokens that the reader is trained on."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memapp.answer import reading
from memapp.errors import ModelMissing
from memapp.evaluate import workspace
from memapp.evaluate.data import Record, load, load_corpus
from memapp.evaluate.split import held_out
from memapp.evaluate.texts import named
from memapp.models.catalog import bundled_path
from memapp.models.native import Model, Options
from memapp.models.template import Template
from memapp.protocols import Embedder
from memapp.train import ragged
from memapp.train.ragged import Ints, Ragged
from memapp.train.reader.pieces import FRAME, MOST, Pieces
from memapp.types import Message, Vectors

SETS = ("singlehop/squad1190", "singlehop/nq2655")
FORMAL = "singlehop/squad1190"
"""The set whose questions are whole sentences."""
SPARE = ("multihop/musique_train100", "multihop/hotpot_train100", "multihop/wiki2_train500")
"""Sets whose passages, not whose questions, are used."""
NOVELS = "Doyle_Hound_1902,Conrad_Almayer_1895,Kipling_Captains_1896"
NEAR = 12
"""Passages that are kept as distractors of each."""
_BLOCK = 1024
_NOVEL_WORDS, _NOVEL_PASSAGES = 110, 400
_LONGEST = 1200
"""Characters of a passage that questions are made of."""
_PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class _Asked:
    text: str
    answers: tuple[str, ...]
    said: str
    """An answer as the passage has it."""
    gold: int
    formal: bool
    held_out: bool


def prepare(folder: Path, model: Model, embedder: Embedder) -> Pieces:
    """Everything that training needs of the data in `folder`. Raises ReadError leaves and UsageError."""
    records: dict[tuple[str, str], int] = {}
    asked = [one for name in SETS for one in _questions(folder, name, records)]
    of_questions = len(records)
    measured = {article(title) for title, _ in records if held_out(title)}
    texts = [*records, *(one for one in _others(folder) if article(one[0]) not in measured)]
    hidden = np.array([held_out(title) for title, _ in records] + [False] * (len(texts) - of_questions))
    passages = [reading.passage(title, text) for title, text in texts]
    vectors = embedder.embed(passages)
    spare = [n for n in range(len(texts)) if not hidden[n] and len(texts[n][1]) <= _LONGEST]
    return Pieces(
        passages=_tokens(model, [f" {passage}" for passage in passages]),
        questions=_tokens(model, [f" {reading.flat(one.text)}" for one in asked]),
        answers=_tokens(model, [f" {one.said}" for one in asked]),
        aliases=Ragged.of([list("\n".join(one.answers).encode()) for one in asked]),
        gold=np.array([one.gold for one in asked], np.int32),
        near=_near(asked, passages, vectors, hidden, of_questions, embedder),
        alike=_alike(vectors, hidden),
        held_out=np.array([one.held_out for one in asked]),
        formal=np.array([one.formal for one in asked]),
        spare=np.array(spare, np.int32),
        frame=_frame(model),
        spelled=Ragged.of([list(model.piece(token)) for token in range(model.vocabulary)]),
    )


def article(title: str) -> str:
    """What two spellings of a title share."""
    return reading.flat(title.replace("_", " ")).casefold()


def _questions(folder: Path, name: str, records: dict[tuple[str, str], int]) -> Iterable[_Asked]:
    (collection,) = load(folder / f"{name}.json", folder / f"{name}_corpus.json")
    known: dict[str, Record] = {record.id: record for record in collection.records}
    for record in collection.records:
        records.setdefault((record.title, record.text), len(records))
    for question in collection.questions:
        record = known[next(iter(question.gold))]
        said = _said(question.answers, record.text)
        if said:
            yield _Asked(
                question.text,
                question.answers,
                said,
                records[record.title, record.text],
                name == FORMAL,
                held_out(record.title),
            )


def _said(answers: Sequence[str], text: str) -> str:
    """The first right answer that the passage has, in the passage's words."""
    for answer in answers:
        at = text.casefold().find(answer.casefold())
        if at >= 0 and len(text) == len(text.casefold()):
            return text[at : at + len(answer)].strip()
        if answer in text:
            return answer
    return ""


def _others(folder: Path) -> list[tuple[str, str]]:
    """Passages that no question is known of."""
    found = [(one.title, one.text) for name in SPARE for one in load_corpus(folder / f"{name}_corpus.json")]
    for path in named(folder / "text", NOVELS):
        found += [("", part) for part in _parts(path.read_text(encoding="utf-8"))][:_NOVEL_PASSAGES]
    return [(title, text) for title, text in dict.fromkeys(found) if text.strip()]


def _parts(text: str) -> Iterable[str]:
    """Paragraphs of a novel, together until they have some length."""
    held: list[str] = []
    for paragraph in _PARAGRAPH.split(text):
        held.append(" ".join(paragraph.split()))
        if sum(len(one.split()) for one in held) >= _NOVEL_WORDS:
            yield " ".join(held)
            held = []


def _near(
    asked: Sequence[_Asked],
    passages: Sequence[str],
    vectors: Vectors,
    hidden: NDArray[np.bool_],
    of_questions: int,
    embedder: Embedder,
) -> Ints:
    """Hard distractors: what a search finds beside the gold, on its side of the division."""
    found = np.full((len(asked), NEAR), -1, np.int32)
    folded = [passage.casefold() for passage in passages]
    queries = embedder.embed([one.text for one in asked])
    for n, one in enumerate(asked):
        order = np.argsort(-(vectors[:of_questions] @ queries[n]), kind="stable")[: NEAR * 4]
        kept = [
            int(index)
            for index in order
            if index != one.gold
            and hidden[index] == one.held_out
            and not any(answer.casefold() in folded[index] for answer in one.answers)
        ][:NEAR]
        found[n, : len(kept)] = kept
    return found


def _alike(vectors: Vectors, hidden: NDArray[np.bool_]) -> Ints:
    """The nearest of each passage that trains, among those that train."""
    found = np.full((len(vectors), NEAR), -1, np.int32)
    free = np.flatnonzero(~hidden)
    for start in range(0, len(free), _BLOCK):
        part = free[start : start + _BLOCK]
        cosines = vectors[part] @ vectors[free].T
        cosines[np.arange(len(part)), np.arange(start, start + len(part))] = -2.0
        nearest = np.argpartition(-cosines, NEAR, axis=1)[:, :NEAR]
        order = np.argsort(-np.take_along_axis(cosines, nearest, 1), axis=1, kind="stable")
        found[part] = free[np.take_along_axis(nearest, order, 1)]
    return found


def _tokens(model: Model, texts: Sequence[str]) -> Ragged:
    return Ragged.of(_each(model, texts))


def _frame(model: Model) -> Ragged:
    """FRAME and the numbers. The model's template is cut where the user's text stands."""
    head, tail = _around(model, reading.SYSTEM)
    ask_head, _ = _around(model, "Ask something and answer it.")
    plain = {
        "question": reading.QUESTION,
        "again": f"\n{reading.QUESTION}",
        "answer": reading.ANSWER,
        "nothing": f" {reading.NOTHING}",
        "ask_next": "\nQuestion:",
        "formal": "Passage:",
        "brief": "Text:",
    }
    parts = {name: model.tokenize(text, special=False) for name, text in plain.items()}
    parts |= {"head": head, "tail": tail, "ask_head": ask_head, "end": [model.eos]}
    numbers = [f" [{n}]" for n in range(1, MOST + 1)] + [f"\n[{n}]" for n in range(1, MOST + 1)]
    return Ragged.of([*(parts[name] for name in FRAME), *_each(model, numbers)])


def _each(model: Model, texts: Sequence[str]) -> list[list[int]]:
    return [model.tokenize(text, special=False) for text in texts]


def _around(model: Model, system: str) -> tuple[list[int], list[int]]:
    """What stands before and after the user's text."""
    return Template(model).around((Message("system", system), Message("user", "")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes what `fit` learns from."""
    parser = argparse.ArgumentParser("python -m memapp.train.reader prepare")
    parser.add_argument("--data", type=Path, required=True, help="folder with singlehop/, multihop/ and text/")
    parser.add_argument("--pieces", type=Path, required=True, help="file to write, .npz")
    options = parser.parse_args(arguments)
    path = bundled_path()
    if path is None:
        raise ModelMissing("The model that memapp ships with is not there.", "Install memapp again.")
    model = Model(path, Options())
    try:
        ragged.save(options.pieces, prepare(options.data, model, workspace.new_embedder(workspace.settings())))
    finally:
        model.close()
    return 0
