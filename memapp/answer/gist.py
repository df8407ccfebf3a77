"""The few passages that stand for many, and the sentence that says what each stands for.

Passages are chosen by facility location (Lin and Bilmes, A Class of Submodular Functions for Document Summarization,
2011): greedily, each the one that adds most to how well every passage is stood for by its most similar chosen one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.answer.cite import sentences, words
from memapp.types import Citation, KeyPoint, Passage, Vectors

LIKE = 0.85
"""Cosine from which two sentences say the same."""
_SHORTEST, _LONGEST = 5, 60
"""Content words, and words, of a sentence that says something by itself."""
_ENDS = (".", "!", "。", "！", "।", "۔", "…", '."', ".”", ".)", ".'", ".’")
_NO_SENTENCE = re.compile(r"^\s*(?:[-*#|>•]|\d+[.)]\s)|\S+: \S+ \S*: |\|")
"""Items of lists, headings, rows of tables, fields with their names."""
_TURN = re.compile(r"^[^:(]+\([^)]*\): ")
"""Who said it when, before a turn of a conversation."""
_CAPITALS = 0.3
"""Share of capitals among the letters from which a text is a heading."""

Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Passages that stand for others."""

    rows: tuple[int, ...]
    """In the order in which they were chosen."""
    owners: NDArray[np.int64]
    """Shape (n,): for each passage, which of `rows` stands for it."""


def covering(vectors: Vectors, weights: Vectors, count: int, fit: NDArray[np.bool_] | None = None) -> Chosen:
    """At most `count` of the passages of these unit vectors, shape (n, dimension), chosen to stand for all of them;
    `weights`, shape (n,), say how much each counts, `fit`, shape (n,), which may be chosen."""
    alike = np.maximum(vectors @ vectors.T, 0)
    unfit = np.zeros(len(vectors), bool) if fit is None else ~fit
    covered = np.zeros(len(vectors), np.float32)
    rows: list[int] = []
    for _ in range(min(count, len(vectors))):
        gains = weights @ np.maximum(alike - covered[:, None], 0)
        gains[rows] = gains[unfit] = -1
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        rows.append(best)
        covered = np.maximum(covered, alike[:, best])
    return Chosen(tuple(rows), alike[:, rows].argmax(axis=1) if rows else np.zeros(0, np.int64))


def points(
    passages: Sequence[Passage],
    vectors: Vectors,
    weights: Vectors,
    count: int,
    embed: Embed,
    asked: Vectors | None = None,
) -> list[KeyPoint]:
    """At most `count` sentences of the passages that together say what they are about, the one that stands for most
    first; none says what another one says. With a query's unit vector they are those that are near it, too."""
    telling = [_spans(passage) for passage in passages]
    # The sentence of a chosen passage may say the same as another one, so there are some to spare.
    chosen = covering(vectors, weights, 2 * count, np.array([bool(spans) for spans in telling], bool))
    total = float(weights.sum())
    found: list[KeyPoint] = []
    said = np.empty((0, vectors.shape[1]), np.float32)
    for place, row in enumerate(chosen.rows):
        owned = chosen.owners == place
        centre = weights[owned] @ vectors[owned] if owned.any() else vectors[row]
        centre = centre / max(float(np.linalg.norm(centre)), 1e-9) + (0 if asked is None else asked)
        spans = telling[row]
        candidates = embed([f"{passages[row].title}: {passages[row].text[start:end]}" for start, end in spans])
        best = int((candidates @ centre).argmax())
        if len(said) and float((said @ candidates[best]).max()) >= LIKE:
            continue
        said = np.concatenate([said, candidates[best : best + 1]])
        share = float(weights[owned].sum()) / total
        found.append(KeyPoint(_citation(len(found) + 1, passages[row], *spans[best]), share))
        if len(found) == count:
            break
    return found


def _spans(passage: Passage) -> list[tuple[int, int]]:
    return [(start, end) for start, end in sentences(passage.text) if _says_something(passage.text[start:end])]


def _says_something(text: str) -> bool:
    """Whether it is a whole sentence and no question, heading, item or row."""
    text = _TURN.sub("", text)
    letters = [letter for letter in text if letter.isalpha()]
    return (
        text.endswith(_ENDS)
        and not text[0].islower()
        and not _NO_SENTENCE.search(text)
        and len(words(text)) >= _SHORTEST
        and len(text.split()) <= _LONGEST
        and sum(letter.isupper() for letter in letters) < _CAPITALS * len(letters)
    )


def _citation(n: int, passage: Passage, start: int, end: int) -> Citation:
    said = (passage.document, passage.title, passage.text[start:end], passage.start + start, passage.start + end)
    return Citation(n, *said, passage.id, passage.source, passage.page)
