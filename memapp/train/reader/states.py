"""Keys and values of passages that were read apart, as memapp.models.sequences joins them, in torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from memapp.train.llama_torch import TARGETS, Llama
from memapp.train.ragged import Ints

_TOKENS = 2048
"""Tokens that are read at once, padding included."""


class States:
    """Of passages, each read behind the same beginning and seeing nothing else; in 16 bits, in memory."""

    def __init__(self, model: Llama, beginning: Ints) -> None:
        """The passages are read by `model` as it is now."""
        self._model, self._start = model, len(beginning)
        self._held: dict[int, Tensor] = {}
        with torch.no_grad():
            seen = _Seen()
            model(torch.from_numpy(beginning)[None].long(), cache=seen)
        self._beginning = seen.found()

    def __contains__(self, key: int) -> bool:
        return key in self._held

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def read(self, passages: dict[int, Ints]) -> int:
        """Reads them under these keys; how many tokens that were."""
        new = sorted((key for key in passages if key not in self._held), key=lambda key: len(passages[key]))
        while new:
            count = max(1, _TOKENS // len(passages[new[-1]]))
            some, new = new[-count:], new[:-count]
            self._read([passages[key] for key in some], some)
        return sum(map(len, passages.values()))

    def _read(self, texts: Sequence[Ints], keys: Sequence[int]) -> None:
        width, start = max(map(len, texts)), self._start
        ids = torch.zeros(len(texts), width, dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.from_numpy(text)
        seen = _Seen(self._beginning)
        self._model(ids, torch.arange(start, start + width), visible(start, width), seen)
        found = seen.found().half()
        for row, (key, text) in enumerate(zip(keys, texts, strict=True)):
            self._held[key] = found[:, :, row : row + 1, :, : len(text)].clone()

    def joined(self, keys: Sequence[int]) -> Joined:
        """The beginning and these passages, each behind the one before it."""
        parts, place = [self._beginning], self._start
        for key in keys:
            held = self._held[key].float()
            parts.append(torch.stack((self._moved(held[:, 0], place - self._start), held[:, 1]), 1))
            place += held.shape[-2]
        return Joined(torch.cat(parts, -2), place)

    def _moved(self, keys: Tensor, by: int) -> Tensor:
        """Keys as if they had been read so many places further on."""
        if not by:
            return keys
        angles = by * self._model.frequencies
        cos, sin = angles.cos(), angles.sin()
        one, other = keys.chunk(2, -1)
        return torch.cat((one * cos - other * sin, one * sin + other * cos), -1)


class Joined:
    """What the model sees before it goes on at position `place`."""

    def __init__(self, states: Tensor, place: int) -> None:
        """states: (layers, 2, 1, heads, length, width)."""
        self._layers, self.place = list(states), place
        self._next, self._keeps = 0, False

    def extended(self, _: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """As llama_torch's cache: layers come in their order."""
        layer, at = self._layers[self._next], self._next
        self._next = (at + 1) % len(self._layers)
        k, v = (torch.cat((old.expand(len(k), -1, -1, -1), new), 2) for old, new in zip(layer, (k, v), strict=True))
        if self._keeps:
            self._layers[at] = torch.stack((k, v))
        return k, v

    def follow(self, model: Llama, ids: Tensor) -> Tensor:
        """What `model` makes of sequences (batch, length) that go on from here, each on its own."""
        width = ids.shape[1]
        mask = visible(self._layers[0].shape[-2], width)
        return model(ids, torch.arange(self.place, self.place + width), mask, self)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def write(self, model: Llama, asked: Sequence[int], most: int, end: int) -> list[int]:
        """The likeliest tokens, which then belong to what is seen."""
        self._keeps, written, new = True, list[int](), list(asked)
        while len(written) < most:
            states = self.follow(model, torch.tensor([new]))[:, -1]
            self.place += len(new)
            token = int(model.head(states).argmax())
            if token == end:
                break
            new = [token]
            written.append(token)
        return written


class _Seen:
    """A cache that keeps what it is given, behind a beginning."""

    def __init__(self, beginning: Tensor | None = None) -> None:
        self._beginning, self._found = beginning, list[Tensor]()

    def extended(self, _: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self._found.append(torch.stack((k, v)))
        if self._beginning is None:
            return k, v
        before = self._beginning[len(self._found) - 1].expand(-1, len(k), -1, -1, -1)
        return torch.cat((before[0], k), 2), torch.cat((before[1], v), 2)

    def found(self) -> Tensor:
        """Shape (layers, 2, batch, heads, length, width)."""
        return torch.stack(self._found)


def visible(before: int, width: int) -> Tensor:
    """The mask of `width` tokens that see `before` others and one another causally, shape (1, 1, width, keys)."""
    return torch.cat((torch.ones(width, before), torch.ones(width, width).tril()), 1).bool()[None, None]


def merged(model: Llama) -> None:
    """Makes the adapter of a model a part of its weights."""
    with torch.no_grad():
        for layer in model.layers:
            for name in TARGETS:
                projection = getattr(layer, name)
                if projection.a is not None:
                    projection.weight = projection.weight + (projection.b @ projection.a) * projection.scale
                    projection.a = projection.b = None
