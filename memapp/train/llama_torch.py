"""A model of Llama's family in torch, read from a GGUF file: for training with the frozen weights that llama.cpp runs.

Weights keep the layout of the file, with the rotated pairs of queries and keys side by side, so an adapter that is
trained here fits llama.cpp without reordering. Sequences are padded on the right, where a causal model needs no mask;
only `generate` pads on the left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TARGETS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
"""The projections of a layer, as the file names them."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers that a model is built by."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    theta: float
    epsilon: float


class Projection(nn.Module):  # type: ignore[misc]
    """A frozen matrix, and an adapter of low rank beside it if there is one (LoRA; Hu et al., 2021)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.a: nn.Parameter | None = None
        self.b: nn.Parameter | None = None
        self.scale, self.dropout = 1.0, 0.0

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in) to (..., out)."""
        y = F.linear(x, self.weight)
        if self.a is None or self.b is None:
            return y
        inner = F.dropout(x, self.dropout, self.training) if self.dropout else x
        return y + F.linear(F.linear(inner, self.a.to(x.dtype)), self.b.to(x.dtype)) * self.scale


class Layer(nn.Module):  # type: ignore[misc]
    """Attention with grouped keys, then the gated network."""

    def __init__(self, tensors: dict[str, Tensor], shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        for name in TARGETS:
            setattr(self, name, Projection(tensors[f"{name}.weight"]))
        self.register_buffer("attn_norm", tensors["attn_norm.weight"], persistent=False)
        self.register_buffer("ffn_norm", tensors["ffn_norm.weight"], persistent=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None, cache: _Cache | None) -> Tensor:
        shape = self.shape
        h = F.rms_norm(x, (shape.width,), self.attn_norm, shape.epsilon)
        q = _rotated(self._heads(self.attn_q(h), shape.heads), turn)
        k = _rotated(self._heads(self.attn_k(h), shape.kv_heads), turn)
        v = self._heads(self.attn_v(h), shape.kv_heads)
        if cache is not None:
            k, v = cache.extended(id(self), k, v)
        causal = mask is None and q.shape[2] > 1
        found = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, enable_gqa=True)
        x = x + self.attn_output(found.transpose(1, 2).flatten(2))
        h = F.rms_norm(x, (shape.width,), self.ffn_norm, shape.epsilon)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))

    def _heads(self, x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, self.shape.head_width)).transpose(1, 2)


class Llama(nn.Module):  # type: ignore[misc]
    """The whole model; its frozen tensors may be shared by several, see `twin`."""

    def __init__(self, tensors: dict[str, Tensor], shape: Shape) -> None:
        super().__init__()
        self.shape, self.tensors = shape, tensors
        self.register_buffer("embedding", tensors["token_embd.weight"], persistent=False)
        self.register_buffer("output", tensors.get("output.weight", tensors["token_embd.weight"]), persistent=False)
        self.register_buffer("norm", tensors["output_norm.weight"], persistent=False)
        self.layers = nn.ModuleList(Layer(_under(tensors, f"blk.{n}."), shape) for n in range(shape.layers))
        frequencies = shape.theta ** (-torch.arange(0, shape.head_width, 2, dtype=torch.float32) / shape.head_width)
        self.register_buffer("frequencies", frequencies.to(self.embedding.device), persistent=False)

    def twin(self) -> Llama:
        """The same frozen model again, over the same memory and without adapters."""
        return Llama(self.tensors, self.shape)

    def embed(self, ids: Tensor) -> Tensor:
        """ids: (...) to (..., width)."""
        return F.embedding(ids, self.embedding)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        cache: _Cache | None = None,
    ) -> Tensor:
        """States after the last norm, shape (batch, length, width), which `head` makes logits of.

        ids: tokens (batch, length) or, as floats, their embeddings (batch, length, width). positions: (length,) or
        (batch, length), counted from 0 if left out. mask: (batch, 1, length, keys), True where a key is seen; causal
        if left out.
        """
        x = ids.to(self.embedding.dtype) if ids.is_floating_point() else self.embed(ids)
        if positions is None:
            positions = torch.arange(x.shape[1], device=x.device)
        angles = positions.to(torch.float32)[..., None] * self.frequencies
        angles = angles[:, None] if angles.dim() == 3 else angles
        turn = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer in self.layers:
            x = layer(x, turn, mask, cache)
        return F.rms_norm(x, (self.shape.width,), self.norm, self.shape.epsilon)

    def head(self, states: Tensor) -> Tensor:
        """Logits: (..., width) to (..., vocabulary)."""
        return F.linear(states, self.output)


