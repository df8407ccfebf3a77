"""The same questions on passages that were changed, so that remembering a passage does not answer them.

Two thousand questions are soon known by heart, and what is known by heart teaches no reading. So another answer of the
same kind is put into the passage (counterfactual data; Kaushik et al., 2020), the sentence that tells is taken out of
it, which leaves passages that are near and do not tell (Rajpurkar et al., 2018), and its sentences are left out or put
into another order.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from memapp.train.ragged import Ints
from memapp.train.reader import examples
from memapp.train.reader.examples import Example, Pair
from memapp.train.reader.pieces import Pieces

OTHER_ANSWER, TAKEN_OUT = 0.5, 0.15
"""Shares of prompts with another answer in the passage, and with the sentence that tells taken out of it."""
SHORTENED, SHUFFLED = 0.4, 0.25
"""Shares of prompts whose passage lacks some sentences that do not tell, and has them in another order."""
OTHERS = (0, 0, 0, 0, 0, 1, 1, 1, 2)
"""Passages beside it, one drawn for each."""
_LEFT_OUT = 0.35
_SHORTEST = 24
"""Tokens of a passage that is left when sentences are taken out."""
_DIGITS = re.compile(r"\d")
_ASKS = re.compile(r"\b(who|whom|whose|where|when|why|which|how (?:many|much|long|old|far)|how|what)\b", re.IGNORECASE)


Answers = Mapping[str, Sequence[Ints]]
"""By what asks for them and how they look."""


def answers(pieces: Pieces) -> Answers:
    """The answers that may be learned from, to put one in the place of another."""
    found: dict[str, list[Ints]] = defaultdict(list)
    for n in map(int, np.flatnonzero(~pieces.held_out)):
        found[_kind(pieces, pieces.questions[n], pieces.answers[n])].append(pieces.answers[n])
    return found


def _kind(pieces: Pieces, question: Ints, said: Ints) -> str:
    answer = pieces.text(said)
    asks, words = _ASKS.search(pieces.text(question)), answer.split()
    look = "digits" if _DIGITS.search(answer) else "name" if words and words[-1][:1].isupper() else "words"
    return f"{asks[1].casefold() if asks else ''} {look} {min(len(words), 4)}"


def varied(pieces: Pieces, pair: Pair, known: Answers, chance: random.Random) -> Example:
    """A prompt with the question's passage, changed by chance, alone or among others."""
    text, answer = list(map(int, pieces.passages[pair.passage])), list(map(int, pair.answer))
    drawn = chance.random()
    told = True
    if drawn < OTHER_ANSWER:
        pool = known.get(_kind(pieces, pair.question, pair.answer), ())
        text, answer = _with_other(pair, text, answer, pool, chance)
    elif drawn < OTHER_ANSWER + TAKEN_OUT:
        rest = _without(pieces, text, answer)
        text, told = (rest, False) if rest else (text, True)
    if chance.random() < SHORTENED:
        text = _shortened(pieces, text, answer, chance)
    if chance.random() < SHUFFLED:
        text = _shuffled(pieces, text, chance)
    others = [pieces.passages[one] for one in examples.others(pieces, pair, chance.choice(OTHERS), chance)]
    place = chance.randint(0, len(others))
    others.insert(place, np.array(text, np.int32))
    asked = examples.prompt_of(pieces, pair.question, others)
    said = [np.array(answer, np.int32), pieces.cited(place + 1)] if told else [pieces.part("nothing")]
    return Example(np.concatenate([asked, *said, pieces.part("end")]), len(asked))


def _with_other(
    pair: Pair, text: list[int], answer: list[int], pool: Sequence[Ints], chance: random.Random
) -> tuple[list[int], list[int]]:
    """Passage and answer with another answer in all its places; as they are if none fits."""
    for _ in range(8 if pool else 0):
        other = list(map(int, chance.choice(pool)))
        if other != answer and examples.find(text, other) < 0 and examples.find(list(pair.question), other) < 0:
            changed = _replaced(text, answer, other)
            return (changed, other) if changed != text else (text, answer)
    return text, answer


def _replaced(text: list[int], old: list[int], new: list[int]) -> list[int]:
    found, rest = [], text
    while (at := examples.find(rest, old)) >= 0:
        found += rest[:at] + new
        rest = rest[at + len(old) :]
    return found + rest


def sentences(pieces: Pieces, text: Sequence[int]) -> list[list[int]]:
    """A passage's tokens by sentences; its title is with the first."""
    found: list[list[int]] = [[]]
    for n, token in enumerate(text):
        found[-1].append(token)
        following = pieces.text(text[n + 1 : n + 2])
        if pieces.text([token]).endswith((".", "?", "!")) and following[:1] == " " and following[1:2].isupper():
            found.append([])
    return [one for one in found if one]


def _without(pieces: Pieces, text: list[int], answer: list[int]) -> list[int]:
    """The passage without the sentences that hold the answer; nothing where that is most of it, or where it still
    stands in other words."""
    every = sentences(pieces, text)
    kept = [token for one in every if examples.find(one, answer) < 0 for token in one]
    if not examples.find(text, answer) >= 0 or len(kept) < _SHORTEST:
        return []
    return [] if pieces.text(answer).strip().casefold() in pieces.text(kept).casefold() else kept


def _shortened(pieces: Pieces, text: list[int], answer: list[int], chance: random.Random) -> list[int]:
    every = sentences(pieces, text)
    kept = [
        one for n, one in enumerate(every) if not n or examples.find(one, answer) >= 0 or chance.random() > _LEFT_OUT
    ]
    return [token for one in kept for token in one]


def _shuffled(pieces: Pieces, text: list[int], chance: random.Random) -> list[int]:
    first, *rest = sentences(pieces, text)
    chance.shuffle(rest)
    return [token for one in (first, *rest) for token in one]
