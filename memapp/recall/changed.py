"""Facts that changed: turns in which one person tells the same thing of themselves differently at different times.

"I live in Lyon" and, two years later, "I moved to Oslo" are the same relation with two values. Where a search brings
both, the newest comes first, and each says of which day it is and that there is a newer or an older one. English
phrasings only; what is put otherwise stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from memapp.read.times import Period, moment
from memapp.types import Hit

_PLACE = r"(?P<value>(?:the )?[A-Z][\w'’-]*(?: (?:of |de |la )?[A-Z][\w'’-]*)*)"
_ROLE = r"(?P<value>(?:an? |the )?[\w'’-]+(?: [\w'’-]+){0,3}?)"
_END = (
    r"(?=\s*(?:[.,;:!?()\[\]\n]|$)|"
    r"\s+(?:and|but|since|now|in|at|for|with|because|so|when|after|as|last|this|these|here)\b)"
)
_NOW = r"(?:now |currently |still |just |recently |finally |have |['’]ve |used to )*"
_I = rf"\bI(?:['’]m|['’]ve|['’]d| am| have| had)? {_NOW}"
_RULES = tuple(
    (relation, re.compile(pattern))
    for relation, pattern in (
        ("home", rf"{_I}(?:liv|mov|relocat|settl)(?:e|ed|ing)(?: back| over| down)? (?:in|to|near) {_PLACE}"),
        ("work", rf"{_I}(?:work|worked|working|employed) (?:as|for|at) {_ROLE}{_END}"),
        (
            "work",
            rf"{_I}(?:started|began|took|got|have) (?:a |my )?(?:new )?(?:job|role) (?:as|at|with) {_ROLE}{_END}",
        ),
        ("partner", rf"{_I}(?:dating|engaged to|married to|seeing|married) {_PLACE}"),
    )
)
_MINE = re.compile(
    rf"\b[Mm]y (?:new |current |own )?(?P<relation>[a-z][\w'’-]*(?: [a-z][\w'’-]*)??) (?:is|was|are) "
    rf"(?:now |called |named |still )*{_ROLE}{_END}"
)
_NO_RELATION = frozenset(
    [
        "point",
        "question",
        "problem",
        "idea",
        "plan",
        "goal",
        "advice",
        "guess",
        "dream",
        "hope",
        "answer",
        "thing",
        "view",
        "mind",
    ]
)
_PAST = re.compile(
    r"\b(?:did|was|were|had|used|before|until|ago|once|ever|first|earlier|old|past|previous(?:ly)?|former(?:ly)?|"
    r"original(?:ly)?|history|chang(?:e[ds]?|ing)|when|since|how long|yesterday|last|(?:19|20)\d\d|"
    r"in (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*)\b",
    re.IGNORECASE,
)
"""A question with one of these may be about what no longer holds."""
_PREFIX = re.compile(r"^[^\n():]{1,60}(?: \([^)]*\))?: ")


@dataclass(frozen=True, slots=True)
class _Told:
    place: int
    """In the list of hits."""
    day: int
    value: str


def states(words: str) -> Iterator[tuple[str, str]]:
    """What somebody tells of themselves in the first person: relation and value, both folded."""
    for relation, pattern in _RULES:
        for match in pattern.finditer(words):
            yield relation, _folded(match["value"])
    for match in _MINE.finditer(words):
        if match["relation"].split()[-1] not in _NO_RELATION:
            yield _folded(match["relation"]), _folded(match["value"])


def newest_first(hits: Sequence[Hit]) -> list[Hit]:
    """The hits, those that tell of a fact that changed newest first in the places that they have, and told so."""
    groups: dict[tuple[str, str], list[_Told]] = {}
    for place, hit in enumerate(hits):
        said = hit.passage.said
        when = moment(said.time) if said is not None else None
        if said is None or when is None:
            continue
        for relation, value in states(_PREFIX.sub("", hit.passage.text)):
            key = said.speaker.casefold(), relation
            groups.setdefault(key, []).append(_Told(place, when.toordinal(), value))
    order = list(range(len(hits)))
    standing: dict[int, tuple[str, bool]] = {}
    for told in groups.values():
        inside = sorted({one.place: one for one in told}.values(), key=lambda one: -one.day)
        if len({one.value for one in inside}) < 2 or inside[0].day == inside[-1].day:
            continue
        places = sorted(order.index(one.place) for one in inside)
        for place, one in zip(places, inside, strict=True):
            order[place] = one.place
        standing |= _standing(inside)
    if not standing:
        return list(hits)
    moved = []
    for index, hit in zip(order, hits, strict=True):
        words, outdated = standing.get(index, ("", False))
        moved.append(replace(hits[index], rank=hit.rank, score=hit.score, standing=words, outdated=outdated))
    return moved


def current(question: str, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The hits without those that are outdated, unless the question is about the past."""
    if _PAST.search(question):
        return tuple(hits)
    return tuple(hit for hit in hits if not hit.outdated)


def _standing(told: Sequence[_Told]) -> dict[int, tuple[str, bool]]:
    """What to say of each, newest first, and whether it is outdated."""
    newest, days = told[0], [_day(one.day) for one in told]
    others = list(dict.fromkeys(day for one, day in zip(told, days, strict=True) if one.value != newest.value))
    said = {newest.place: (f"newest, of {days[0]}; told otherwise on {', '.join(others)}", False)}
    for one, day in zip(told[1:], days[1:], strict=True):
        outdated = one.value != newest.value
        said[one.place] = f"of {day}; {'told otherwise' if outdated else 'the same'} on {days[0]}", outdated
    return said


def _day(day: int) -> str:
    return str(Period(date.fromordinal(day), date.fromordinal(day)))


def _folded(words: str) -> str:
    return re.sub(r"^(?:an?|the) ", "", " ".join(words.casefold().split()))
