"""The seams of memapp: what a layer, a model or a reader must offer. Five methods at most, each."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from memapp.types import (
    Change,
    Document,
    Extraction,
    Failure,
    Finish,
    LayerStats,
    Message,
    Passage,
    Piece,
    Query,
    Sampling,
    Score,
    SetPrompt,
    SoftPrompt,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memapp.types import Vectors


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """What must agree before two vectors may be compared."""

    name: str
    dimension: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TokenStates:
    """What an encoder made of each token of a text, special tokens left out."""

    offsets: NDArray[np.int32]
    """Shape (tokens, 2): token i is text[offsets[i, 0]:offsets[i, 1]], in characters."""
    states: Vectors
    """Shape (tokens, dimension), float32."""


class Embedder(Protocol):
    """Text to unit vectors."""

    @property
    def identity(self) -> EmbedderIdentity:
        """Name, dimension and hash of the weights."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of unit length, float32, shape (len(texts), dimension), in order."""
        ...

    def encode(self, texts: Sequence[str]) -> tuple[Vectors, list[TokenStates]]:
        """The vectors of `embed` with the token states that they are the means of, from one pass of the encoder."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text, special tokens excluded."""
        ...

    def prepare(self) -> None:
        """Loads what `embed` needs, so that no later call waits for it."""
        ...


@dataclass(frozen=True, slots=True)
class Spans:
    """Where in a passage the answer to a question may stand, as log-probabilities over its tokens."""

    offsets: NDArray[np.int32]
    """Shape (tokens, 2): token i is passage[offsets[i, 0]:offsets[i, 1]], in characters."""
    starts: Vectors
    """That it begins with token i, shape (tokens,)."""
    ends: Vectors
    """That it ends with token i, shape (tokens,)."""
    nothing: float
    """That the passage does not tell: the rest of beginnings and that of ends, together."""


class SpanReader(Protocol):
    """Points at answers. Safe to use from several threads."""

    @property
    def identity(self) -> str:
        """Name and hash of the weights."""
        ...

    def spans(self, question: str, passages: Sequence[str]) -> list[Spans]:
        """What it makes of the question beside each passage, in order. Raises ModelError leaves."""
        ...

    def prepare(self) -> None:
        """Loads what `spans` needs, so that no later call waits for it."""
        ...


class Extractor(Protocol):
    """Passages to what they speak of."""

    @property
    def identity(self) -> str:
        """Name and hash of what it works with: another identity may extract something else."""
        ...

    def extract(self, passages: Sequence[Passage], states: Sequence[TokenStates]) -> list[Extraction]:
        """One extraction a passage, in order; `states` are those of each passage's `content`."""
        ...


@dataclass(frozen=True, slots=True)
class StatesIdentity:
    """What must agree before two hidden states of a language model may be compared."""

    name: str
    """What a person calls the model, its form included."""
    sha256: str
    """Of the weights, their form, the tokenizer, and how texts are read."""
    dimension: int


WINDOW = 512
"""Tokens that a state model reads together. A token sees those before it in its window, so its state does not depend on
what else is remembered."""


