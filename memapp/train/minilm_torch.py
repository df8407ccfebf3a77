"""The embedder's encoder in torch, for training: the tables of words and places stay as they are, the layers learn.

Products are made in bfloat16, sums of a norm in float32; parameters are float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from memapp.models.minilm import DIMENSION, EPSILON, HEADS, LAYERS

_HIDDEN = -1e4


class MiniLM(nn.Module):  # type: ignore[misc]
    """Tokens to their last hidden states; `dropout` counts while it trains."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        tables = [_tensor(weights[f"embeddings.{kind}_embeddings.weight"]) for kind in ("word", "position")]
        self.register_buffer("words", tables[0], persistent=False)
        # A pair is read as one text, so its only token type is part of the place.
        kinds = _tensor(weights["embeddings.token_type_embeddings.weight"])
        self.register_buffer("places", tables[1] + kinds[0], persistent=False)
        learned = {name: value for name, value in weights.items() if name.startswith("encoder.layer.")}
        learned |= {name: value for name, value in weights.items() if name.startswith("embeddings.LayerNorm.")}
        self.learned = nn.ParameterDict({_key(name): nn.Parameter(_tensor(value)) for name, value in learned.items()})
        self._names = tuple(learned)

    def state(self) -> dict[str, NDArray[np.float32]]:
        """What was learned, by the names of the file that it began from."""
        return {name: self.learned[_key(name)].detach().float().cpu().numpy() for name in self._names}

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids and mask (True at tokens): (batch, length) to states (batch, length, 384), float32."""
        x = F.embedding(ids, self.words) + self.places[: ids.shape[1]]
        x = self._dropped(self._norm(x, "embeddings.LayerNorm"))
        bias = torch.zeros(mask.shape, dtype=torch.bfloat16, device=ids.device).masked_fill(~mask, _HIDDEN)
        for layer in range(LAYERS):
            x = self._layer(x, bias[:, None, None], f"encoder.layer.{layer}.")
        return x.float()

    def _layer(self, x: Tensor, bias: Tensor, prefix: str) -> Tensor:
        batch, length, _ = x.shape
        query, key, value = (
            self._linear(x, f"{prefix}attention.self.{part}").view(batch, length, HEADS, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2).reshape(x.shape)
        attended = self._dropped(self._linear(mixed, f"{prefix}attention.output.dense"))
        x = self._norm(x + attended, f"{prefix}attention.output.LayerNorm")
        inner = F.gelu(self._linear(x, f"{prefix}intermediate.dense"))
        return self._norm(x + self._dropped(self._linear(inner, f"{prefix}output.dense")), f"{prefix}output.LayerNorm")

    def _linear(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.learned[_key(f"{name}.weight")], self.learned[_key(f"{name}.bias")]
        return F.linear(x, weight.to(x.dtype), bias.to(x.dtype))

    def _norm(self, x: Tensor, name: str) -> Tensor:
        scale, shift = self.learned[_key(f"{name}.weight")], self.learned[_key(f"{name}.bias")]
        return F.layer_norm(x.float(), (DIMENSION,), scale, shift, EPSILON).to(torch.bfloat16)

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


def _key(name: str) -> str:
    return name.replace(".", "/")


def _tensor(value: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.array(value, np.float32))
