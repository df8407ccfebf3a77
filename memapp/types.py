"""The values that travel between memapp's modules. All are frozen; none does any work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
else:
    Vectors = Any

Metadata = Mapping[str, Any]


# What is remembered


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


# What is asked


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of a conversation and the answer that it got."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question in the forms that layers need."""

    text: str
    vector: Vectors | None = None
    """Unit length, shape (dimension,); None when no layer asked for it."""
    near: tuple[Score, ...] = ()
    """What other layers recalled, fused, best first: where a layer that follows links starts from."""
    facts: tuple[FittingFact, ...] = ()
    """Facts that fit the question, whose phrases such a layer starts from too."""


@dataclass(frozen=True, slots=True)
class FittingFact:
    """A fact, and how well it fits a question, in [0, 1]."""

    fact: Fact
    score: float


@dataclass(frozen=True, slots=True)
class Score:
    """What one layer says of one passage; larger is better, comparable within that layer only."""

    passage: int
    value: float
    why: str = ""
    signals: Mapping[str, float] = field(default_factory=dict)
    """What the layer knows of the passage besides, for a ranker that sees all layers."""
    links: tuple[Link, ...] = ()
    """How a layer that follows links came to the passage."""


@dataclass(frozen=True, slots=True)
class Link:
    """A step from the question, or from a passage, through a phrase to a passage."""

    phrase: int
    """The key of the phrase's normal form, see `Extraction`; words themselves stand in the store only."""
    source: int | None = None
    """The passage that it comes from; None when the question names the phrase itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """A `Link` in words."""

    phrase: str
    """As the passage that was found writes it."""
    source: str = ""
    """Name of the passage that it comes from; empty when the question names the phrase itself."""
    passage: int | None = None
    """Id of that passage."""


@dataclass(frozen=True, slots=True)
class LayerShare:
    """One layer's part in a hit."""

    layer: str
    rank: int
    score: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A recalled passage."""

    rank: int
    score: float
    """The fused score, in [0, 1]."""
    passage: Passage
    shares: tuple[LayerShare, ...] = ()
    path: tuple[Step, ...] = ()
    """How the graph came to the passage: the phrases that the question names, then steps from other passages."""
    standing: str = ""
    """Of which day it is, where the same person told the same thing otherwise on another; empty where nobody did."""
    outdated: bool = False
    """Whether the one of another day is newer and says otherwise."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that found the passage."""
        return tuple(share.layer for share in self.shares)

    @property
    def why(self) -> str:
        """One line on how the passage was found."""
        return "; ".join(
            f"{share.layer} #{share.rank} ({share.score:.3f}{', ' + share.why if share.why else ''})"
            for share in self.shares
        )


# What the model is told, and what it says


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, and when to stop."""

    max_tokens: int = 192
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    typical_p: float = 1.0
    """Locally typical sampling (Meister et al., 2023): below 1, tokens are kept whose surprise is nearest to the
    expected one, until they have this probability together."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Generation ends before the first of these strings."""
    schema: Mapping[str, Any] | None = None
    """A JSON schema that the output must match."""
    grammar: str = ""
    """A grammar in llama.cpp's GBNF, whose rule `root` the output must match; empty leaves it free."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of one or more generated tokens, complete characters only."""

    text: str
    logprob: float = 0.0
    """Sum over the tokens in it, natural logarithm."""
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class Apart:
    """A passage that is read apart from the others of its prompt."""

    passage: int
    """Its id, so that what was made of it goes when it is forgotten."""
    text: str


