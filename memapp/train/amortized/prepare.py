"""What the amortizer learns from and is measured on: passages with questions, out of a folder of data.

Questions are those of the data sets, and ones made of sentences: a name or number left out, or the sentence's rest.
Documents that are held out are only measured on; multi-hop sets have no part in this at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memapp.evaluate.data import Question, load
from memapp.evaluate.soft_prompt import frame
from memapp.evaluate.split import held_out
from memapp.evaluate.workspace import note
from memapp.train.amortized.examples import KINDS, LONGEST, LONGEST_ANSWER, NEAREST, OTHERS, SETS, Examples
from memapp.train.ragged import Ragged

_NEIGHBOURS = 3
_WORDS = (45, 150)
_CUTS = 2
"""How often a long text is cut into passages, each time elsewhere."""
_SENTENCE = re.compile(r"(?<=[.!?])[\"”']?\s+(?=[\"“‘A-Z0-9])")
_NAME = re.compile(r"(?<=[a-z,;)] )(?:[A-Z][\w’'-]+(?: (?:of |the |de )?[A-Z][\w’'-]+){0,4})|\b\d[\d,.]*\d\b|\b\d+\b")
_UNKNOWN = "<unk>"


@dataclass(slots=True)
class _Asked:
    question: str
    answer: str
    passage: int
    kind: str


def prepare(data: Path, model: Path, silver: bool = False, limit: int | None = None, seed: int = 0) -> Examples:
    """Reads the folder's singlehop/ and text/ and makes examples in the model's tokens; `limit` passages of each part
    at most.

    `silver` adds the passages and triples of extraction/musique_train_openie_silver.json, which are also the corpus of
    a multi-hop set: who measures on that set leaves them out.
    """
    chance = np.random.default_rng(seed)
    titled, asked, edges = _asked(data / "singlehop", limit)
    if silver:
        _facts(data / "extraction" / "musique_train_openie_silver.json", titled, asked)
    texts = [_passage(title, text) for title, text in titled]
    held = [held_out(title) for title, _ in titled]
    like = len(texts)
    for path in sorted((data / "text").glob("*.txt")):
        for _ in range(_CUTS):
            texts += _chunks(path, chance, limit)
    held += [False] * (len(texts) - like)
    for number, text in enumerate(texts):
        if not held[number]:
            asked += _made(text.partition("\n")[2] if number < like else text, number, chance)
    note(f"{len(texts)} passages, {sum(held)} held out; {len(asked)} questions, {edges} of them from the data sets.")
    return _tokenised(texts, held, like, asked, model, chance)


def _passage(title: str, text: str) -> str:
    return f"{title.replace('_', ' ')}\n{text}"


def _asked(folder: Path, limit: int | None) -> tuple[list[tuple[str, str]], list[_Asked], int]:
    titled: list[tuple[str, str]] = []
    asked: list[_Asked] = []
    for name in SETS:
        (collection,) = load(folder / f"{name}.json", folder / f"{name}_corpus.json")
        kept = [record for record in collection.records if not limit or held_out(record.title)][: limit or None]
        if limit:
            kept += [record for record in collection.records if not held_out(record.title)][:limit]
        places = {record.id: len(titled) + n for n, record in enumerate(kept)}
        titled += [(record.title, record.text) for record in kept]
        asked += _of_set(collection.questions, places, name)
    return titled, asked, len(asked)


def _of_set(questions: Iterable[Question], places: dict[str, int], name: str) -> Iterator[_Asked]:
    for question in questions:
        gold = next(iter(question.gold))
        if gold in places and question.answers:
            yield _Asked(question.text, question.answers[0], places[gold], name)


def _facts(path: Path, titled: list[tuple[str, str]], asked: list[_Asked]) -> None:
    measured = {title.replace("_", " ").lower() for title, _ in titled if held_out(title)}
    for one in json.loads(path.read_text(encoding="utf-8"))["docs"]:
        title = str(one["title"])
        if held_out(title) or title.lower() in measured:
            continue
        triples = [triple for triple in one["extracted_triples"] if len(triple) == 3 and all(map(str.strip, triple))]
        asked += [_Asked(f"{s} {r} what?", o, len(titled), "fact") for s, r, o in triples]
        titled.append((title, one["text"]))


# Texts, and questions made of them


def _chunks(path: Path, chance: np.random.Generator, limit: int | None) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if text.count(_UNKNOWN) > 100:
        text = _detokenised(text)
    found: list[str] = []
    held: list[str] = []
    wanted = int(chance.integers(*_WORDS))
    for sentence in _SENTENCE.split(re.sub(r"\s+", " ", text)):
        if _UNKNOWN in sentence:
            continue
        held.append(sentence)
        if sum(len(each.split()) for each in held) >= wanted:
            found.append(" ".join(held))
            held, wanted = [], int(chance.integers(*_WORDS))
            if limit and len(found) == limit:
                break
    return found


def _detokenised(text: str) -> str:
    """WikiText's spaced tokens as a plain text, without its headings."""
    text = re.sub(r"^ *=.*= *$", "", text, flags=re.MULTILINE)
    text = re.sub(r" @([-,.])@ ", r"\1", text)
    text = re.sub(r'" ([^"]*) "', r'"\1"', text)
    return re.sub(r"([(\[]) ", r"\1", re.sub(r" ([,.;:!?)\]%’]|'s\b|n't\b)", r"\1", text))


