"""What is remembered: documents, passages, what they speak of, and the changes that the log holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from memapp.types.arrays import Metadata


@dataclass(frozen=True, slots=True)
class Section:
    """Marks where a heading or a page of a document begins; it lasts until the next one."""

    start: int
    """Offset into the document's text, in characters."""
    heading: str = ""
    page: int | None = None
    """Counted from 1; None where the format has no pages."""


@dataclass(frozen=True, slots=True)
class Span:
    """The characters [start, end) of a document's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One readable thing: a file, a record of a JSONL file, an e-mail, a chat."""

    id: str
    """Unique in its namespace; the same id with other text replaces the document."""
    title: str
    text: str
    source: str = ""
    """Path or URI that it was read from; empty for text that a program added."""
    media_type: str = "text/plain"
    metadata: Metadata = field(default_factory=dict)
    sections: tuple[Section, ...] = ()

    @property
    def spoken(self) -> bool:
        """Whether it is a conversation whose sections are its turns: each is a passage of its own."""
        return bool(self.sections) and "speakers" in self.metadata


@dataclass(frozen=True, slots=True)
class Said:
    """Whose words a passage of a conversation is, and when they were said."""

    speaker: str
    session: str = ""
    time: str = ""
    """ISO 8601 in the conversation's own clock; as it stands there where it cannot be read; empty when unknown."""


_STAMPED = re.compile(r"([^\n():]{1,60}) \(\d{1,2} [A-Z][a-z]+ \d{4}(?:, \d\d:\d\d)?\): ")
TURN_MARK = " · "
"""Between speaker and time in the heading of a turn's section."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document that is recalled, read and cited as one."""

    id: int
    """Given by the store, never given twice."""
    document: str
    title: str
    text: str
    start: int
    end: int
    """The passage is document.text[start:end]."""
    ordinal: int = 0
    heading: str = ""
    page: int | None = None
    source: str = ""
    metadata: Metadata = field(default_factory=dict)

    @property
    def content(self) -> str:
        """What the layers index: title, newline, text; of a turn with its time only who said what."""
        if stamped := _STAMPED.match(self.text):
            return f"{stamped[1]}: {self.text[stamped.end() :]}"
        return f"{self.title}\n{self.text}" if self.title else self.text

    @property
    def stamp(self) -> int:
        """Characters before the words of a turn: who said them, and when; 0 where nothing does."""
        if stamped := _STAMPED.match(self.text):
            return stamped.end()
        said = self.said
        return len(said.speaker) + 2 if said and self.text.startswith(f"{said.speaker}: ") else 0

    @property
    def said(self) -> Said | None:
        """Who said it and when; None when it is no turn of a conversation.

        A turn is a section of a conversation, or a document of its own whose metadata names its `speaker`.
        """
        known = self.metadata
        session = str(known.get("session", ""))
        if "speakers" in known:
            speaker, time, *_ = (*self.heading.rsplit(TURN_MARK, 1), "")
            return Said(speaker, session, time) if speaker else None
        if isinstance(known.get("speaker"), str):
            return Said(known["speaker"], session, str(known.get("time", "")))
        return None


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log: the passages [first, last] came, went, are known to speak of something else, or were
    read by the chat model."""

    position: int
    """Counts from 1 over all namespaces, without reuse."""
    kind: Literal["insert", "forget", "extract", "read"]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Extraction:
    """What a passage speaks of."""

    phrases: tuple[str, ...] = ()
    """Names, titles, dates and quoted names as they are written, in order; one that occurs again stands again."""
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A relation between two phrases, as a passage states it."""

    subject: str
    predicate: str
    object: str
