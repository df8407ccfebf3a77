"""What a model writes after many prompts, in batches of like lengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from memapp.train.llama_torch import Llama, generate
from memapp.train.ragged import Ints

_KEYS = 2**28
"""Entries of the attention of one head in one batch: what bounds the memory that a batch takes."""
_MOST = 2048


def write_all(
    model: Llama, prompts: Sequence[Ints], tokens: int, end: int, temperature: float = 0.0, seed: int = 0
) -> list[list[int]]:
    """At most `tokens` tokens after each prompt, in order, without the token that ends."""
    generator = torch.Generator(model.embedding.device).manual_seed(seed)
    found: list[list[int]] = [[] for _ in prompts]
    for indices in _batches(prompts, tokens):
        some = [prompts[index].tolist() for index in indices]
        written = generate(model, some, tokens, [end], temperature, generator)
        for index, ids in zip(indices, written, strict=True):
            found[index] = ids
    return found


def first_probability(model: Llama, prompts: Sequence[Ints], token: int) -> list[float]:
    """How likely the model begins with this token, after each prompt."""
    found = [0.0] * len(prompts)
    for indices in _batches(prompts, 0):
        width = max(len(prompts[index]) for index in indices)
        ids = torch.zeros(len(indices), width, dtype=torch.long)
        for row, index in enumerate(indices):
            ids[row, : len(prompts[index])] = torch.from_numpy(prompts[index])
        last = torch.tensor([len(prompts[index]) - 1 for index in indices])
        with torch.no_grad():
            states = model(ids.to(model.embedding.device))[torch.arange(len(indices)), last]
            likely = model.head(states).float().softmax(-1)[:, token].tolist()
        for index, value in zip(indices, likely, strict=True):
            found[index] = value
    return found


def _batches(prompts: Sequence[Ints], tokens: int) -> list[list[int]]:
    found: list[list[int]] = []
    for index in sorted(range(len(prompts)), key=lambda n: -len(prompts[n])):
        width = len(prompts[found[-1][0]]) + tokens if found else 0
        if not found or len(found[-1]) >= min(_MOST, max(1, _KEYS // width**2)):
            found.append([])
        found[-1].append(index)
    return found