@runtime_checkable
class StateModel(Protocol):
    """A language model that shows what it makes of a text, token by token. Safe to call from several threads."""

    @property
    def states_identity(self) -> StatesIdentity:
        """Loads the model. Raises ModelError leaves."""
        ...

    def tokens(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The tokens of a text, and where each ends in it, in characters."""
        ...

    def states(self, ids: Sequence[int]) -> Vectors:
        """The hidden state before each of these tokens, of at most WINDOW, read on their own: float32, shape
        (len(ids), dimension). Times `outputs` it gives the logits of the token. Raises ModelError where a model does
        not show it."""
        ...

    def spread(self) -> Vectors:
        """How far from 0 each component of a state commonly is, shape (dimension,)."""
        ...

    def outputs(self, ids: NDArray[np.int32] | None = None) -> Vectors:
        """The rows of the output matrix for these tokens, or for all: shape (n, dimension). Raises ModelError."""
        ...


class Bias(Protocol):
    """What is mixed into the distribution of the next token while an answer is written. Made for one answer."""

    def begin(self, tokens: Sequence[int], states: Vectors, logits: Vectors) -> None:
        """Told before the first token: the prompt, and what the model made of its last tokens, a row each."""
        ...

    def mix(self, state: Vectors, logits: Vectors) -> Vectors:
        """Log-probabilities of the next token, shape (vocabulary,), of the hidden state and the model's logits."""
        ...

    def accept(self, token: int) -> None:
        """Told which token was written."""
        ...


class Engine(Protocol):
    """A language model. Safe to call from several threads; calls queue."""

    @property
    def identity(self) -> str:
        """Name and hash of the weights."""
        ...

    @property
    def context_tokens(self) -> int:
        """Size of the window: prompt and answer together."""
        ...

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt that these messages make, template included."""
        ...

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
    ) -> Iterator[Piece | Finish]:
        """Pieces of text as they are written, then one Finish. A last message of the assistant's is gone on with.

        Every token is chosen from what `bias` makes of the model's logits, by whatever sampling; an engine that follows
        several texts (`Sampling.beams`) gives a Beam for each instead. Setting `cancel` ends the stream within one
        token. Raises ContextOverflow when the prompt and max_tokens exceed the window: nothing is ever cut silently.
        """
        ...

    def prepare(self) -> None:
        """Loads the model, so that no later call waits for it."""
        ...

    def close(self) -> None:
        """Frees the model; safe to call twice."""
        ...


@dataclass(frozen=True, slots=True)
class StateKey:
    """Names the state that a model made of a passage."""

    passage: int
    """The id of the passage, with which it is forgotten."""
    sha256: str
    """Of all that the state depends on: the model and its form, what it read before, and the passage's tokens."""


class StateStore(Protocol):
    """Where states of passages are kept between prompts. Safe to use from several threads."""

    def get(self, key: StateKey) -> bytes | None:
        """The state; None when it is not there, or not what was put there."""
        ...

    def put(self, key: StateKey, state: bytes) -> None:
        """Keeps the state if there is room and its passage still lives."""
        ...

    def drop(self, key: StateKey) -> None:
        """Removes the state."""
        ...


@runtime_checkable
class SetEngine(Protocol):
    """An engine that reads passages apart from one another and keeps what it made of them."""

    def reads_apart(self) -> str:
        """Why the model cannot; empty when it can. Loads the model."""
        ...

    def count_set(self, prompt: SetPrompt) -> int:
        """Tokens of the prompt, template included."""
        ...

    def stream_set(
        self,
        prompt: SetPrompt,
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
        states: StateStore | None = None,
    ) -> Iterator[Piece | Finish]:
        """As `Engine.stream`; states of passages come from `states`, and those that were missing go there."""
        ...

    def forget(self) -> None:
        """Empties the window and whatever is kept of earlier conversations."""
        ...


@runtime_checkable
class SoftEngine(Protocol):
    """An engine that reads vectors in the place of tokens."""

    def stream_soft(
        self,
        prompt: SoftPrompt,
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
    ) -> Iterator[Piece | Finish]:
        """As `Engine.stream`. Raises ValueError for vectors of another width than the model's."""
        ...


@runtime_checkable
class Judge(Protocol):
    """An engine that tells how likely it finds texts."""

    def forced(self, prompt: Sequence[Message], answer: str) -> float:
        """The mean log-probability of the tokens of `answer` after the prompt, in nats."""
        ...

    def chances(self, prompt: Sequence[Message], begun: Sequence[str]) -> list[float]:
        """For each text, the log-probability that its first token comes next, in nats."""
        ...


@runtime_checkable
class Taught(Protocol):
    """An engine whose model was taught to answer from passages."""

    @property
    def taught(self) -> Engine | None:
        """The model as it was taught, to be asked in the form of answer/reading.py; None where it was not."""
        ...


@runtime_checkable
class Reader(Protocol):
    """A file format. Plugins register one under the entry-point group `memapp.readers`."""

    @property
    def name(self) -> str:
        """What `--format` calls it."""
        ...

    @property
    def suffixes(self) -> frozenset[str]:
        """Lower-case file endings with the dot."""
        ...

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """Documents in the file's order; a bad record becomes a Failure and the rest goes on.

        `source` is what documents carry as their source. Raises ReadError when nothing of the
        file can be read.
        """
        ...


class MemoryLayer(Protocol):
    """A projection of one namespace's log. Always derived, always rebuildable."""

    @property
    def name(self) -> str:
        """What `--layers` calls it."""
        ...

    @property
    def cursor(self) -> int:
        """Position of the last change that the layer reflects."""
        ...

    def apply(self, changes: Sequence[Change]) -> None:
        """Takes in changes in order; those at or before the cursor change nothing."""
        ...

    def recall(self, query: Query, k: int) -> list[Score]:
        """The k best passages, best first; never one that a change up to the cursor forgot."""
        ...

    def rebuild(self) -> None:
        """Drops all derived state and makes it anew from the store, up to the log's head."""
        ...

    def save(self) -> None:
        """Makes what was applied survive the process; a crash before it only costs time."""
        ...

    def stats(self) -> LayerStats:
        """Cursor, size and kind of index."""
        ...
