"""Token sequences to learn from, with what of them is to be learned."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from memapp.train.ragged import Ints
from memapp.train.reader.pieces import Pieces

COUNTS = (1, 1, 1, 2, 3, 4, 5, 5, 5, 5)
"""Passages in a prompt, one drawn for each."""
BEFORE = 0.7
"""Share of prompts that have the question before the passages too."""
UNANSWERED = 0.15
"""Share of prompts whose passages do not tell."""
STRANGE = 0.2
"""Share of the other passages that are any, not those that a search finds."""
LONGEST = 1500
"""Tokens of a prompt; passages beyond are left out."""


@dataclass(frozen=True, slots=True)
class Example:
    """A sequence, of which everything from `start` on is learned."""

    ids: Ints
    start: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A question on a passage, with the answer as the passage has it."""

    question: Ints
    answer: Ints
    passage: int
    others: Ints
    """Passages like it that do not hold the answer, as far as is known."""


def known(pieces: Pieces, held_out: bool) -> list[Pair]:
    """The questions of the data that are kept for measuring, or those that are not."""
    wanted = np.flatnonzero(pieces.held_out == held_out)
    return [
        Pair(pieces.questions[n], pieces.answers[n], int(pieces.gold[n]), pieces.near[n][pieces.near[n] >= 0])
        for n in map(int, wanted)
    ]


def prompt(pieces: Pieces, question: Ints, passages: Sequence[int], before: bool = True) -> Ints:
    """The prompt that the reader goes on with; as memapp.answer.reading has it."""
    parts = [pieces.part("head")]
    if before:
        parts += [pieces.part("question"), question]
    for number, passage in enumerate(passages, 1):
        numbered = pieces.numbered(number)
        parts += [numbered if before or number > 1 else numbered[1:], pieces.passages[passage]]
    parts += [pieces.part("again"), question, pieces.part("tail"), pieces.part("answer")]
    return np.concatenate(parts)


def reading(pieces: Pieces, pair: Pair, chance: random.Random) -> Example:
    """A prompt of some passages in any order, with the right one among them or without."""
    unanswered = chance.random() < UNANSWERED
    read = _others(pieces, pair, chance.choice(COUNTS) - (not unanswered), chance)
    place = chance.randint(0, len(read))
    if not unanswered:
        read.insert(place, pair.passage)
    before = chance.random() < BEFORE
    asked = prompt(pieces, pair.question, read, before)
    said = [pieces.part("nothing")] if unanswered else [pair.answer, pieces.cited(place + 1)]
    return Example(np.concatenate([asked, *said, pieces.part("end")]), len(asked))


def _others(pieces: Pieces, pair: Pair, count: int, chance: random.Random) -> list[int]:
    near = list(map(int, pair.others))
    chance.shuffle(near)
    found: list[int] = []
    room = LONGEST - len(pieces.passages[pair.passage]) - 2 * len(pair.question)
    while len(found) < count:
        any_other = int(pieces.spare[chance.randrange(len(pieces.spare))])
        one = near.pop() if near and chance.random() >= STRANGE else any_other
        room -= len(pieces.passages[one])
        if one != pair.passage and one not in found:
            if room < 0 and found:
                break
            found.append(one)
    return found


def invitation(pieces: Pieces, passage: int, formal: bool) -> Ints:
    """The prompt that asks for an answer and a question on a passage."""
    parts = (pieces.part("ask_head"), pieces.part("formal" if formal else "brief"), pieces.passages[passage])
    return np.concatenate([*parts, pieces.part("tail"), pieces.part("answer")])


def asking(pieces: Pieces, question: int) -> Example:
    """How a question of the data is asked."""
    asked = invitation(pieces, int(pieces.gold[question]), bool(pieces.formal[question]))
    said = (pieces.answers[question], pieces.part("ask_next"), pieces.questions[question], pieces.part("end"))
    return Example(np.concatenate([asked, *said]), len(asked))


def made(pieces: Pieces, passage: int, written: Sequence[int]) -> Pair | None:
    """What was written after an invitation, if it is a question on the passage that the passage answers."""
    next_, ids = list(map(int, pieces.part("ask_next"))), list(written)
    at = _find(ids, next_)
    if at < 1:
        return None
    answer, question = ids[:at], ids[at + len(next_) :]
    text = list(map(int, pieces.passages[passage]))
    if not (len(answer) <= 12 and 4 <= len(question) <= 32) or _find(text, answer) < 0 or _find(question, answer) >= 0:
        return None
    alike = pieces.alike[passage]
    others = [one for one in map(int, alike) if one >= 0 and _find(list(pieces.passages[one]), answer) < 0]
    return Pair(np.array(question, np.int32), np.array(answer, np.int32), passage, np.array(others, np.int32))


def _find(text: Sequence[int], part: Sequence[int]) -> int:
    length = len(part)
    first = part[0] if length else -1
    return next(
        (n for n in range(len(text) - length + 1) if text[n] == first and list(text[n : n + length]) == list(part)), -1
    )


def batches(lengths: Sequence[int], tokens: int, chance: random.Random) -> Iterator[list[int]]:
    """Indices in batches of at most `tokens` padded tokens, of like lengths, in any order."""
    order = sorted(range(len(lengths)), key=lambda n: lengths[n] + chance.random() * 32)
    found: list[list[int]] = [[]]
    longest = 0
    for index in order:
        longest = max(longest, lengths[index])
        if found[-1] and longest * (len(found[-1]) + 1) > tokens:
            found.append([])
            longest = lengths[index]
        found[-1].append(index)
    chance.shuffle(found)
    yield from found
