"""The few passages that stand for many, and the sentence that says what each stands for.

Passages are chosen by facility location (Lin and Bilmes, A Class of Submodular Functions for Document Summarization,
2011): greedily, each the one that adds most to how well every passage is stood for by its most similar chosen one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.answer.cite import sentences, words
from memapp.types import Citation, KeyPoint, Passage, Vectors

LIKE = 0.85
"""Cosine from which two sentences say the same."""
_SHORTEST = 5
"""Content words that a sentence must have to say something by itself."""
_LONGEST = 60
_ASKS = "?？؟"

Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Passages that stand for others."""

    rows: tuple[int, ...]
    """In the order in which they were chosen."""
    owners: NDArray[np.int64]
    """Shape (n,): for each passage, which of `rows` stands for it."""


def covering(vectors: Vectors, weights: Vectors, count: int) -> Chosen:
    """At most `count` of the passages of these unit vectors, shape (n, dimension), chosen to stand for all of them;
    `weights`, shape (n,), say how much each counts."""
    alike = np.maximum(vectors @ vectors.T, 0)
    covered = np.zeros(len(vectors), np.float32)
    rows: list[int] = []
    for _ in range(min(count, len(vectors))):
        gains = weights @ np.maximum(alike - covered[:, None], 0)
        gains[rows] = -1
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        rows.append(best)
        covered = np.maximum(covered, alike[:, best])
    return Chosen(tuple(rows), alike[:, rows].argmax(axis=1) if rows else np.zeros(0, np.int64))


def points(passages: Sequence[Passage], vectors: Vectors, weights: Vectors, count: int, embed: Embed) -> list[KeyPoint]:
    """At most `count` sentences of the passages that together say what they are about, the one that stands for most
    first; none says what another one says."""
    # Two sentences of a chosen passage may say the same as others, so there are some to spare.
    chosen = covering(vectors, weights, 2 * count)
    total = float(weights.sum())
    found: list[KeyPoint] = []
    said = np.empty((0, vectors.shape[1]), np.float32)
    for place, row in enumerate(chosen.rows):
        owned = chosen.owners == place
        centre = weights[owned] @ vectors[owned] if owned.any() else vectors[row]
        spans = _spans(passages[row])
        if not spans:
            continue
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
    text = passage.text
    return [
        (start, end)
        for start, end in sentences(text)
        if len(words(text[start:end])) >= _SHORTEST
        and len(text[start:end].split()) <= _LONGEST
        and text[end - 1] not in _ASKS
    ]


def _citation(n: int, passage: Passage, start: int, end: int) -> Citation:
    said = (passage.document, passage.title, passage.text[start:end], passage.start + start, passage.start + end)
    return Citation(n, *said, passage.id, passage.source, passage.page)
