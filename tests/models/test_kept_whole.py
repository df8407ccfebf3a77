"""Models whose memory cannot be cut at tokens: tiny ones with weights of noise, written here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from memapp.ask import prompted
from memapp.errors import ModelError
from memapp.models.llama import LlamaEngine
from memapp.models.native import Options
from memapp.settings import Settings
from memapp.types import Apart, Finish, Hit, Message, Passage, Sampling, SetPrompt

gguf = pytest.importorskip("gguf")
pytestmark = pytest.mark.models

WIDTH, LAYERS, WINDOW = 32, 2, 64
OPTIONS = Options(context_tokens=512, threads=2, ubatch_tokens=64, extra_buffers=False)
HIT = Hit(1, 1.0, Passage(1, "lamp", "", "The lamp was lit in 1871.", 0, 25))
EARLIER = (Message("user", "What burns? " * 60), Message("assistant", "Oil."))


def mamba(vocabulary: int) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    inner, states, rank = 2 * WIDTH, 8, 4
    settings = {"ssm.conv_kernel": 4, "ssm.inner_size": inner, "ssm.state_size": states, "ssm.time_step_rank": rank}
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, WIDTH), "output_norm.weight": (WIDTH,)}
    for n in range(LAYERS):
        layer = {
            "attn_norm.weight": (WIDTH,),
            "ssm_in.weight": (2 * inner, WIDTH),
            "ssm_conv1d.weight": (inner, 4),
            "ssm_conv1d.bias": (inner,),
            "ssm_x.weight": (rank + 2 * states, inner),
            "ssm_dt.weight": (inner, rank),
            "ssm_dt.bias": (inner,),
            "ssm_a": (inner, states),
            "ssm_d": (inner,),
            "ssm_out.weight": (WIDTH, inner),
        }
        shapes |= {f"blk.{n}.{name}": shape for name, shape in layer.items()}
    return settings, shapes


def gemma2(vocabulary: int) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    settings = {
        "attention.sliding_window": WINDOW,
        "attention.head_count": 2,
        "attention.head_count_kv": 2,
        "attention.key_length": WIDTH // 2,
        "attention.value_length": WIDTH // 2,
    }
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, WIDTH), "output_norm.weight": (WIDTH,)}
    square = (WIDTH, WIDTH)
    for n in range(LAYERS):
        layer: dict[str, tuple[int, ...]] = {f"attn_{name}.weight": square for name in ("q", "k", "v", "output")}
        layer |= {f"ffn_{name}.weight": square for name in ("gate", "up", "down")}
        norms = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        layer |= {f"{name}.weight": (WIDTH,) for name in norms}
        shapes |= {f"blk.{n}.{name}": shape for name, shape in layer.items()}
    return settings, shapes


@pytest.fixture(params=["mamba", "gemma2"])
def other(request: pytest.FixtureRequest, tmp_path: Path, bundled: Path) -> tuple[str, Path]:
    """An architecture, and a model of it with the bundled one's vocabulary."""
    name, path = request.param, tmp_path / "other.gguf"
    fields = gguf.GGUFReader(bundled).fields
    tokenizer = {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.")}
    settings, shapes = {"mamba": mamba, "gemma2": gemma2}[name](len(tokenizer["tokenizer.ggml.tokens"]))
    writer = gguf.GGUFWriter(path, name)
    for key, value in {"context_length": 512, "embedding_length": WIDTH, "block_count": LAYERS, **settings}.items():
        writer.add_uint32(f"{name}.{key}", value)
    writer.add_uint32(f"{name}.feed_forward_length", 0 if name == "mamba" else WIDTH)
    writer.add_float32(f"{name}.attention.layer_norm_rms_epsilon", 1e-5)
    for key, value in tokenizer.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_array(key, value)
    noise = np.random.default_rng(0)
    for key, shape in shapes.items():
        values = noise.standard_normal(shape, np.float32) * 0.2
        writer.add_tensor(key, -np.abs(values) if key.endswith("ssm_a") else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return name, path


def test_passages_are_read_one_after_another_and_it_is_said_why(other: tuple[str, Path]) -> None:
    name, path = other
    why = {"mamba": "recurrent", "gemma2": f"last {WINDOW} tokens"}[name]
    with LlamaEngine(path, OPTIONS) as engine:
        assert why in engine.reads_apart()
        made, note = prompted(engine, Settings(reading="set", answer_tokens=8), "When?", [HIT])
        assert made.apart is None
        assert why in note
        with pytest.raises(ModelError, match=why):
            engine.stream_set(SetPrompt((), "", (Apart(1, "The lamp."),), "When?"), Sampling(max_tokens=4))
        *_, finish = engine.stream(made.messages, Sampling(max_tokens=4))
        assert isinstance(finish, Finish)
        assert finish.reading is not None
        assert finish.reading.kind == "sequential"


def test_conversations_take_turns_all_the_same(other: tuple[str, Path]) -> None:
    asked = (*EARLIER, Message("user", "What else?"))
    with LlamaEngine(other[1], OPTIONS) as engine:
        first = list(engine.stream(asked, Sampling(max_tokens=4)))
        list(engine.stream((Message("user", "Name a river. " * 50),), Sampling(max_tokens=4)))
        assert list(engine.stream(asked, Sampling(max_tokens=4))) == first
        engine.forget()
        assert list(engine.stream(asked, Sampling(max_tokens=4))) == first
