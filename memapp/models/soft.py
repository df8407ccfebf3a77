"""Vectors that the language model reads in the place of tokens."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memapp.errors import GenerationFailed
from memapp.models.native import Aborted, Context
from memapp.types import Message, Reading, SoftPrompt

if TYPE_CHECKING:
    from memapp.models.native import Model
    from memapp.models.sequences import Window
    from memapp.models.template import Template
    from memapp.types import Vectors

_SOFT = -1
"""Stands among a window's tokens for a vector, so that no prompt is taken to begin alike."""


@dataclass(slots=True)
class Softened:
    """A prompt with vectors in it, as `memapp.models.set_prompt.Tokens` wants it."""

    head: list[int]
    """Before the vectors."""
    rows: Vectors
    """Shape (n, width)."""
    tail: list[int]
    """After them."""
    session: int = 0
    """Tokens at the beginning that are a conversation."""
    _held: int = 0
    _ms: dict[str, float] = field(default_factory=dict)
    _note: str = ""

    @property
    def ids(self) -> list[int]:
        """All tokens, with one that is none for each vector."""
        return [*self.head, *[_SOFT] * len(self.rows), *self.tail]

    def enter(self, window: Window, stopped: Callable[[], bool]) -> list[int]:
        """Keeps what the window shares with the head, computes the rest of it, and the vectors."""
        began = time.perf_counter()
        self._note = window.recover(self.head, self.session)
        self._held = len(window.held)
        self._ms["held"], began = _since(began), time.perf_counter()
        window.extend(self.head[self._held :], stopped)
        self._ms["text"], began = _since(began), time.perf_counter()
        read_soft(window, self.rows, stopped)
        self._ms["soft"] = _since(began)
        return self.tail

    def leave(self, window: Window) -> None:
        """Which vectors are read depends on the question, so no later prompt goes on from them."""
        window.keep(len(self.head))

    def reading(self, text_ms: float) -> Reading:
        """Head and tail, but for what was held, were computed as text."""
        ms = {**self._ms, "text": self._ms.get("text", 0.0) + text_ms}
        text = len(self.head) + len(self.tail) - self._held
        return Reading("sequential", self._held, text, soft=len(self.rows), ms=ms, note=self._note)


def softened(model: Model, template: Template, prompt: SoftPrompt) -> Softened:
    """The prompt as tokens and vectors. Raises ModelError when the template cannot write it, ValueError for vectors of
    another width than the model's."""
    import numpy as np

    rows = np.concatenate([np.empty((0, model.dimension), np.float32), *prompt.soft])
    messages, begun = list(prompt.messages), ""
    if messages[-1].role == "assistant":
        begun = messages.pop().content
    asked = messages.pop().content.removeprefix(prompt.opening)
    before, after = template.around([*messages, Message("user", "")])

    def plain(text: str) -> list[int]:
        return model.tokenize(text, special=False)

    session = len(before) if any(message.role == "assistant" for message in messages) else 0
    return Softened([*before, *plain(prompt.opening)], rows, [*plain(asked), *after, *plain(begun)], session)


def read_soft(context: Context, rows: Vectors, stopped: Callable[[], bool] = lambda: False) -> None:
    """Computes vectors of the model's width as if they were the embeddings of tokens, after what the window holds.

    Raises Aborted when stopped, GenerationFailed when the window is full or llama.cpp fails.
    """
    import numpy as np

    rows = np.ascontiguousarray(rows, np.float32)
    if rows.ndim != 2 or rows.shape[1] != context.model.dimension:
        raise ValueError(f"soft tokens have the shape (n, {context.model.dimension}), not {rows.shape}")
    if len(context.held) + len(rows) > context.size:
        raise GenerationFailed("The model's window is full.", "Set a larger `context_tokens`, or recall less.")
    for start in range(0, len(rows), context.ubatch):
        if stopped():
            raise Aborted
        _decode(context, rows[start : start + context.ubatch])


def _decode(context: Context, rows: Vectors) -> None:
    lib = context._lib
    batch = lib.llama_batch_get_one(None, len(rows))
    batch.embd = rows.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    outcome = lib.llama_decode(context._context, batch)
    if outcome == 0:
        context.held.extend([_SOFT] * len(rows))
        return
    context.keep(0)
    if outcome == 2:
        raise Aborted
    raise GenerationFailed(f"llama.cpp gave up (code {outcome}).", "Ask again; set MEMAPP_LOG=debug to see why.")


def forced(context: Context, parts: Sequence[Sequence[int] | Vectors], answer: Sequence[int]) -> float:
    """The mean log-probability of the answer's tokens after a prompt of tokens and of soft tokens, in nats."""
    import numpy as np

    from memapp.models.sampling import log_probability

    context.keep(0)
    for part in parts:
        if isinstance(part, np.ndarray):
            read_soft(context, part)
        else:
            context.extend(list(part), lambda: False)
    total = 0.0
    for place, token in enumerate(answer):
        total += log_probability(context.logits(), token)
        if place + 1 < len(answer):
            context.extend([token], lambda: False)
    return total / len(answer)


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