@dataclass(frozen=True, slots=True)
class SetPrompt:
    """A prompt with passages that are read apart: each sees the system message and itself, what follows them sees all.

    As a set, all begin at the same position, so their order says nothing (set-based prompting, McIlroy-Young et al.,
    2024); `spread`, each begins where the one before it ends.
    """

    messages: tuple[Message, ...]
    """The system message and the earlier turns."""
    opening: str
    """Begins the user's message, before the passages."""
    passages: tuple[Apart, ...]
    closing: str
    """Ends it."""
    begun: str = ""
    """What the answer begins with."""
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How a prompt came into the model's window: tokens, and what they cost."""

    kind: Literal["sequential", "set", "apart"] = "sequential"
    held: int = 0
    """Tokens that were there, of this conversation or of a beginning that prompts share."""
    text: int = 0
    """Tokens that were computed."""
    restored: int = 0
    """Tokens of passages that came as states made earlier."""
    prefilled: int = 0
    """Tokens of passages whose states were made for this prompt."""
    ms: Mapping[str, float] = field(default_factory=dict)
    """What `text`, `restored`, `prefilled` and `held` cost."""
    note: str = ""
    """Why something had to be computed that another time would not; empty when nothing had."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The last thing that an engine's stream yields."""

    reason: Literal["stop", "length", "cancelled"]
    prompt_tokens: int
    generated_tokens: int
    reading: Reading | None = field(default=None, compare=False)
    """How the prompt was read, where the engine tells."""


