"""The network of the consolidated memory: residual SwiGLU blocks on a hidden state, forward and backward, in NumPy.

After MLP Memory (arXiv 2508.01832): one hidden state in, one distribution over tokens out, no attention. Unlike there
the output matrix is the model's own, frozen, cut to the tokens that the corpus uses, with a bias of its own; and the
blocks begin as the identity, so that an untrained memory says what the model says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from memapp.types import Vectors

Parameters = dict[str, Vectors]
_EPSILON = 1e-6
_STRETCH = 32_768


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a network."""

    dimension: int
    """Of the hidden states."""
    width: int
    blocks: int


def initial(shape: Shape, vocabulary: int, seed: int) -> Parameters:
    """Parameters with which the network is the identity; `vocabulary` is the number of tokens it can say."""
    random = np.random.default_rng(seed)
    made: Parameters = {"bias": np.zeros(vocabulary, np.float32)}
    spread = shape.dimension**-0.5
    for block in range(shape.blocks):
        for name in ("gate", "up"):
            drawn = random.standard_normal((shape.dimension, shape.width), dtype=np.float32)
            made[f"{block}.{name}"] = drawn * np.float32(spread)
        made[f"{block}.down"] = np.zeros((shape.width, shape.dimension), np.float32)
    return made


def blocks(parameters: Mapping[str, Vectors]) -> int:
    """How many blocks these are the parameters of."""
    return sum(name.endswith(".down") for name in parameters)


@dataclass(frozen=True, slots=True)
class Trace:
    """What a forward pass leaves for the backward one."""

    steps: tuple[tuple[Vectors, ...], ...]
    output: Vectors


def forward(parameters: Mapping[str, Vectors], states: Vectors) -> Trace:
    """Moves hidden states of shape (n, dimension) to where the memory wants them."""
    moved, steps = states, []
    for block in range(blocks(parameters)):
        scale = 1 / np.sqrt(np.mean(moved * moved, axis=1, keepdims=True) + _EPSILON)
        normal = moved * scale
        gate = normal @ parameters[f"{block}.gate"]
        up = normal @ parameters[f"{block}.up"]
        share = 1 / (1 + np.exp(-gate))
        inner = gate * share * up
        steps.append((normal, scale, gate, share, up, inner))
        moved = moved + inner @ parameters[f"{block}.down"]
    return Trace(tuple(steps), moved)


def backward(parameters: Mapping[str, Vectors], trace: Trace, slope: Vectors) -> Parameters:
    """Gradients of a loss whose gradient at the output is `slope`, shape (n, dimension)."""
    found: Parameters = {}
    for block in reversed(range(len(trace.steps))):
        normal, scale, gate, share, up, inner = trace.steps[block]
        found[f"{block}.down"] = inner.T @ slope
        of_inner = slope @ parameters[f"{block}.down"].T
        silu = gate * share
        of_up = of_inner * silu
        of_gate = of_inner * up * (share + silu * (1 - share))
        found[f"{block}.gate"], found[f"{block}.up"] = normal.T @ of_gate, normal.T @ of_up
        of_normal = of_gate @ parameters[f"{block}.gate"].T + of_up @ parameters[f"{block}.up"].T
        inward = np.mean(of_normal * normal, axis=1, keepdims=True)
        slope = slope + scale * (of_normal - normal * inward)
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Products on one thread: those that wait for the next one spin, and all but stop the model that writes between."""
    with _products().limit(limits=1, user_api="blas"):
        yield


@cache
def _products() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def log_softmax(logits: Vectors) -> Vectors:
    """Natural logarithms of softmax along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)


class AdamW:
    """Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019)."""

    def __init__(self, parameters: Parameters, decay: float = 0.0, betas: tuple[float, float] = (0.9, 0.98)) -> None:
        self.steps = 0
        self.mean = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.square = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.decay, self.betas = decay, betas

    def step(self, parameters: Parameters, gradients: Mapping[str, Vectors], rate: float) -> None:
        """Moves the parameters, in place."""
        self.steps += 1
        first, second = self.betas
        pace, scale = rate / (1 - first**self.steps), (1 - second**self.steps) ** -0.5
        for name, gradient in gradients.items():
            values = (parameters[name], gradient, self.mean[name], self.square[name])
            for value, slope, mean, square in zip(*map(_stretches, values), strict=True):
                mean *= first
                mean += (1 - first) * slope
                square *= second
                square += (1 - second) * (slope * slope)
                direction = np.sqrt(square)
                direction *= scale
                direction += 1e-8
                np.divide(mean, direction, out=direction)
                direction *= pace
                if self.decay:
                    value *= 1 - rate * self.decay
                value -= direction


def _stretches(values: Vectors) -> Iterator[Vectors]:
    """Views of it that fit a processor's cache together with others: AdamW waits for memory otherwise."""
    flat = values.reshape(-1)
    return (flat[start : start + _STRETCH] for start in range(0, len(flat), _STRETCH))