def _made(text: str, passage: int, chance: np.random.Generator) -> Iterator[_Asked]:
    sentences = [each for each in _SENTENCE.split(text) if 7 <= len(each.split()) <= 35]
    for place in chance.permutation(len(sentences))[:5].tolist():
        names = list(_NAME.finditer(sentences[place]))
        if names:
            name = names[int(chance.integers(len(names)))]
            gap = f"{sentences[place][: name.start()]}___{sentences[place][name.end() :]}"
            yield _Asked(f"Fill in the blank: {gap}", name.group(), passage, "blank")
    for place in chance.permutation(len(sentences))[:2].tolist():
        words = sentences[place].split()
        cut = int(chance.integers(len(words) * 2 // 5, len(words) * 7 // 10))
        yield _Asked(f"Complete: {' '.join(words[:cut])}", " ".join(words[cut : cut + 14]), passage, "rest")


# Tokens


def _tokenised(
    texts: list[str], held: list[bool], like: int, asked: list[_Asked], path: Path, chance: np.random.Generator
) -> Examples:
    from memapp.models.native import Model, Options

    model = Model(path, Options())
    around = frame(model)
    plain = around.plain
    answers = [[*plain(each.answer), model.eos] for each in asked]
    kept = [row for row, answer in enumerate(answers) if len(answer) <= LONGEST_ANSWER]
    asked = [asked[row] for row in kept]
    of = np.array([each.passage for each in asked], np.int32)
    vectors, nearest = _similar(texts[:like], held, asked, of, chance)
    return Examples(
        passages=Ragged.of([plain(text)[:LONGEST] for text in texts]),
        held=np.array(held),
        neighbours=_neighbours(vectors, held, len(texts)),
        questions=Ragged.of([around.question(each.question) for each in asked]),
        answers=Ragged.of([answers[row] for row in kept]),
        of=of,
        kind=np.array([KINDS.index(each.kind) for each in asked], np.int8),
        nearest=nearest,
        heads=Ragged.of([around.before, around.alone, [*plain("\n\nRepeat the passages."), *around.after]]),
        begin=model.bos,
    )


def _similar(
    texts: list[str], held: list[bool], asked: list[_Asked], of: NDArray[np.int32], chance: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    from memapp.models.embedder import MiniLMEmbedder

    note("Embedding passages and questions.")
    embedder = MiniLMEmbedder()
    vectors = np.asarray(embedder.embed(texts), np.float32)
    pool = np.flatnonzero(held[: len(texts)])
    nearest = np.full((len(asked), NEAREST), -1, np.int32)
    rows = [row for row, each in enumerate(asked) if held[each.passage]]
    for row, question in zip(rows, np.asarray(embedder.embed([asked[row].question for row in rows])), strict=True):
        others = chance.choice(pool[pool != of[row]], min(OTHERS, len(pool) - 1), replace=False)
        bank = np.concatenate([[of[row]], others])
        best = bank[np.argsort(-(vectors[bank] @ question), kind="stable")][:NEAREST]
        nearest[row, : len(best)] = best
    return vectors, nearest


def _neighbours(vectors: NDArray[np.float32], held: list[bool], count: int) -> NDArray[np.int32]:
    """By meaning among the titled, by place in their text for the rest."""
    found = np.full((count, _NEIGHBOURS), -1, np.int32)
    titled = np.array(held[: len(vectors)])
    for half in (True, False):
        rows = np.flatnonzero(titled == half)
        if len(rows) > _NEIGHBOURS:
            scores = vectors[rows] @ vectors[rows].T
            np.fill_diagonal(scores, -2)
            found[rows] = rows[np.argsort(-scores, axis=1)[:, :_NEIGHBOURS]]
    for row in range(len(vectors), count):
        found[row] = [row + step if row + step < count else row - step for step in range(1, _NEIGHBOURS + 1)]
    return found
