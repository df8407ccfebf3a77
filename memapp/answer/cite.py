"""Ties the sentences of an answer to the spans of passages that support them.

Numbers that a model writes are not trusted: they are taken out, and a citation is set only where a
sentence's content words, and every number in it, stand in a span of a passage that was read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from memapp.read.sentence import boundaries
from memapp.types import Citation, Hit

SUPPORT = 0.5
"""Share of a sentence's content words that must stand in a span for it to be cited."""

_MARKER = re.compile(r"\s*\[\s*\d+(?:\s*[,;-]\s*\d+)*\s*\]")
_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
_COMMON = """
a an and are as at be been but by can could did do does for from had has have he her him his how i if in into is it
its may me my not of on or our out she so than that the their them then there these they this to too up us was we
were what when where which while who whom whose why will with would you your
"""
_EMPTY = frozenset(_COMMON.split())


@dataclass(frozen=True, slots=True)
class Cited:
    """An answer with markers, their citations, and how much of it is supported."""

    text: str
    citations: tuple[Citation, ...]
    support: float
    """Share of the answer's content words that stand in cited spans, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage that was read: the span that a citation names."""

    hit: Hit
    start: int
    end: int
    words: frozenset[str]
    """Its content words and those of the passage's title."""

    @property
    def text(self) -> str:
        """As it stands."""
        return self.hit.passage.text[self.start : self.end]


def words(text: str) -> list[str]:
    """Content words and numbers, folded; plural and genitive endings are taken off."""
    return [stem(word) for word in tokens(text) if word not in _EMPTY]


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of a text, trimmed; list items and headings count as sentences."""
    starts = [0, *(offset for offset, _ in boundaries(text, 0, len(text))), len(text)]
    spans = []
    for start, end in pairwise(starts):
        piece = text[start:end]
        if piece.strip():
            spans.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
    return spans


def cite(answer: str, question: str, hits: Sequence[Hit]) -> Cited:
    """The answer with a marker [n] behind every supported sentence; n counts citations from 1."""
    text = unmarked(answer)
    spans = sentences_of(hits)
    asked = set(words(question))
    citations: list[Citation] = []
    pieces, at, supported, total = [], 0, 0, 0
    for start, end in sentences(text):
        pieces.append(text[at:end])
        at = end
        wanted = words(text[start:end])
        span, share = _best(wanted, asked, spans)
        total += len(wanted)
        if span is None:
            continue
        supported += round(share * len(wanted))
        found = citation(span)
        same = next(
            (c.n for c in citations if (c.passage, c.start, c.end) == (span.hit.passage.id, span.start, span.end)), 0
        )
        if not same:
            same = len(citations) + 1
            citations.append(replace(found, n=same))
        pieces.append(f" [{same}]")
    return Cited("".join([*pieces, text[at:]]), tuple(citations), supported / total if total else 0.0)


def unmarked(answer: str) -> str:
    """The answer without the numbers of its citations."""
    return _MARKER.sub("", answer).strip()


def sentences_of(hits: Sequence[Hit]) -> list[Sentence]:
    """The sentences of the hits, in order."""
    found: list[Sentence] = []
    for hit in hits:
        text, title = hit.passage.text, frozenset(words(hit.passage.title))
        for start, end in sentences(text):
            found.append(Sentence(hit, start, end, title | frozenset(words(text[start:end]))))
    return found


def bearing(answer: str, spans: Sequence[Sentence]) -> list[Sentence]:
    """Those that hold all of a short answer; none for an empty one."""
    said = _folded(answer)
    return [span for span in spans if said.strip() and _bears(span, said)]


def listed(told: Sequence[tuple[str, Sentence]]) -> Cited:
    """One short answer or several, each with the sentence that says it."""
    text = ", ".join(f"{answer} [{n}]" for n, (answer, _) in enumerate(told, 1))
    return Cited(text, tuple(replace(citation(span), n=n) for n, (_, span) in enumerate(told, 1)), 1.0)


def _bears(span: Sentence, said: str) -> bool:
    """Whether it has these words; what stands before a turn is said of each of its sentences."""
    passage = span.hit.passage
    return any(said in _folded(text) for text in (span.text, passage.text[: passage.stamp]))


def tokens(text: str) -> list[str]:
    """All words and numbers in order, folded."""
    return [match[0].casefold() for match in _WORD.finditer(text)]


def _folded(text: str) -> str:
    """Words and numbers between single spaces, so that one text is found in another whole."""
    return f" {' '.join(tokens(text))} "


def _best(wanted: Sequence[str], asked: set[str], spans: Sequence[Sentence]) -> tuple[Sentence | None, float]:
    """The span that holds most of the sentence's words; among equals the one closest to the question."""
    if not wanted:
        return None, 0.0
    numbers = {word for word in wanted if word[0].isdigit()}
    best: tuple[float, float, int] | None = None
    chosen: Sentence | None = None
    for index, span in enumerate(spans):
        if not numbers <= span.words:
            continue
        share = sum(word in span.words for word in wanted) / len(wanted)
        news = sum(word in span.words and word not in asked for word in wanted)
        key = (share if news else share / 2, len(asked & span.words), -index)
        if best is None or key > best:
            best, chosen = key, span
    return (chosen, best[0]) if best is not None and best[0] >= SUPPORT else (None, 0.0)


def citation(span: Sentence) -> Citation:
    """Of a sentence, not yet numbered."""
    passage = span.hit.passage
    return Citation(
        0,
        passage.document,
        passage.title,
        span.text,
        passage.start + span.start,
        passage.start + span.end,
        passage.id,
        passage.source,
        passage.page,
    )


def stem(word: str) -> str:
    """The word without the ending of a plural or genitive."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
