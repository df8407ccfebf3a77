"""How much each memory may say about the next token: a softmax over the model and its memories, by cheap signals.

The model's own score is 0; a memory's is linear in the signals. The weights are made by `memapp.train.gate` from texts
that were remembered, texts that were not, and repetitions; the last signals are how well each memory told the tokens
just before, so that what does not know a text falls silent in it (an average of experts with forgetting, after Herbster
and Warmuth, Tracking the Best Expert, 1998).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.errors import ModelDamaged
from memapp.settings import shipped
from memapp.types import Vectors

MEMORIES = ("knn", "ngram", "mlp")
MODES: Mapping[str, tuple[str, ...]] = {
    "knn": ("knn", "ngram"),
    "mlp": ("mlp",),
    "both": ("knn", "ngram", "mlp"),
}
"""Which memories answer, by the setting `parametric`."""
_OF_MODEL = ("one", "entropy", "top")
_OF_MEMORY = {
    "knn": ("distance", "knn top", "knn on top"),
    "ngram": ("match", "long match", "count", "ngram top"),
    "mlp": ("mlp apart", "mlp top"),
}
_PACES = ("lately", "so far")
SIGNALS = (
    *_OF_MODEL,
    *(signal for signals in _OF_MEMORY.values() for signal in signals),
    *(f"{memory} {pace}" for memory in MEMORIES for pace in _PACES),
)
FILE = "weights/gate.json"
_DECAYS = (0.8, 0.97)
_MOST = 3.0
"""Largest part of one token in the record of a memory, in nats."""


def heard(mode: str) -> Vectors:
    """Shape (signals,): 1 for the signals of the model and of the mode's memories, 0 for those of others."""
    known = {*_OF_MODEL}
    for memory in MODES[mode]:
        known.update(_OF_MEMORY[memory], (f"{memory} {pace}" for pace in _PACES))
    return np.array([signal in known for signal in SIGNALS], np.float32)


def softmax(scores: NDArray[Any]) -> NDArray[Any]:
    """Shares of memories by their scores, along the last axis, where the model's own score is 0 and not listed."""
    top = np.maximum(scores.max(axis=-1, keepdims=True), 0)
    spoken = np.exp(scores - top)
    return np.asarray(spoken / (np.exp(-top) + spoken.sum(axis=-1, keepdims=True)))


@dataclass(frozen=True, slots=True)
class Gate:
    """Scores of memories by signals."""

    weights: Mapping[str, Vectors]
    """By mode: shape (memories of the mode, signals)."""

    def shares(self, mode: str, signals: Vectors) -> Vectors:
        """The share of each memory of the mode; the rest is the model's. `signals` may have rows before."""
        return softmax((signals * heard(mode)) @ self.weights[mode].T)


class Record:
    """How well each memory told the tokens so far, beside the model: two decaying means, in nats a token."""

    def __init__(self, memories: Sequence[str]) -> None:
        self.means = {memory: [0.0, 0.0] for memory in memories}

    def note(self, memory: str, said: float, base: float) -> None:
        """What the memory and the model had said of the token that came."""
        gain = float(np.log((0.98 * said + 0.02 * base + 1e-30) / (base + 1e-30)))
        gain = max(-_MOST, min(_MOST, gain))
        means = self.means[memory]
        for which, decay in enumerate(_DECAYS):
            means[which] = decay * means[which] + (1 - decay) * gain


@cache
def shipped_gate() -> Gate:
    """The gate that memapp ships. Raises ModelMissing or ModelDamaged."""
    path = shipped(FILE)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if tuple(found["signals"]) != SIGNALS:
            raise ValueError("it was made for other signals")
        return Gate({mode: np.array(found["weights"][mode], np.float32) for mode in MODES})
    except (OSError, ValueError, KeyError) as error:
        raise ModelDamaged(f"{path} cannot be used: {error}.", "Reinstall it: pip install memapp.") from error
