"""Vectors that the language model reads in the place of tokens."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from memapp.errors import GenerationFailed
from memapp.models.native import Aborted, Context

if TYPE_CHECKING:
    from memapp.types import Vectors

_SOFT = -1
"""Stands among a window's tokens for a vector, so that no prompt is taken to begin alike."""


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
