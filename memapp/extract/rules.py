"""What the tagger leaves out although its form gives it away: titles, quoted names, dates."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from memapp.extract.phrases import LONGEST, normal

Span = tuple[int, int]

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_YEAR = r"(?:1\d{3}|20\d{2})"
_DAY = r"(?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"(?<![\w.,:-])(?:{_DAY} (?:of )?{_MONTH}(?:,? {_YEAR})?|{_MONTH} {_DAY}(?:, ?{_YEAR})?|{_MONTH},? {_YEAR}|"
    rf"{_YEAR}-\d\d-\d\d|(?:[1-9]\d{{1,3}}) (?:BC|AD|BCE|CE)|{_YEAR}s|{_YEAR}(?![.,]\d))(?![\w])"
)
_QUOTED = re.compile(
    r"\"([^\"\n]{2,80})\"|“([^”\n]{2,80})”|«([^»\n]{2,80})»|「([^」\n]{1,40})」|『([^』\n]{1,40})』|``([^'\n]{2,80})''"
)
_RUN = re.compile(r"\b[A-Z][\w'’-]*(?: (?:(?:of|the|de|and|for|van|von) )?[A-Z][\w'’-]*)*")
_BRACKETS = re.compile(r"(?<=\S)\s*\([^()]*\)\s*$")
_SMALL_END = re.compile(r"[\s,;:]+(?:(?:and|or|of|for|in|on|at|to|by|from|with|the|a|an|de|is|was|are)\b)?[\s,;:]*\Z")
_NAMING_WORDS = 8
"""Quoted words up to which it is a name rather than something said."""


def title_forms(title: str) -> tuple[str, ...]:
    """The title, and without its afterthought in brackets; nothing where it is no phrase."""
    if len(title) > LONGEST:
        return ()
    forms = (title.strip(), _BRACKETS.sub("", title).strip())
    return tuple(form for form in dict.fromkeys(forms) if normal(form))


def dates(text: str) -> list[Span]:
    """Days, months with a year, years from 1000 to 2099, decades, in order."""
    return [match.span() for match in _DATE.finditer(text)]


def quoted(text: str) -> list[Span]:
    """What stands in quotation marks and may be a name: short, begun with a capital or in a script without them."""
    found = []
    for match in _QUOTED.finditer(text):
        start, end = match.span(match.lastindex or 0)
        inner = text[start:end]
        first = next((character for character in inner if character.isalnum()), "a")
        if not first.islower() and len(inner.split()) <= _NAMING_WORDS and not inner.rstrip().endswith((",", "?")):
            found.append((start, end))
    return found


def capitals(text: str) -> list[Span]:
    """Runs of words with capitals, but for a single word that only begins a sentence: names, where no tagger helps."""
    found = (match.span() for match in _RUN.finditer(text))
    return [span for span in found if " " in text[slice(*span)] or not _opens(text, span[0])]


def _opens(text: str, at: int) -> bool:
    before = text[max(0, at - 4) : at].rstrip("\"'“‘( \t")
    return not before or before[-1] in ".!?\n"


def places(text: str, phrase: str) -> list[Span]:
    """Where the phrase stands as whole words."""
    if not phrase or len(phrase) > LONGEST:
        return []
    return [match.span() for match in re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", text)]


def mended(text: str, spans: Iterable[Span]) -> list[Span]:
    """The tagger's spans without the small words that they end in, and joined where one hyphen parts two names.

    One that is too long for a phrase is left out.
    """
    made: list[Span] = []
    for start, end in spans:
        if end - start > LONGEST:
            continue
        while ending := _SMALL_END.search(text, start, end):
            end = ending.start()
        if start >= end:
            continue
        if made and text[made[-1][1] : start] == "-" and text[start].isupper() and text[made[-1][0]].isupper():
            start = made.pop()[0]
        made.append((start, end))
    return made


def within(inner: Iterable[Span], outer: Sequence[Span]) -> list[bool]:
    """Whether each span is part of a longer one of `outer`, which are in order and do not overlap."""
    starts = [start for start, _ in outer]
    found = []
    for span in inner:
        near = outer[bisect_right(starts, span[0]) - 1] if starts else span
        found.append(near != span and near[0] <= span[0] and span[1] <= near[1])
    return found


def merged(*layers: Iterable[Span]) -> list[Span]:
    """All spans in order; of two that overlap the one of the earlier layer, or that stands first there, stays."""
    layers = tuple(list(layer) for layer in layers)
    taken = bytearray(max((end for layer in layers for _, end in layer), default=0))
    kept: list[Span] = []
    for start, end in (span for layer in layers for span in layer):
        if 1 not in taken[start:end]:
            taken[start:end] = b"\1" * (end - start)
            kept.append((start, end))
    return sorted(kept)
