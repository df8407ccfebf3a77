"""What the language model reads besides tokens: an adapter on its weights, and vectors in the place of tokens."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memapp.errors import GenerationFailed, ModelDamaged
from memapp.models.native import Aborted, Context

if TYPE_CHECKING:
    from memapp.models.native import Model
    from memapp.types import Vectors

_SOFT = -1
"""Stands among a window's tokens for a vector, so that no prompt is taken to begin alike."""


class Adapter:
    """A low-rank change of a model's weights (LoRA), for the contexts that it is put on."""

    def __init__(self, model: Model, path: Path) -> None:
        """Raises ModelDamaged for a file that is no adapter of this model."""
        self._lib = model._lib
        self._adapter = self._lib.llama_adapter_lora_init(model._model, os.fsencode(path))
        if not self._adapter:
            raise ModelDamaged(f"{path} is not an adapter of {model.path.name}.", "Train one for this model.")

    def put_on(self, context: Context, scale: float = 1.0) -> None:
        """From now on the context computes with the adapter; what it holds was computed as it was then."""
        adapters = (self._lib.llama_adapter_lora_p_ctypes * 1)(self._adapter)
        if self._lib.llama_set_adapters_lora(context._context, adapters, 1, (ctypes.c_float * 1)(scale)):
            raise ModelDamaged("The adapter does not fit its model.", "Train one for this model.")


def write_adapter(path: Path, tensors: Mapping[str, Vectors], alpha: float, architecture: str = "llama") -> None:
    """An adapter as the GGUF file that llama.cpp reads, whole or not at all. Tensors bear llama.cpp's names,
    `blk.0.attn_q.weight.lora_a` (rank, in) and `.lora_b` (out, rank), and keep their number type."""
    import gguf

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        writer: Any = gguf.GGUFWriter(part, architecture)
        writer.add_string("general.type", "adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        for tensor, value in tensors.items():
            writer.add_tensor(tensor, value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
