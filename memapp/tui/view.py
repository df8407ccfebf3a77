"""What the chat shows of answers, turns and hits, as values. Nothing here draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from memapp.tui.text import count, one_line, plain
from memapp.types import Answer, Citation, Hit, Hop, KeyPoint, LayerShare, Span, Step, StoredTurn

_ENDINGS = {"cancelled": "stopped", "length": "cut at the length limit"}


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that can be opened in its document."""

    label: str
    """What stands before it: the number of its citation, or a dot."""
    document: str
    title: str
    text: str
    passage: Span | None
    """Where the passage lies in its document; None when only a citation of it was kept."""
    quotes: tuple[Span, ...] = ()
    """The spans that the answer cites, in the document."""
    source: str = ""
    page: int | None = None
    heading: str = ""
    shares: tuple[LayerShare, ...] = ()
    path: tuple[Step, ...] = ()

    @property
    def cited(self) -> bool:
        """Whether the answer cites it."""
        return bool(self.quotes)

    @property
    def excerpt(self) -> str:
        """What to show of it in a line or two: what is cited of it, else how it goes on after its title."""
        if self.quotes and self.passage is not None:
            start = self.passage.start
            quotes = (self.text[max(quote.start - start, 0) : max(quote.end - start, 0)] for quote in self.quotes)
            return " … ".join(quotes)
        begun = self.text.lstrip("# \n")
        return begun.removeprefix(self.title).lstrip() if self.passage is not None else self.text

    @property
    def place(self) -> str:
        """Where it was read: source, page and heading, as far as they are known."""
        page = f"p. {self.page}" if self.page is not None else ""
        return " · ".join(part for part in (self.source, page, self.heading) if part)


@dataclass(frozen=True, slots=True)
class Entry:
    """One question with what became of it."""

    question: str
    answer: str
    at: str
    sources: tuple[Source, ...] = ()
    turn: int = 0
    """The kept turn's id; 0 while it is not known."""
    finish: str = "stop"
    abstained: bool = False
    erased: bool = False
    confidence: float | None = None
    unsure: bool = False
    seconds: float | None = None
    dropped: int = 0
    changed: int = 0
    """Tokens that the parametric memory changed."""
    hops: tuple[str, ...] = ()
    """The questions that were asked instead, with their answers."""


def sources_of_answer(answer: Answer) -> tuple[Source, ...]:
    """The passages an answer was written from: those it cites by number, then the others by rank."""
    hits = {hit.passage.id: hit for hit in answer.hits}
    cited = [_cited(citations, hits.get(citations[0].passage)) for citations in _by_passage(answer.citations)]
    used = {citation.passage for citation in answer.citations}
    return (*cited, *(source_of_hit(hit) for hit in answer.hits if hit.passage.id not in used))


def source_of_hit(hit: Hit, label: str = "·") -> Source:
    """A recalled passage."""
    passage = hit.passage
    return Source(
        label=label,
        document=passage.document,
        title=passage.title,
        text=passage.text,
        passage=Span(passage.start, passage.end),
        source=passage.source,
        page=passage.page,
        heading=" · ".join(part for part in (passage.heading, hit.standing) if part),
        shares=hit.shares,
        path=hit.path,
    )


def source_of_point(point: KeyPoint) -> Source:
    """The passage that a key point stands in; all that is known of it is the sentence."""
    return _cited([point.citation], None)


def entry_of_answer(answer: Answer, at: str, seconds: float | None = None) -> Entry:
    """The entry of an answer that has just ended."""
    return Entry(
        question=answer.question,
        answer=answer.text,
        at=at,
        sources=sources_of_answer(answer),
        finish=answer.finish,
        abstained=answer.abstained,
        confidence=answer.confidence,
        unsure=answer.unsure,
        seconds=seconds,
        dropped=len(answer.dropped),
        changed=answer.influence.changed if answer.influence else 0,
        hops=tuple(map(hop_line, answer.hops)),
    )


def entry_of_turn(turn: StoredTurn) -> Entry:
    """The entry of a turn that the store kept."""
    return Entry(
        question=turn.question,
        answer=turn.answer,
        at=turn.at,
        sources=tuple(_cited(citations, None) for citations in _by_passage(turn.citations)),
        turn=turn.id,
        erased=turn.erased,
    )


def hop_line(hop: Hop) -> str:
    """A question that was asked instead of another, with its answer."""
    return f"{one_line(hop.question)} → {one_line(hop.text) or 'not in memory'}"


def facts(entry: Entry) -> str:
    """The quiet line below an answer: what it rests on and what to know of it."""
    cited = sum(source.cited for source in entry.sources)
    parts = [
        "not in memory" if entry.abstained else "",
        "not sure" if entry.unsure else "",
        "" if entry.abstained else _ENDINGS.get(entry.finish, ""),
        count(cited, "source") if cited else ("" if entry.erased or entry.abstained else "no source cited"),
        f"confidence {entry.confidence:.0%}" if entry.confidence is not None and not entry.abstained else "",
        f"{count(entry.dropped, 'passage')} unread" if entry.dropped else "",
        f"{count(entry.changed, 'token')} by memory" if entry.changed else "",
        f"{entry.seconds:.1f} s" if entry.seconds is not None else "",
    ]
    return " · ".join(part for part in parts if part)


def code_blocks(markdown: str) -> list[str]:
    """The fenced or indented code of an answer, in order, without control codes."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(plain(markdown))
    return [token.content.rstrip("\n") for token in tokens if token.type in ("fence", "code_block")]


def session_name(question: str, taken: frozenset[str] | None) -> str:
    """A name for a session from its first question; with the time while it is not known which names are taken."""
    name = one_line(question, 40)
    if taken is None:
        return f"{name} · {datetime.now():%d %b %H:%M}"
    return next(each for each in (name, *(f"{name} ({n})" for n in range(2, len(taken) + 3))) if each not in taken)


def _by_passage(citations: Sequence[Citation]) -> list[list[Citation]]:
    groups: dict[tuple[int, str, int], list[Citation]] = {}
    for citation in sorted(citations, key=lambda citation: citation.n):
        groups.setdefault((citation.n, citation.document, citation.passage), []).append(citation)
    return list(groups.values())


def _cited(citations: Sequence[Citation], hit: Hit | None) -> Source:
    first = citations[0]
    quotes = tuple(Span(citation.start, citation.end) for citation in citations)
    if hit is None:
        text = " … ".join(citation.text for citation in citations)
        return Source(
            str(first.n), first.document, first.title, text, None, quotes, source=first.source, page=first.page
        )
    found = source_of_hit(hit, str(first.n))
    return Source(
        found.label,
        found.document,
        found.title,
        found.text,
        found.passage,
        quotes,
        source=found.source,
        page=found.page if first.page is None else first.page,
        heading=found.heading,
        shares=found.shares,
        path=found.path,
    )
