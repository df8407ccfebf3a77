"""The same model as it was taught to read: every call of an engine, with its adapter."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from memapp.models import set_prompt
from memapp.protocols import Bias, StateStore
from memapp.types import Finish, Message, Piece, Sampling, SetPrompt, SoftPrompt

if TYPE_CHECKING:
    from memapp.models.llama import LlamaEngine


class TaughtEngine:
    """As protocols.SetEngine and SoftEngine; what it is made of belongs to the engine."""

    def __init__(self, engine: LlamaEngine) -> None:
        self._engine = engine

    @property
    def identity(self) -> str:
        """Name and hash of the weights, and that they were adapted."""
        return f"{self._engine.identity}, taught to read"

    @property
    def context_tokens(self) -> int:
        """Size of the window."""
        return self._engine.context_tokens

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt that these messages make."""
        return self._engine.count(messages)

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
    ) -> Iterator[Piece | Finish]:
        """As LlamaEngine.stream."""
        prompt = set_prompt.plain(self._engine.template(), messages)
        return self._engine.written(prompt, sampling, cancel, bias, taught=True)

    def reads_apart(self) -> str:
        """Why passages cannot be read apart; empty when they can."""
        return self._engine.reads_apart()

    def count_set(self, prompt: SetPrompt) -> int:
        """Tokens of the prompt, template included."""
        return self._engine.count_set(prompt)

    def stream_set(
        self,
        prompt: SetPrompt,
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
        states: StateStore | None = None,
    ) -> Iterator[Piece | Finish]:
        """As LlamaEngine.stream_set."""
        tokens = self._engine.tokens_apart(prompt, states, taught=True)
        return self._engine.written(tokens, sampling, cancel, bias, taught=True)

    def stream_soft(
        self,
        prompt: SoftPrompt,
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
    ) -> Iterator[Piece | Finish]:
        """As LlamaEngine.stream_soft."""
        return self._engine.stream_soft(prompt, sampling, cancel, bias, taught=True)

    def forget(self) -> None:
        """As LlamaEngine.forget."""
        self._engine.forget()

    def prepare(self) -> None:
        """Loads the model."""
        self._engine.prepare()

    def close(self) -> None:
        """The engine closes what is its own."""
