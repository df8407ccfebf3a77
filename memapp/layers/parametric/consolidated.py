"""The network in use: what it says of the next token, and the file that it stands in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.layers.parametric.network import Parameters, forward
from memapp.types import Vectors


@dataclass(frozen=True, slots=True)
class Consolidated:
    """A network that learned the next tokens of a corpus."""

    vocabulary: NDArray[np.int32]
    """The tokens that it learned to say, ascending: the only ones that it has an opinion on."""
    rows: Vectors
    """The model's output matrix for these, shape (len(vocabulary), dimension)."""
    parameters: Parameters
    report: dict[str, float]
    """What came of its training: tokens, seconds, held-out perplexities."""

    def logits(self, states: Vectors) -> Vectors:
        """What it says of its vocabulary after these states: shape (n, len(vocabulary))."""
        output = forward(self.parameters, states).output
        return np.asarray(output @ self.rows.T + self.parameters["bias"], np.float32)

    @property
    def size(self) -> int:
        """Bytes in its file, about."""
        return sum(2 * value.size for value in self.parameters.values()) + 4 * len(self.vocabulary)

    def to_bytes(self) -> bytes:
        """A safetensors file in half precision; the output matrix is the model's and not in it."""
        from safetensors.numpy import save

        arrays = {name: value.astype(np.float16) for name, value in self.parameters.items()}
        return bytes(save({**arrays, "vocabulary": self.vocabulary}, {"report": json.dumps(self.report)}))


def from_bytes(data: bytes, outputs: Callable[[NDArray[np.int32]], Vectors]) -> Consolidated:
    """What `to_bytes` wrote; `outputs` gives rows of the model's output matrix. Raises ValueError for another file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
        length = int.from_bytes(data[:8], "little")
        report = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["report"])
        vocabulary = arrays.pop("vocabulary")
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"it is not a network: {error}") from error
    parameters = {name: np.ascontiguousarray(value, np.float32) for name, value in arrays.items()}
    if not all(np.isfinite(value).all() for value in parameters.values()):
        raise ValueError("it holds numbers that are not finite")
    return Consolidated(vocabulary, outputs(vocabulary), parameters, report)
