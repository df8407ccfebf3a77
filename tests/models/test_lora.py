"""An adapter's file gives back what was written."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from memapp.models import lora

CHANCE = np.random.default_rng(0)
TENSORS = {
    "blk.0.attn_q.weight.lora_a": CHANCE.normal(size=(4, 64)).astype(np.float32),
    "blk.0.attn_q.weight.lora_b": CHANCE.normal(size=(64, 4)).astype(np.float32),
}


@pytest.mark.parametrize(("small", "error"), [(False, 0.0), (True, 0.02)])
def test_tensors_and_alpha_come_back(tmp_path: Path, small: bool, error: float) -> None:
    lora.write(tmp_path / "a.gguf", TENSORS, 8.0, small)
    found, alpha = lora.read(tmp_path / "a.gguf")
    assert alpha == 8.0
    assert found.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        np.testing.assert_allclose(found[name], value, atol=error)


def test_another_file_is_no_adapter(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match="not an adapter"):
        lora.read(tmp_path / "m.gguf")
