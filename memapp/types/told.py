"""What the model is told, and what it says: prompts, pieces, answers with their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from memapp.types.arrays import Vectors
from memapp.types.asked import Hit


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
    beams: int = 1
    """Above 1, so many continuations are followed side by side (beam search), and each comes whole, as a Beam, its end
    counted in its probability. With a bias, or a model whose memory cannot be shared, one text is written in Pieces
    instead."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of one or more generated tokens, complete characters only."""

    text: str
    logprob: float = 0.0
    """Sum over the tokens in it, natural logarithm."""
    tokens: int = 1


@dataclass(frozen=True, slots=True)
class Beam(Piece):
    """All text of one continuation among several, likeliest first."""

    ended: bool = True
    """Whether the model ended it itself, or a stop string did."""


@dataclass(frozen=True, slots=True)
class Apart:
    """A passage that is read apart from the others of its prompt."""

    passage: int
    """Its id, so that what was made of it goes when it is forgotten."""
    text: str
    temperature: float = 1.0
    """What the attention logits of its tokens are divided by: above 1, it draws less attention."""


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
class SoftPrompt:
    """A prompt whose question comes after passages as soft tokens: vectors that stand in the place of words."""

    messages: tuple[Message, ...]
    """As without them."""
    opening: str
    """What of the user's last message comes before them, or is put before them where it does not begin so."""
    soft: tuple[Vectors, ...] = field(compare=False)
    """Of each passage, shape (tokens, width), in the order in which they are read."""


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
    soft: int = 0
    """Vectors that were read in the place of tokens."""
    ms: Mapping[str, float] = field(default_factory=dict)
    """What `text`, `restored`, `prefilled`, `soft` and `held` cost."""
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
class KeyPoint:
    """A sentence that says what many passages are about."""

    citation: Citation
    share: float
    """Of the passages, weighed by how well they fit the query, those that it stands for; in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a memory, or what a query finds in it, is about."""

    query: str
    """Empty for the whole memory."""
    points: tuple[KeyPoint, ...]
    passages: int
    """How many were looked at."""
    ms: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts of one answer."""

    prompt: int = 0
    generated: int = 0
    context: int = 0
    """The size of the model's window."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the room of a prompt went to, in tokens. System text and question are never cut."""

    room: int
    """The model's window without the longest answer."""
    question: int
    """The question, the system text, and what the model's template puts around messages."""
    history: int = 0
    """Earlier turns."""
    passages: int = 0
    soft: int = 0
    turns_left_out: int = 0
    """Earlier turns that were not read for want of room."""

    @property
    def left(self) -> int:
        """Room that nothing took."""
        return self.room - self.question - self.history - self.passages - self.soft


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
class Hop:
    """One of the questions that a question was taken apart into, with its answer."""

    question: str
    text: str
    """Empty where there was no answer."""
    citations: tuple[Citation, ...]
    """Numbered for themselves, from 1."""
    confidence: float


UNSURE_BELOW = 0.5
"""Confidence below which an answer is no likelier right than wrong: measured for the model that was taught to read
(`memapp bench reader`), taken over for others."""


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
    reminded: tuple[int, ...] = ()
    """Ids of the passages that were read as soft tokens, in that order. They are never cited."""
    budget: Budget | None = None
    """What the prompt's room went to; None where there was no prompt."""
    hops: tuple[Hop, ...] = ()
    """The questions that were asked instead of this one, in order; none where it was asked as it is."""

    @property
    def unsure(self) -> bool:
        """Whether it is given from passages, but no likelier right than wrong."""
        return bool(self.citations) and not self.abstained and self.confidence < UNSURE_BELOW


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a stream, with the whole answer."""

    answer: Answer


Event = Recalled | Hop | Token | Citation | Done
