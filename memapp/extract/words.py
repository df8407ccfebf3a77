"""From an encoder's tokens to words, and what a word looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memapp.extract import characters as c
from memapp.protocols import TokenStates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memapp.types import Vectors

SHAPES = 22
"""Columns of `Words.shapes`."""
CAPITAL, OPENS = 0, 19
"""Columns: the word begins with a capital, it begins a sentence or a line."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of several texts, one after another; a punctuation mark is a word."""

    spans: NDArray[np.int32]
    """Shape (words, 2), in characters of the word's own text."""
    texts: NDArray[np.int32]
    """Number of the text that each word is in."""
    tokens: NDArray[np.int32]
    """Shape (words, 2): first and last token, counted through all texts."""
    shapes: Vectors
    """Shape (words, SHAPES), 0 or 1."""


def words(texts: Sequence[str], states: Sequence[TokenStates]) -> Words:
    """The words of the texts as far as there are token states."""
    shifts = np.cumsum([0, *(len(text) + 1 for text in texts)], dtype=np.int32)
    counts = [len(each.offsets) for each in states]
    owners = np.repeat(np.arange(len(texts), dtype=np.int32), counts)
    pieces = np.concatenate([each.offsets for each in states]) if texts else np.zeros((0, 2), np.int32)
    pieces = pieces + shifts[owners][:, None]
    found = c.flags("\n".join([*texts, ""]))
    pieces[:, 1] = _past_marks(found, pieces[:, 1])
    begins = ~_continues(found, pieces)
    first = np.flatnonzero(begins).astype(np.int32)
    last = np.append(first[1:], len(pieces)).astype(np.int32) - 1 if len(first) else first
    spans = np.stack([pieces[first, 0], pieces[last, 1]], axis=1).astype(np.int32)
    shapes = _shapes(found, spans, owners[first])
    return Words(spans - shifts[owners[first]][:, None], owners[first], np.stack([first, last], axis=1), shapes)


def _past_marks(found: c.Flags, ends: NDArray[np.int32]) -> NDArray[np.int32]:
    """Ends moved behind the marks that follow, which some tokenizers leave out."""
    if not (found & c.MARK).any():
        return ends
    places = np.where((found & c.MARK) == 0, np.arange(len(found)), len(found))
    following: NDArray[np.int32] = np.minimum.accumulate(places[::-1])[::-1].astype(np.int32)
    return following[ends]


def _continues(found: c.Flags, pieces: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each token goes on with the word of the token before."""
    whole = (found & (c.LETTER | c.DIGIT | c.MARK) != 0) & (found & c.ALONE == 0)
    joined = np.zeros(len(pieces), np.bool_)
    if len(pieces) > 1:
        joined[1:] = (pieces[1:, 0] <= pieces[:-1, 1]) & whole[pieces[1:, 0]] & whole[pieces[:-1, 1] - 1]
    return joined


def _shapes(found: c.Flags, spans: NDArray[np.int32], owners: NDArray[np.int32]) -> Vectors:
    start, length = spans[:, 0], spans[:, 1] - spans[:, 0]
    first = found[start]
    before = np.where(start > 0, found[start - 1], c.LINE)
    upper, lower = c.count(found, c.UPPER, spans), c.count(found, c.LOWER, spans)
    digits, letters = c.count(found, c.DIGIT, spans), c.count(found, c.LETTER, spans)
    changed = np.ones(len(start), np.bool_)
    changed[1:] = owners[1:] != owners[:-1]
    quote = first & c.QUOTE != 0
    stop = first & c.STOP != 0
    line = changed.copy()
    line[1:] |= c.count(found, c.LINE, np.stack([spans[:-1, 1], start[1:]], axis=1)) > 0
    opens = line.copy()
    opens[1:] |= stop[:-1] | (quote[:-1] & line[:-1])
    opens[2:] |= quote[1:-1] & stop[:-2]
    quoted = np.cumsum(quote)
    columns = (
        first & c.UPPER != 0,
        (upper == letters) & (upper > 1),
        (upper > 0) & (lower > 0) & ((first & c.UPPER == 0) | (upper > 1)),
        (length == 1) & (upper == 1),
        digits > 0,
        (digits == length) & (length == 4),
        (digits == length) & (length < 3),
        (letters > 0) & (upper + lower == 0),
        length == 1,
        length > 7,
        quote,
        first & c.OPENING != 0,
        first & c.CLOSING != 0,
        stop,
        first & c.PAUSE != 0,
        first & c.HYPHEN != 0,
        first & c.JOINT != 0,
        (before & (c.SPACE | c.LINE)) != 0,
        line,
        opens,
        (quoted - quoted[np.maximum.accumulate(np.where(changed, np.arange(len(start)), 0))] + quote) % 2 == 1,
        (digits > 0) & (letters > 0),
    )
    return np.stack(columns, axis=1).astype(np.float32) if len(start) else np.zeros((0, SHAPES), np.float32)
