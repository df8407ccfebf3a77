"""What was done: reports, and what there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from memapp.types.arrays import Metadata
from memapp.types.asked import Hit
from memapp.types.told import Citation, Likelihood

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
class EncodeReport:
    """What came of making soft tokens of passages."""

    made: int
    """Passages."""
    remaining: int
    """Passages without soft tokens."""
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
class Profile:
    """How well a model reads each place of its prompt."""

    model: str
    questions: int
    curve: tuple[float, ...]
    """For each place of the right passage, the mean log-probability of the answer, in nats a token."""
    spread: tuple[float, ...]
    """Standard error of each, differences between questions left out."""
    file: str
    """Where it is kept."""


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
    clues: tuple[str, ...] = ()
    """What the chat model drafted to be searched for beside the question."""


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
