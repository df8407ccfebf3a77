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


class Extractor(Protocol):
    """Passages to what they speak of."""

    @property
    def identity(self) -> str:
        """Name and hash of what it works with: another identity may extract something else."""
        ...

    def extract(self, passages: Sequence[Passage], states: Sequence[TokenStates]) -> list[Extraction]:
        """One extraction a passage, in order; `states` are those of each passage's `content`."""
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
    ) -> Iterator[Piece | Finish]:
        """Pieces of text as they are written, then one Finish.

        Setting `cancel` ends the stream within one token. Raises ContextOverflow when the prompt
        and max_tokens exceed the window: nothing is ever cut silently.
        """
        ...

    def prepare(self) -> None:
        """Loads the model, so that no later call waits for it."""
        ...

    def close(self) -> None:
        """Frees the model; safe to call twice."""
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
