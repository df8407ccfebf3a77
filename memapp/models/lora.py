"""A low-rank change of a model's weights (LoRA) as the GGUF file that llama.cpp reads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memapp.types import Vectors

_BLOCK = 32
"""Numbers that share a scale in 8 bits."""


def write(path: Path, tensors: Mapping[str, Vectors], alpha: float, small: bool = False) -> None:
    """Writes an adapter, whole or not at all. Tensors bear llama.cpp's names, `blk.0.attn_q.weight.lora_a` (rank, in)
    and `.lora_b` (out, rank), and keep their number type; if `small`, those whose rows allow it take 8 bits a number.
    """
    import gguf
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part, kind = Path(name), gguf.GGMLQuantizationType.Q8_0
    try:
        writer: Any = gguf.GGUFWriter(part, "llama")
        writer.add_string("general.type", "adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        for tensor, value in sorted(tensors.items()):
            if small and value.shape[-1] % _BLOCK == 0:
                writer.add_tensor(tensor, gguf.quantize(np.ascontiguousarray(value, np.float32), kind), raw_dtype=kind)
            else:
                writer.add_tensor(tensor, value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
