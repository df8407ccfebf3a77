"""From the encoder's states to soft tokens: the part of the amortizer that is not the language model.

A passage is cut into as many stretches of like length as it gets soft tokens. Each is the mean of its tokens'
embeddings and of what their states add, weighed by how much the states say is worth keeping, and of the length that
the model's embeddings have.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.types import Vectors

_EPSILON = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Pooling:
    """The small weights."""

    salience: Vectors
    """Shape (width,): a state's product with it says how much its token counts."""
    change: Vectors
    """Shape (width, width)."""
    size: float
    """Root mean square of a soft token's components."""
    unit: float
    """The same of the model's embeddings."""

    def __call__(self, embeddings: Vectors, states: Vectors, count: int) -> Vectors:
        """Soft tokens, float32, shape (min(count, tokens), width). embeddings, states: (tokens, width), of the
        passage's tokens and of what the encoder made of them. Raises ValueError for no tokens."""
        if not len(embeddings):
            raise ValueError("a passage without tokens has no soft tokens")
        states = _normal(np.asarray(states, np.float32))
        values = embeddings + self.unit * (states @ self.change.T)
        starts = stretches(len(values), min(count, len(values)))
        scores = states @ self.salience
        weights = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), np.diff([*starts, len(scores)])))
        pooled = np.add.reduceat(values * weights[:, None], starts) / np.add.reduceat(weights, starts)[:, None]
        return np.asarray(_normal(pooled) * self.size, np.float32)


def stretches(tokens: int, count: int) -> NDArray[np.int64]:
    """Where each of `count` stretches begins, at most one a token."""
    return np.arange(count) * tokens // count


def _normal(x: NDArray[Any]) -> Vectors:
    return np.asarray(x / np.sqrt(np.mean(np.square(x), axis=-1, keepdims=True) + _EPSILON), np.float32)


@dataclass(frozen=True, slots=True)
class Weights:
    """A trained amortizer."""

    adapter: dict[str, Vectors]
    """Tensors of the encoder's adapter, by llama.cpp's names."""
    alpha: float
    arrays: dict[str, Vectors]
    soft_tokens: tuple[int, ...]
    """Numbers of soft tokens that were trained, ascending."""
    sha256: str

    @property
    def pooling(self) -> Pooling:
        """What makes soft tokens of the encoder's states."""
        arrays = self.arrays
        return Pooling(arrays["salience"], arrays["change"], float(arrays["size"][0]), float(arrays["unit"][0]))


def read_weights(path: Path) -> Weights:
    """A file that `memapp.train.amortized` wrote, with its manifest beside it. Raises OSError or ValueError."""
    import hashlib

    from safetensors.numpy import load

    data = path.read_bytes()
    manifest: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(data).hexdigest()
    if manifest.get("sha256") != digest:
        raise ValueError(f"{path.name} is not the file that its manifest tells of")
    found = load(data)
    arrays = {name: np.asarray(value, np.float32) for name, value in found.items() if ".lora_" not in name}
    adapter = {name: value for name, value in found.items() if ".lora_" in name}
    return Weights(adapter, float(manifest["alpha"]), arrays, tuple(manifest["soft_tokens"]), digest)
