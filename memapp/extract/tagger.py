"""A small network on an encoder's token states that finds the mentions in a text.

Each word is known by the states of its first and last token and by its shape, because the encoder does not see
capitals; one layer looks at the word, one at two words to either side. Labels are begin, inside, outside. NumPy only:
the network is trained by memapp.train.tagger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from memapp.extract.words import CAPITAL, OPENS, Words, words
from memapp.protocols import TokenStates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memapp.types import Vectors

    Weights = Mapping[str, Vectors]

REACH = 2
"""Words to either side that a label depends on beyond the encoder's own view."""
BEGIN, INSIDE, OUTSIDE = 0, 1, 2


def scores(weights: Weights, found: Words, states: Sequence[TokenStates]) -> Vectors:
    """Probabilities of begin, inside and outside, shape (words, 3)."""
    if not len(found.spans):
        return np.zeros((0, 3), np.float32)
    matrix = weights["tokens"]
    tokens = np.empty((sum(len(each.states) for each in states), matrix.shape[1]), np.float32)
    at = 0
    for each in states:
        np.matmul(each.states, matrix, out=tokens[at : at + len(each.states)])
        at += len(each.states)
    width = tokens.shape[1] // 2
    seen = tokens[found.tokens[:, 0], :width] + tokens[found.tokens[:, 1], width:]
    seen += found.shapes @ weights["shapes"] + weights["word"]
    np.maximum(seen, 0, out=seen)
    inner = _around(seen, found.texts, weights["around"]) + weights["context"]
    logits = np.maximum(inner, 0) @ weights["labels"] + weights["prior"]
    powers: Vectors = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Vectors = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _around(seen: Vectors, texts: NDArray[np.int32], matrix: Vectors) -> Vectors:
    """The sum of what each word of the window adds, nothing from beyond the text."""
    parts = np.split(matrix, 2 * REACH + 1)
    total: Vectors = seen @ parts[REACH]
    for step in range(1, REACH + 1):
        near = (texts[step:] == texts[:-step])[:, None]
        if len(near):
            total[step:] += seen[:-step] @ parts[REACH - step] * near
            total[:-step] += seen[step:] @ parts[REACH + step] * near
    return total


def mentions(
    weights: Weights, texts: Sequence[str], states: Sequence[TokenStates], doubt: float = 0.5, capital: float = 0.5
) -> list[list[tuple[int, int]]]:
    """Spans [start, end) of the mentions of each text, in order, in characters.

    A word is outside when the network is at least `doubt` sure of it, or `capital` for one with a capital that does
    not begin a sentence: the higher, the more is found.
    """
    found = words(texts, states)
    sure = scores(weights, found, states)
    return spans(found, sure, len(texts), doubt, capital)


def spans(found: Words, sure: Vectors, texts: int, doubt: float, capital: float) -> list[list[tuple[int, int]]]:
    """The mentions that the probabilities of the words make, as `mentions` gives them."""
    capitals = (found.shapes[:, CAPITAL] > 0) & (found.shapes[:, OPENS] == 0)
    inside = sure[:, OUTSIDE] < np.where(capitals, max(doubt, capital), doubt)
    begins = inside & (sure[:, BEGIN] >= sure[:, INSIDE])
    if len(inside):
        begins[0] = inside[0]
        begins[1:] |= inside[1:] & (~inside[:-1] | (found.texts[1:] != found.texts[:-1]))
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(inside))
    outside = np.where(inside, len(inside), np.arange(len(inside)))
    until = np.minimum.accumulate(outside[::-1])[::-1]
    made: list[list[tuple[int, int]]] = [[] for _ in range(texts)]
    for one, end in zip(first.tolist(), np.minimum(last, until[first]).tolist(), strict=True):
        made[found.texts[one]].append((int(found.spans[one, 0]), int(found.spans[end - 1, 1])))
    return made