def _rotated(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    # Pairs come in side by side and leave apart: queries and keys alike, so their products stay.
    cos, sin = turn
    one, other = x[..., 0::2], x[..., 1::2]
    return torch.cat((one * cos - other * sin, one * sin + other * cos), -1)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


# Files


def load(path: Path, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu") -> Llama:
    """The model of a GGUF file of Llama's architecture, dequantised; nothing in it is trained.

    Raises ValueError for another architecture, OSError for a file that cannot be read.
    """
    import gguf

    reader: Any = gguf.GGUFReader(path)

    def value(name: str) -> Any:
        field = reader.get_field(name)
        return None if field is None else field.contents()

    if value("general.architecture") != "llama":
        raise ValueError(f"{path.name} is of the architecture {value('general.architecture')}, not llama")
    heads, width = int(value("llama.attention.head_count")), int(value("llama.embedding_length"))
    shape = Shape(
        layers=int(value("llama.block_count")),
        width=width,
        heads=heads,
        kv_heads=int(value("llama.attention.head_count_kv") or heads),
        head_width=int(value("llama.rope.dimension_count") or width // heads),
        theta=float(value("llama.rope.freq_base") or 10000.0),
        epsilon=float(value("llama.attention.layer_norm_rms_epsilon")),
    )
    tensors = {}
    for tensor in reader.tensors:
        array = np.array(gguf.dequantize(tensor.data, tensor.tensor_type), np.float32)
        tensors[tensor.name] = torch.from_numpy(array).to(device, dtype)
    return Llama(tensors, shape)


# Adapters


def add_lora(
    model: Llama, rank: int, alpha: float, targets: Sequence[str] = TARGETS, dropout: float = 0.0, seed: int = 0
) -> list[nn.Parameter]:
    """Puts an adapter that starts as nothing beside each named projection; its parameters, in float32."""
    generator = torch.Generator().manual_seed(seed)
    added = []
    for _, projection in _projections(model, targets):
        out, into = projection.weight.shape
        device = projection.weight.device
        first = torch.empty(rank, into).uniform_(-1, 1, generator=generator) * math.sqrt(3 / into)
        projection.a = nn.Parameter(first.to(device))
        projection.b = nn.Parameter(torch.zeros(out, rank, device=device))
        projection.scale, projection.dropout = alpha / rank, dropout
        added += [projection.a, projection.b]
    return added


def lora_state(model: Llama) -> dict[str, Tensor]:
    """The adapter's tensors, named as llama.cpp names them: `blk.0.attn_q.weight.lora_a` (rank, in) and `_b`."""
    state = {}
    for name, projection in _projections(model, TARGETS):
        if projection.a is not None and projection.b is not None:
            state[f"{name}.weight.lora_a"] = projection.a.detach()
            state[f"{name}.weight.lora_b"] = projection.b.detach()
    return state


def load_lora(model: Llama, state: dict[str, Tensor], alpha: float) -> None:
    """Puts a saved adapter in place, of the rank that it has."""
    for name, projection in _projections(model, TARGETS):
        if f"{name}.weight.lora_a" in state:
            a, b = (state[f"{name}.weight.lora_{part}"].to(projection.weight.device, torch.float32) for part in "ab")
            projection.a, projection.b = nn.Parameter(a), nn.Parameter(b)
            projection.scale = alpha / a.shape[0]


def _projections(model: Llama, targets: Sequence[str]) -> Iterator[tuple[str, Projection]]:
    for n, layer in enumerate(model.layers):
        for name in targets:
            yield f"blk.{n}.{name}", getattr(layer, name)


# Writing


class _Cache:
    """Keys and values of what has been read, by layer."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[Tensor, Tensor]] = {}

    def extended(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if layer in self._held:
            k, v = (torch.cat((old, new), 2) for old, new in zip(self._held[layer], (k, v), strict=True))
        self._held[layer] = k, v
        return k, v


@torch.no_grad()  # type: ignore[untyped-decorator]
def generate(
    model: Llama,
    prompts: Sequence[Sequence[int]],
    most: int,
    stop: Sequence[int],
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """What the model writes after each prompt, `most` tokens at most and without the token that stopped it; the
    likeliest tokens at temperature 0, else drawn. One batch: the caller cuts a long list, best into like lengths."""
    device, longest = model.embedding.device, max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    seen = torch.zeros(len(prompts), longest, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        seen[row, longest - len(prompt) :] = True
    ids, seen = ids.to(device), seen.to(device)
    triangle = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
    # A padded row must see something, if only itself, or it is all NaN.
    mask = (triangle & seen[:, None]) | torch.eye(longest, dtype=torch.bool, device=device)
    positions, cache = (seen.cumsum(1) - 1).clamp(min=0), _Cache()
    states = model(ids, positions, mask[:, None], cache)[:, -1]
    stops, done = torch.tensor(list(stop), device=device), torch.zeros(len(prompts), dtype=torch.bool, device=device)
    written: list[Tensor] = []
    for _ in range(most):
        token = _drawn(model.head(states).float(), temperature, generator)
        done = done | torch.isin(token, stops)
        written.append(torch.where(done, -1, token))
        if bool(done.all()):
            break
        seen = torch.cat((seen, torch.ones_like(seen[:, :1])), 1)
        positions = positions[:, -1:] + 1
        states = model(token[:, None], positions, seen[:, None, None], cache)[:, -1]
    rows = torch.stack(written, 1).tolist()
    return [[token for token in row if token >= 0] for row in rows]


def _drawn(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if temperature <= 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
