"""Passages with other answers in them, so that what is remembered of a question does not answer it.

A reader that has seen its questions many times answers them without looking. Where the passage tells something else,
it has to look (knowledge conflicts by substitution of entities; Longpre et al., 2021).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memapp.train.ragged import Ints
from memapp.train.reader.examples import Pair, find
from memapp.train.reader.pieces import Pieces

_TRIES = 8


@dataclass(frozen=True, slots=True)
class Told:
    """A passage as tokens, with the questions that it answers."""

    passage: int
    """The one that it was made of."""
    ids: Ints
    asked: tuple[tuple[Ints, Ints], ...]
    """Questions with their answers."""
    others: frozenset[int]
    """Passages like it."""


def counterfactual(pieces: Pieces, pairs: Sequence[Pair], chance: random.Random) -> list[Told]:
    """Every passage that is asked about once, with answers of like questions in place of its own.

    Questions whose answer the passage does not have as tokens are left out.
    """
    of: dict[int, list[Pair]] = defaultdict(list)
    like: dict[tuple[object, ...], list[Ints]] = defaultdict(list)
    for pair in pairs:
        of[pair.passage].append(pair)
        like[_kind(pieces, pair)].append(pair.answer)
    told = []
    for passage, asked in of.items():
        ids, found = list(map(int, pieces.passages[passage])), list[tuple[Ints, Ints]]()
        for pair in sorted(asked, key=lambda one: -len(one.answer)):
            ids, answer = _exchanged(ids, pair, like[_kind(pieces, pair)], found, chance)
            found.append((pair.question, answer))
        kept = tuple(one for one in found if find(ids, list(map(int, one[1]))) >= 0)
        if kept:
            others = frozenset(int(one) for pair in asked for one in pair.others)
            told.append(Told(passage, np.array(ids, np.int32), kept, others))
    return told


def _exchanged(
    ids: list[int], pair: Pair, like: Sequence[Ints], found: Sequence[tuple[Ints, Ints]], chance: random.Random
) -> tuple[list[int], Ints]:
    """The passage with another answer, unless an answer that stands already would be lost."""
    own = list(map(int, pair.answer))
    for _ in range(_TRIES):
        other = list(map(int, chance.choice(like)))
        if find(ids, other) < 0 and find(other, own) < 0:
            changed = _replaced(ids, own, other)
            if all(find(changed, list(map(int, answer))) >= 0 for _, answer in found):
                return changed, np.array(other, np.int32)
    return ids, pair.answer


def _replaced(ids: Sequence[int], own: Sequence[int], other: Sequence[int]) -> list[int]:
    left, made = list(ids), list[int]()
    while (at := find(left, own)) >= 0:
        made += [*left[:at], *other]
        left = left[at + len(own) :]
    return made + left


def _kind(pieces: Pieces, pair: Pair) -> tuple[object, ...]:
    """What two answers share that may stand for each other: the word that asks, digits, a capital, the length."""
    words, answer = pieces.text(pair.question).casefold().split(), pieces.text(pair.answer).split()
    asks = next((word for word in words if word in ("who", "when", "where", "many", "much", "year")), "")
    digits = any(letter.isdigit() for word in answer for letter in word)
    return asks, digits, bool(answer) and answer[0][:1].isupper(), min(len(answer), 3)
