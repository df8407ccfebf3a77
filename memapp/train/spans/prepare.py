"""Texts and questions to the tokens that the span reader is trained on."""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.answer import reading
from memapp.answer.pointing import places
from memapp.evaluate import workspace
from memapp.evaluate.data import load, load_corpus
from memapp.evaluate.split import held_out
from memapp.extract.extractor import PhraseExtractor
from memapp.models import minilm
from memapp.models.minilm_runtime import load_tokenizer
from memapp.models.span_reader import pair
from memapp.protocols import Embedder
from memapp.train import ragged
from memapp.train.ragged import Ints, Ragged
from memapp.train.reader.prepare import SETS, SPARE, article
from memapp.train.spans import cloze

ARTICLES = ("text/wikitext2_valid", "text/wikitext2_test")
MADE, ASKED, KEPT = range(3)
"""Where a question is from: made of a statement, of the data, or of its part for measuring."""
MOST_TOKENS = 288
"""Of question and passage together."""
WORDS = 110
"""Of a part of an article, at least."""
UNTOLD = 0.08
"""Share of made questions that get a passage which does not say the answer."""
NEAR = 12
"""Passages near to one of the data's questions, any of which is read in place of its own for what is not told."""
_LEAST, _UNKNOWN = 15, 4
_HEADING = re.compile(r"= ([^=].*[^=]) =")
_BOUNDARY = re.compile(r"(?<=[.!?]) (?=[A-Z\"])")
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Readings:
    """Questions beside passages, as tokens."""

    ids: Ragged
    begins: Ints
    """Where the passage begins."""
    places: Ragged
    """First and last token of each place of the answer, one after the other; nothing where the passage does not
    tell."""
    kind: Ints
    """MADE, ASKED or KEPT."""

    def __len__(self) -> int:
        return len(self.begins)


@dataclass(frozen=True, slots=True)
class _Reading:
    question: str
    passage: str
    answer: str
    """Empty where the passage does not tell."""
    kind: int


def prepare(folder: Path, tokenizer: Any, embedder: Embedder, seed: int = 0) -> Readings:
    """Everything that training needs of the data in `folder`. Raises ReadError leaves."""
    chance = random.Random(seed)
    found = [*_made(_texts(folder), embedder, chance)]
    for name in SETS:
        found += _asked(folder, name, embedder)
    ids, begins, where, kinds = [], [], [], []
    for one in found:
        tokens = pair(tokenizer, one.question, one.passage, MOST_TOKENS)
        said = places(one.passage, tokens.offsets, one.answer)
        if said or not one.answer:
            ids.append(tokens.ids)
            begins.append(tokens.begins)
            where.append([tokens.begins + n for place in said for n in place])
            kinds.append(one.kind)
    return Readings(Ragged.of(ids), np.array(begins, np.int32), Ragged.of(where), np.array(kinds, np.int32))


# Questions of the data


def _asked(folder: Path, name: str, embedder: Embedder) -> Iterator[_Reading]:
    """Each question with its passage, and where it trains also with each near one that does not tell."""
    (collection,) = load(folder / f"{name}.json", folder / f"{name}_corpus.json")
    records = {record.id: number for number, record in enumerate(collection.records)}
    shown = [reading.passage(record.title, record.text) for record in collection.records]
    hidden = np.array([held_out(record.title) for record in collection.records])
    vectors = embedder.embed(shown)
    queries = embedder.embed([question.text for question in collection.questions])
    for question, query in zip(collection.questions, queries, strict=True):
        gold = records[next(iter(question.gold))]
        said = next((one for one in question.answers if one.casefold() in shown[gold].casefold()), "")
        if not said:
            continue
        kind = KEPT if hidden[gold] else ASKED
        yield _Reading(question.text, shown[gold], said, kind)
        if kind == KEPT:
            continue
        for other in _near(vectors, query, gold, hidden):
            if not any(one.casefold() in shown[other].casefold() for one in question.answers):
                yield _Reading(question.text, shown[other], "", kind)


def _near(vectors: Any, query: Any, gold: int, hidden: NDArray[np.bool_]) -> list[int]:
    order = np.argsort(-(vectors @ query), kind="stable")[: NEAR * 4]
    return [int(other) for other in order if other != gold and not hidden[other]][:NEAR]


# Questions made of statements


def _made(texts: Sequence[tuple[str, str]], embedder: Embedder, chance: random.Random) -> Iterator[_Reading]:
    extractor = PhraseExtractor()
    names: list[list[tuple[int, int]]] = []
    for at in range(0, len(texts), _BATCH):
        part = [text for _, text in texts[at : at + _BATCH]]
        names += extractor.spans(part, embedder.encode(part)[1])
    for one in cloze.questions(texts, names, chance):
        title, text, answer = one.title, one.text, one.answer
        if chance.random() < UNTOLD:
            title, text = texts[chance.randrange(len(texts))]
            if answer.casefold() in text.casefold():
                continue
            answer = ""
        yield _Reading(one.question, reading.passage(title, text), answer, MADE)


def _texts(folder: Path) -> list[tuple[str, str]]:
    """Titles and passages of which nothing is measured: on one line, of some length, each once."""
    kept: list[tuple[str, str]] = []
    spare: list[tuple[str, str]] = []
    measured = set()
    for name in SETS:
        for record in load_corpus(folder / f"{name}_corpus.json"):
            if held_out(record.title):
                measured.add(article(record.title))
            else:
                kept.append((record.title, record.text))
    for name in SPARE:
        spare += [(record.title, record.text) for record in load_corpus(folder / f"{name}_corpus.json")]
    for name in ARTICLES:
        spare += _parts((folder / f"{name}.txt").read_text(encoding="utf-8"))
    kept += [one for one in spare if article(one[0]) not in measured]
    flat = ((title.replace("_", " "), " ".join(text.split())) for title, text in kept)
    return [one for one in dict.fromkeys(flat) if len(one[1].split()) >= _LEAST]


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Parts of the articles of WikiText, with the spaces of its tokens taken out again."""
    title = ""
    for line in map(str.strip, text.splitlines()):
        heading = _HEADING.fullmatch(line)
        if heading:
            title = heading[1]
        elif line and not line.startswith("= ="):
            for part in _cut(_joined(line)):
                if part.count("<unk>") <= _UNKNOWN:
                    yield title, part.replace("<unk>", "")


def _joined(line: str) -> str:
    for mark in "-,.":
        line = line.replace(f" @{mark}@ ", mark)
    line = re.sub(r" ([,.;:!?)\]%])", r"\1", line)
    line = re.sub(r"([(\[$£]) ", r"\1", line)
    return re.sub(r'" ([^"]*) "', r'"\1"', line.replace(" 's", "'s").replace(" n't", "n't").replace(" '", "'"))


def _cut(line: str) -> Iterable[str]:
    held: list[str] = []
    for sentence in _BOUNDARY.split(line):
        held.append(sentence)
        if sum(len(one.split()) for one in held) >= WORDS:
            yield " ".join(held)
            held = []
    if sum(len(one.split()) for one in held) >= WORDS // 4:
        yield " ".join(held)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes what `fit` learns from, and some of the questions that were made, to read."""
    parser = argparse.ArgumentParser("python -m memapp.train.spans prepare")
    parser.add_argument("--data", type=Path, required=True, help="folder with singlehop/, multihop/ and text/")
    parser.add_argument("--readings", type=Path, required=True, help="file to write, .npz")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    tokenizer = load_tokenizer(minilm.locate().tokenizer)
    made = prepare(options.data, tokenizer, workspace.new_embedder(workspace.settings()), options.seed)
    ragged.save(options.readings, made)
    return 0
