"""Where every run of tokens of a corpus occurs: a suffix array, asked for the longest match of what was written so far.

Manber and Myers, Suffix Arrays (1990), by prefix doubling; the use is that of Liu et al., Infini-gram (2024).
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONGEST = 64
"""Tokens of a match that are told apart; longer ones count as this long."""
_MOST = 512
"""Occurrences of a match that are looked at; of more, evenly spread ones."""

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Match:
    """The longest end of a context that occurs in the corpus with a token after it."""

    length: int
    """In tokens; 0 when not even the last token occurs."""
    count: int
    """How often it occurs."""
    following: Tokens
    """The tokens that come next, one for each occurrence looked at."""
    positions: NDArray[np.int64]
    """Where these tokens stand in the corpus."""


NOTHING = Match(0, 0, np.empty(0, np.int32), np.empty(0, np.int64))


class SuffixArray:
    """A corpus of token runs, none of which continues into the next. Immutable; reading is safe from any thread."""

    def __init__(self, runs: Sequence[Tokens]) -> None:
        """`runs` are the documents; matches end where they do."""
        ends = [part for run in runs for part in (run.astype(np.int32) + 1, np.zeros(1, np.int32))]
        joined = np.concatenate(ends) if ends else np.empty(0, np.int32)
        self.tokens: Tokens = joined - 1
        """All runs, each followed by -1."""
        self._order = _sorted_suffixes(joined)
        # Compared as bytes, numbers of this form are in order, and a slice is compared in one step.
        self._bytes = joined.astype(">u4").tobytes()

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self.tokens.nbytes + self._order.nbytes + len(self._bytes)

    def longest(self, context: Sequence[int], at_most: int = LONGEST) -> Match:
        """The longest match of the context's end, of `at_most` tokens.

        What a context of one more token matches is at most one longer, so that a caller who goes on token by token
        passes the last length plus one, and few lengths are tried.
        """
        for length in range(min(at_most, LONGEST, len(context)), 0, -1):
            low, high = self._range(context[-length:])
            if high > low and (match := self._match(length, low, high)).count:
                return match
        return NOTHING

    def places(self, pattern: Sequence[int]) -> NDArray[np.int64]:
        """Where the pattern begins; of many places, evenly spread ones."""
        low, high = self._range(pattern[:LONGEST])
        return self._order[low : high : max(1, -(-(high - low) // _MOST))].astype(np.int64)

    def _range(self, pattern: Sequence[int]) -> tuple[int, int]:
        """The stretch of the sorted suffixes that begin with the pattern."""
        key = (np.asarray(pattern, np.int32) + 1).astype(">u4").tobytes()
        width, data, order = len(key), self._bytes, self._order

        def begin(row: int) -> bytes:
            at = 4 * int(order[row])
            return data[at : at + width]

        rows = range(len(order))
        low = bisect.bisect_left(rows, key, key=begin)
        return low, bisect.bisect_right(rows, key, lo=low, key=begin)

    def _match(self, length: int, low: int, high: int) -> Match:
        step = max(1, -(-(high - low) // _MOST))
        positions = self._order[low:high:step].astype(np.int64) + length
        following = self.tokens[positions]
        inside = following >= 0
        return Match(length, (high - low) if inside.any() else 0, following[inside], positions[inside])


def _sorted_suffixes(tokens: Tokens) -> NDArray[np.int32]:
    """The places of the corpus by what follows them, up to LONGEST tokens; equal ones in the order of the corpus."""
    size = len(tokens)
    if not size:
        return np.empty(0, np.int32)
    rank = np.unique(tokens, return_inverse=True)[1].astype(np.int64)
    width = 1
    while True:
        after = np.full(size, -1, np.int64)
        after[: max(size - width, 0)] = rank[width:]
        key = rank * (size + 1) + after + 1
        order = np.argsort(key, kind="stable")
        steps = np.diff(key[order], prepend=key[order[0]]) != 0
        fresh = np.empty(size, np.int64)
        fresh[order] = np.cumsum(steps)
        rank, width = fresh, 2 * width
        if width >= LONGEST or rank[order[-1]] == size - 1:
            return order.astype(np.int32)
