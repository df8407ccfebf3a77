"""How a question is answered in several hops: which questions are asked, and what their answers decide."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from memapp.answer import cite
from memapp.read.times import periods
from memapp.types import Hop

_AMOUNT = re.compile(r"(\d+(?:,\d{3})*(?:\.\d+)?)\s*([^\W\d_]*)")
_ADJECTIVE = 4
"""Letters that a country has in common with its adjective, at least."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A question about what the answer to another question names."""

    first: str
    then: str
    """With {} where that answer goes."""

    def about(self, answer: str) -> str:
        """The question that is left."""
        return self.then.replace("{}", answer)

    def admits(self, answer: str) -> bool:
        """Whether the question, asked whole, can be answered so."""
        return True


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which of two things was earlier, or has less, by the answers to one question about each."""

    things: tuple[str, str]
    questions: tuple[str, str]
    lower: bool
    """Whether the earlier one, or the one with less, is asked for, and not the other."""

    def decided(self, hops: Sequence[Hop]) -> str | None:
        """The thing; None where the answers do not tell."""
        one, other = (hop.text for hop in hops)
        # "How tall", "how many" and "how much" ask for a number, "when" for a day.
        ranks = _amounts(one, other) if self.questions[0].startswith("How ") else (_moment(one), _moment(other))
        for first, second in zip(*ranks, strict=False):
            if first != second:
                return self.things[0 if (first < second) == self.lower else 1]
        return None

    def admits(self, answer: str) -> bool:
        """Whether the question, asked whole, can be answered so: by one of the things."""
        said = set(cite.words(answer))
        return any(
            said & words and (said <= words or words <= said) for words in map(set, map(cite.words, self.things))
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether one question has the same answer for two things."""

    questions: tuple[str, str]

    def decided(self, hops: Sequence[Hop]) -> str | None:
        """yes or no; None where there is nothing to compare.

        It is the same also where the sentence for one thing holds the answer for the other: a village in a county lies
        in its country.
        """
        one, other = hops
        if not _names(one.text) or not _names(other.text):
            return None
        told = _alike(one.text, other.text) or _held(one, other) or _held(other, one)
        return "yes" if told else "no"

    def admits(self, answer: str) -> bool:
        """Whether the question, asked whole, can be answered so."""
        return cite.tokens(answer)[:1] in (["yes"], ["no"])


Plan = Bridge | Comparison | Agreement


def _moment(text: str) -> tuple[float, ...]:
    """The day that a text names: its year, and month and day as far as they are told."""
    said = [period for period in periods(text, date.min) if not period.relative]
    if not said:
        year = re.search(r"\b\d{3,4}\b", text)
        return (int(year[0]),) if year else ()
    first, last = said[0].first, said[0].last
    parts = ((first.year, last.year), (first.month, last.month), (first.day, last.day))
    return tuple(one for one, other in itertools.takewhile(lambda part: part[0] == part[1], parts))


def _amounts(one: str, other: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The numbers that two texts name, if each names one and not in different units."""
    found = [_AMOUNT.findall(text) for text in (one, other)]
    if any(len(amounts) != 1 for amounts in found):
        return (), ()
    ((number, unit),), ((another, its_unit),) = found
    if unit and its_unit and cite.stem(unit.casefold()) != cite.stem(its_unit.casefold()):
        return (), ()
    return (float(number.replace(",", "")),), (float(another.replace(",", "")),)


def _names(text: str) -> list[str]:
    """The words by which a text names something."""
    return [word for word in cite.words(text) if not word[0].isdigit()]


def _held(one: Hop, other: Hop) -> bool:
    """Whether what is cited last for one says all that was answered for the other."""
    cited = {word for citation in one.citations[-1:] for word in _names(citation.text)}
    return set(_names(other.text)) <= cited


def _alike(one: str, other: str) -> bool:
    """Whether two answers name the same by some word, a country by its adjective too."""
    return any(_same(a, b) for a in _names(one) for b in _names(other))


def _same(one: str, other: str) -> bool:
    shared = max(_ADJECTIVE, min(len(one), len(other)) - 2)
    return one == other or (min(len(one), len(other)) >= _ADJECTIVE and one[:shared] == other[:shared])
