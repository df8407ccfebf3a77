"""What the parametric memories say of the tokens of a text, all of them in one walk, and what a gate makes of it."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp import likelihood
from memapp.layers.parametric.consolidated import Consolidated
from memapp.layers.parametric.gate import MEMORIES, MODES, SIGNALS, Gate
from memapp.layers.parametric.keys import Neighbours
from memapp.layers.parametric.layer import ParametricLayer
from memapp.layers.parametric.mixture import Mixture, Searched
from memapp.layers.parametric.runs import Runs
from memapp.protocols import StateModel
from memapp.types import Vectors

_FLOOR = 1e-30


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said of the tokens of some texts when another, or the same, was remembered."""

    kind: str
    base: Vectors
    """Shape (n,): the model's probability of the token that came."""
    said: Vectors
    """Shape (n, memories): each memory's."""
    signals: Vectors
    """Shape (n, signals)."""


@dataclass(frozen=True, slots=True)
class Held:
    """Memories put together by hand; see `memapp.layers.parametric.mixture.Memories`."""

    keys: Searched
    runs: Runs
    network: Consolidated | None
    lock: Any = field(default_factory=threading.RLock)


class _Ahead:
    """Keys that were searched for all states of a text at once, which is faster, and are handed out one by one."""

    def __init__(self, found: Neighbours) -> None:
        self._found = found
        self._at = 0

    def search(self, states: Vectors) -> Neighbours:
        here = slice(self._at, self._at + len(states))
        self._at += len(states)
        return Neighbours(self._found.distances[here], self._found.tokens[here], self._found.passages[here])


def ask(
    kind: str, texts: Sequence[NDArray[np.int32]], layer: ParametricLayer, model: StateModel, halves: bool = False
) -> Asked:
    """Asks about every token of these texts, each on its own; with `halves` only those after the middle are kept."""
    base, said, signals = [], [], []
    # What is said and the signals do not depend on the shares, so one walk serves all gates and modes.
    flat = Gate({mode: np.zeros((len(asked), len(SIGNALS)), np.float32) for mode, asked in MODES.items()})
    outputs = model.outputs()
    for ids in texts:
        states = likelihood.states_of(model, ids)
        held = Held(_Ahead(layer.keys.search(states)), layer.runs, layer.network)
        mixture = Mixture(held, flat, "both")
        for at, (token, state, logits) in enumerate(likelihood.walked(ids, states, outputs)):
            mixture.mix(state, logits)
            step = mixture.step
            assert step is not None
            if not halves or at >= len(ids) // 2:
                own = float(step.base[token])
                base.append(own)
                said.append([step.said[one].of(token, own) if one in step.said else own for one in MEMORIES])
                signals.append(step.signals)
            mixture.accept(token)
    return Asked(kind, np.array(base, np.float32), np.array(said, np.float32), np.array(signals, np.float32))


def gated(gate: Gate, one: Asked) -> Mapping[str, float]:
    """Perplexity of the model alone, as base, and of each mode's mixture under the gate."""
    found = {"base": perplexity(one.base)}
    for mode, memories in MODES.items():
        shares = gate.shares(mode, one.signals)
        said = one.said[:, [MEMORIES.index(memory) for memory in memories]]
        found[mode] = perplexity(one.base * (1 - shares.sum(axis=1)) + (shares * said).sum(axis=1))
    return found


def fixed(one: Asked) -> Mapping[str, tuple[float, float]]:
    """Of each memory, the best perplexity with the same share for every token, and that share: a bound in hindsight."""
    shares = [0.02, 0.05, *(n / 20 for n in range(2, 20))]
    found = {}
    for column, memory in enumerate(MEMORIES):
        tried = [(perplexity((1 - share) * one.base + share * one.said[:, column]), share) for share in shares]
        found[memory] = min(tried)
    return found


def perplexity(probabilities: Vectors) -> float:
    """The exponential of the mean surprise."""
    return math.exp(-float(np.log(probabilities.astype(np.float64) + _FLOOR).mean()))
