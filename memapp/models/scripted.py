"""Models that answer by script: for tests of everything above models, and for trying a program without weights.

They keep the contracts of protocols.Engine and protocols.Embedder, record what they were asked, and compute nothing
that depends on the machine.
"""

from __future__ import annotations

import hashlib
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from memapp.errors import ContextOverflow, UsageError
from memapp.protocols import Bias, EmbedderIdentity, StatesIdentity, TokenStates
from memapp.types import Finish, Message, Piece, Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memapp.types import Vectors

Answers = Sequence[str] | Callable[[Sequence[Message]], str]

VOCABULARY = 512
"""Tokens that scripted states tell apart."""
_WORDS = re.compile(r"\s*\S+|\s+$")
_TERMS = re.compile(r"\w+")


class ScriptedEngine:
    """Answers from a list, in order, or by a function of the messages; a word is a token."""

    def __init__(self, answers: Answers = (), *, delay: float = 0.0, context_tokens: int = 4096) -> None:
        self._answers = answers
        self._delay = delay
        self._context_tokens = context_tokens
        self._lock = threading.Lock()
        self._step = threading.Semaphore(0)
        self._stepwise = False
        self.calls: list[tuple[tuple[Message, ...], Sampling]] = []
        """What was asked, in order."""
        self.closed = False

    @classmethod
    def stepwise(cls, answers: Answers = ()) -> ScriptedEngine:
        """An engine that writes each word only after a call of `step`."""
        engine = cls(answers)
        engine._stepwise = True
        return engine

    def step(self, words: int = 1) -> None:
        """Lets a stepwise engine write so many more words."""
        self._step.release(words)

    @property
    def identity(self) -> str:
        """A constant name."""
        return "scripted"

    @property
    def context_tokens(self) -> int:
        """Size of the window, in words."""
        return self._context_tokens

    def count(self, messages: Sequence[Message]) -> int:
        """Words of the messages."""
        return sum(len(message.content.split()) for message in messages)

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
    ) -> Iterator[Piece | Finish]:
        """The next answer, word by word, ended by max_tokens, stop strings and `cancel` like a real engine's.

        Raises ContextOverflow as an engine must, UsageError when the list of answers is used up or it was closed.
        """
        if self.closed:
            raise UsageError("The model was closed.", "Open it again.")
        prompt = self.count(messages)
        if prompt + sampling.max_tokens > self._context_tokens:
            raise ContextOverflow(f"{prompt} + {sampling.max_tokens} words exceed {self._context_tokens}.", "Shorten.")
        with self._lock:
            self.calls.append((tuple(messages), sampling))
            answer = self._next(messages)
        return self._write(answer, prompt, sampling, cancel or threading.Event())

    def _next(self, messages: Sequence[Message]) -> str:
        if callable(self._answers):
            return self._answers(messages)
        if len(self.calls) > len(self._answers):
            raise UsageError(f"The script has only {len(self._answers)} answers.", "Give it more.")
        return self._answers[len(self.calls) - 1]

    def _write(self, answer: str, prompt: int, sampling: Sampling, cancel: threading.Event) -> Iterator[Piece | Finish]:
        ends = [at for at in (answer.find(text) for text in sampling.stop if text) if at >= 0]
        words = _WORDS.findall(answer[: min(ends)] if ends else answer)
        reason: Literal["stop", "length"] = "length" if len(words) > sampling.max_tokens else "stop"
        for written, word in enumerate(words[: sampling.max_tokens]):
            if self._wait(cancel):
                yield Finish("cancelled", prompt, written)
                return
            yield Piece(word)
        yield Finish(reason, prompt, min(len(words), sampling.max_tokens))

    def _wait(self, cancel: threading.Event) -> bool:
        """Waits as long as a word takes; True when cancelled."""
        while self._stepwise and not cancel.is_set() and not self.closed:
            if self._step.acquire(timeout=0.005):
                break
        return cancel.wait(self._delay) if self._delay else cancel.is_set()

    def prepare(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to free; later calls raise UsageError."""
        self.closed = True


class ScriptedStates(ScriptedEngine):
    """An engine that shows hidden states, as protocols.StateModel wants it: a state is made of the two words before."""

    def __init__(self, answers: Answers = (), *, dimension: int = 16, name: str = "scripted", **options: Any) -> None:
        super().__init__(answers, **options)
        self._name = name
        self._dimension = dimension
        self.read: list[int] = []
        """How many tokens each call was asked about, in order."""

    @property
    def states_identity(self) -> StatesIdentity:
        """Name, a hash of it, and the dimension."""
        digest = hashlib.sha256(f"{self._name}/{self._dimension}".encode()).hexdigest()
        return StatesIdentity(self._name, digest, self._dimension)

    def tokens(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Words with the space before them, hashed."""
        import numpy as np

        words = list(_WORDS.finditer(text))
        ids = [int.from_bytes(_digest(word.group().strip())[:4], "little") % VOCABULARY for word in words]
        return np.array(ids, np.int32), np.array([word.end() for word in words], np.int64)

    def states(self, ids: Sequence[int]) -> Vectors:
        """Shape (len(ids), dimension)."""
        import numpy as np

        self.read.append(len(ids))
        before = [(*([-1] * (2 - at)), *ids[max(at - 2, 0) : at]) for at in range(len(ids))]
        rows = [np.random.default_rng([9, *(id + 1 for id in two)]).standard_normal(self._dimension) for two in before]
        return np.array(rows, np.float32).reshape(-1, self._dimension)

    def spread(self) -> Vectors:
        """The same for all components."""
        import numpy as np

        return np.full(self._dimension, 4.5, np.float32)

    def outputs(self, ids: NDArray[np.int32] | None = None) -> Vectors:
        """Rows of a fixed matrix."""
        import numpy as np

        rows = np.random.default_rng(5).standard_normal((VOCABULARY, self._dimension)).astype(np.float32) * 0.1
        return rows if ids is None else rows[ids]


def _digest(word: str) -> bytes:
    return hashlib.blake2b(word.lower().encode("utf-8", "replace"), digest_size=8).digest()


class ScriptedEmbedder:
    """Bags of hashed words as unit vectors: texts that share words are near."""

    def __init__(self, dimension: int = 64, name: str = "scripted") -> None:
        self._dimension = dimension
        self._name = name
        self.calls: list[tuple[str, ...]] = []
        """The texts of each call, in order."""

    @property
    def identity(self) -> EmbedderIdentity:
        """Name, dimension and a hash made of both."""
        digest = hashlib.sha256(f"{self._name}/{self._dimension}".encode()).hexdigest()
        return EmbedderIdentity(self._name, self._dimension, digest)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of unit length, float32, shape (len(texts), dimension); the same text has the same vector."""
        import numpy as np

        self.calls.append(tuple(texts))
        vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in _TERMS.findall(text) or [""]:
                row += self._state(word)
            length = math.sqrt(float(row @ row))
            if length == 0:
                row[0] = length = 1.0
            row /= length
        return vectors

    def encode(self, texts: Sequence[str]) -> tuple[Vectors, list[TokenStates]]:
        """The vectors of `embed` and what each word adds to them."""
        import numpy as np

        states = []
        for text in texts:
            words = list(_TERMS.finditer(text))
            offsets = np.array([word.span() for word in words], np.int32).reshape(-1, 2)
            rows = [self._state(word.group()) for word in words]
            states.append(TokenStates(offsets, np.array(rows, np.float32).reshape(-1, self._dimension)))
        return self.embed(texts), states

    def _state(self, word: str) -> Vectors:
        import numpy as np

        digest = _digest(word)
        state = np.zeros(self._dimension, np.float32)
        state[int.from_bytes(digest[:4], "little") % self._dimension] = 1 if digest[4] % 2 else -1
        return state

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of words of each text."""
        return [len(_TERMS.findall(text)) for text in texts]

    def prepare(self) -> None:
        """Nothing to load."""