@dataclass(frozen=True, slots=True)
class Token:
    """Streamed text of an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """The passages that the answer will be written from; comes before the first token."""

    hits: tuple[Hit, ...]
    question: str
    """The question as it was searched for, follow-ups resolved."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A span of a passage that supports a sentence of the answer."""

    n: int
    """The number that stands in the answer as [n]."""
    document: str
    title: str
    text: str
    start: int
    end: int
    """The text is document.text[start:end]."""
    passage: int = 0
    source: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts of one answer."""

    prompt: int = 0
    generated: int = 0
    context: int = 0
    """The size of the model's window."""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the parametric memory took tokens from."""

    passage: int
    document: str
    title: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Influence:
    """What the parametric memory did to an answer."""

    memory: str
    """Which answered: knn, mlp or both."""
    tokens: int
    """Those that the model wrote with it."""
    changed: int
    """Those of them that the model alone would not have written."""
    sources: tuple[Source, ...] = ()
    """Where the changed tokens stood, most first; a network has no sources."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that was gone on with."""

    text: str
    """What was added."""
    tokens: Tokens = Tokens()
    finish: Literal["stop", "length", "cancelled"] = "stop"
    influence: Influence | None = None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely the model finds a text, in nats a token, on average."""

    base: float
    """Without parametric memory."""
    before: float
    """With it, before the text was forgotten."""
    after: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its evidence."""

    question: str
    text: str
    citations: tuple[Citation, ...] = ()
    confidence: float = 0.0
    """In [0, 1]."""
    abstained: bool = False
    """True when memory does not hold an answer; `hits` are then the nearest passages."""
    hits: tuple[Hit, ...] = ()
    tokens: Tokens = Tokens()
    timing_ms: Mapping[str, float] = field(default_factory=dict)
    dropped: tuple[int, ...] = ()
    """Ranks of the hits that the model did not read: too far behind the best, or no room in its window."""
    finish: Literal["stop", "length", "cancelled"] = "stop"
    influence: Influence | None = None
    """What the parametric memory did; None when it was off or had nothing."""
    reading: Reading | None = None
    """How the prompt was read, where the engine tells."""


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a stream, with the whole answer."""

    answer: Answer


Event = Recalled | Token | Citation | Done


# What was done


ItemState = Literal["added", "updated", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one document, or of one file that could not be read."""

    source: str
    state: ItemState
    document: str = ""
    passages: int = 0
    reason: str = ""
    """Why it failed, with what to do; empty otherwise."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did, item by item."""

    items: tuple[Item, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Where the time went: read, embed, commit, layers, total."""
    interrupted: bool = False

    def _of(self, *states: ItemState) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.state in states)

    @property
    def added(self) -> tuple[Item, ...]:
        """New documents and new versions of known ones."""
        return self._of("added", "updated")

    @property
    def unchanged(self) -> tuple[Item, ...]:
        """Documents that were remembered already, word for word."""
        return self._of("unchanged")

    @property
    def failed(self) -> tuple[Item, ...]:
        """Items that did not go in, each with its reason."""
        return self._of("failed")


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that a reader could not turn into a document."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class FactsReport:
    """What the chat model read in passages."""

    read: int
    """Passages whose facts are known now."""
    facts: int
    failed: tuple[Failure, ...]
    """Passages that could not be read, by their documents' ids; each is tried three times in all."""
    remaining: int
    """Passages that another run would try."""
    seconds: float
    tokens: int
    """What the model wrote."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """What the model wrote and nobody keeps, by the reason."""
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file of facts."""

    stored: int
    """Passages that got facts, or others than before."""
    unchanged: int
    """Passages that had the same facts already."""
    facts: int
    """All facts of both."""
    failed: tuple[Failure, ...] = ()
    """Entries of the file that fit no passage or cannot be read, by their place in the file."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Phrases and facts that were left out, by the reason."""


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What the chat model read for the parametric memory."""

    read: int
    """Passages."""
    tokens: int
    remaining: int
    """Passages that another run would read."""
    seconds: float
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class LearnReport:
    """What came of training the network of the parametric memory."""

    tokens: int
    """Of the corpus."""
    steps: int
    held_out: float
    """Perplexity of the network on the part of the corpus that was held out, among the words of the corpus."""
    seconds: float
    interrupted: bool = False
    """Whether it ended early, with a checkpoint that the next run goes on from."""


@dataclass(frozen=True, slots=True)
class OriginStats:
    """How far an extractor has come."""

    origin: str
    passages: int
    """Those that it has looked at."""
    unread: int
    """Those that it has not, the failed ones included."""
    failed: int
    """Those that it tried and could not read."""


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check of `verify` or `doctor`."""

    name: str
    ok: bool
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ForgetReport:
    """What a forget removed."""

    documents: tuple[str, ...]
    passages: int
    layers: Mapping[str, int]
    """Passages that each layer dropped."""
    turns: int = 0
    """Chat answers that quoted them and were erased with them."""
    checks: tuple[Check, ...] = ()
    """Filled when a proof was asked for."""
    likelihood: Likelihood | None = None
    """Of the forgotten text, when a proof was asked for and the parametric memory is in use."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long piece of work has come."""

    stage: str
    """"read" and "download" count bytes, all others things."""
    done: int
    total: int | None
    """None while it is not known."""
    item: str = ""


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A remembered document without its text."""

    id: str
    title: str
    source: str
    media_type: str
    passages: int
    characters: int
    added: str
    """ISO 8601, UTC."""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change as a person reads it."""

    position: int
    at: str
    kind: Literal["insert", "forget", "extract", "read"]
    document: str
    """Empty once the document is forgotten: the log keeps that it was, not what it was."""
    passages: int


@dataclass(frozen=True, slots=True)
class LayerStats:
    """The state of one layer."""

    name: str
    cursor: int
    """The last change that it reflects."""
    passages: int
    bytes: int
    kind: str = ""


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One turn of a kept chat session."""

    id: int
    session: str
    question: str
    answer: str
    at: str
    citations: tuple[Citation, ...] = ()
    erased: bool = False
    """True when the answer went because a document that it cites was forgotten."""


@dataclass(frozen=True, slots=True)
class Note:
    """A statement of a person that is remembered, or proposed to be."""

    id: str
    """Of its document; empty while it is only proposed."""
    text: str
    at: str = ""
    """When it was told, ISO 8601."""
    reason: str = ""
    """Why it is proposed."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What a namespace holds."""

    namespace: str
    documents: int
    passages: int
    characters: int
    changes: int
    bytes: int
    embedder: str
    layers: tuple[LayerStats, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, and where the time went."""

    question: str
    hits: tuple[Hit, ...]
    timing_ms: Mapping[str, float] = field(default_factory=dict)
    """embed, one entry a layer, fuse, total."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A kept chat session."""

    name: str
    turns: int
    started: str
    last: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a batch of questions came to."""

    done: int
    failed: int
    skipped: int
    """Answered by an earlier, interrupted run."""
    interrupted: bool = False
