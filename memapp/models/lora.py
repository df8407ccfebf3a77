"""A LoRA as llama.cpp reads it: GGUF, every matrix in eighths of a byte's precision where its rows allow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memapp.types import Vectors

_BLOCK = 32
"""Numbers that share a scale."""


def write(path: Path, tensors: Mapping[str, Vectors], alpha: float, name: str, halves: bool = False) -> None:
    """Writes tensors named like `blk.0.attn_q.weight.lora_a`, shape (rank, in), and `_b`, shape (out, rank).

    They are kept in 8 bits with a scale for every 32, or in `halves`, 16 bits.
    """
    import gguf
    import numpy as np

    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_name(name)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    kind = gguf.GGMLQuantizationType.Q8_0
    for key, value in sorted(tensors.items()):
        plain = np.ascontiguousarray(value, np.float32)
        if halves or plain.shape[-1] % _BLOCK:
            writer.add_tensor(key, plain.astype(np.float16))
        else:
            writer.add_tensor(key, gguf.quantize(plain, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
