"""The runs of tokens that are remembered, as suffix arrays that come and go with their passages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.layers.parametric.suffix import LONGEST, SuffixArray
from memapp.store.states import Read


@dataclass(frozen=True, slots=True)
class Continuation:
    """What stands after the longest end of a context that was remembered."""

    length: int
    """Of that end, in tokens."""
    count: int
    """How often it was remembered."""
    tokens: NDArray[np.int32]
    """The token that stood after it, one for each occurrence looked at."""
    passages: NDArray[np.int64]
    """Where that token stood."""


NOTHING = Continuation(0, 0, np.empty(0, np.int32), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class _Run:
    """A passage's tokens, without what else was read of it."""

    passage: int
    document: int
    tokens: NDArray[np.int32]


class _Part:
    """Passages that were indexed together. Immutable."""

    def __init__(self, runs: Sequence[_Run]) -> None:
        self.runs = sorted(runs, key=lambda run: run.passage)
        joined: list[list[_Run]] = []
        for run in self.runs:
            before = joined[-1][-1] if joined else None
            if before and before.document == run.document and before.passage + 1 == run.passage:
                joined[-1].append(run)
            else:
                joined.append([run])
        self.array = SuffixArray([np.concatenate([run.tokens for run in each]) for each in joined])
        starts, at = [], 0
        for each in joined:
            for run in each:
                starts.append(at)
                at += len(run.tokens)
            at += 1
        self._starts = np.array(starts, np.int64)
        self._passages = np.array([run.passage for run in self.runs], np.int64)

    @property
    def weight(self) -> int:
        return len(self.array.tokens)

    def passages_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._passages[np.searchsorted(self._starts, positions, side="right") - 1]


class Runs:
    """Parts of falling size, merged when the newest is no longer small, as in a log-structured merge tree: adding to a
    large corpus costs what is added. Not safe from several threads."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return sum(part.array.size for part in self._parts)

    def add(self, read: Sequence[Read]) -> None:
        """Takes in passages that are not there yet."""
        if not read:
            return
        fresh = [_Run(one.passage, one.document, one.tokens) for one in read]
        while self._parts and 2 * sum(len(run.tokens) for run in fresh) >= self._parts[-1].weight:
            fresh += self._parts.pop().runs
        self._parts.append(_Part(fresh))

    def remove(self, passages: Iterable[int]) -> None:
        """Forgets these passages: the parts that held them are made anew without."""
        gone = set(passages)
        kept: list[_Part] = []
        for part in self._parts:
            left = [run for run in part.runs if run.passage not in gone]
            if len(left) == len(part.runs):
                kept.append(part)
            elif left:
                kept.append(_Part(left))
        self._parts = kept

    def shared(self, tokens: Sequence[int]) -> dict[int, int]:
        """Of each passage that begins a run that stands in `tokens` too, the length of the longest such run."""
        found: dict[int, int] = {}
        start = 0
        for end in range(1, len(tokens) + 1):
            start = max(start, end - LONGEST)
            while start < end and not (holding := self._holding(tokens[start:end])):
                start += 1
            for passage in holding if start < end else ():
                found[passage] = max(found.get(passage, 0), end - start)
        return found

    def _holding(self, run: Sequence[int]) -> set[int]:
        """The passages in which a run begins."""
        return {id for part in self._parts for id in part.passages_at(part.array.places(run)).tolist()}

    def longest(self, context: Sequence[int], at_most: int) -> Continuation:
        """What stands after the longest end of the context, of `at_most` tokens, that any passage holds."""
        found = [(part, part.array.longest(context, at_most)) for part in self._parts]
        length = max((match.length for _, match in found), default=0)
        if not length:
            return NOTHING
        best = [(part, match) for part, match in found if match.length == length]
        return Continuation(
            length,
            sum(match.count for _, match in best),
            np.concatenate([match.following for _, match in best]),
            np.concatenate([part.passages_at(match.positions) for part, match in best]),
        )
