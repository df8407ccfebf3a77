"""The distribution of the next token, made of what the model says and what its memories say.

p = (1 - sum of shares) p_model + sum of share x p_memory, with shares by gate.py. What the network has no opinion on,
words outside its vocabulary, it leaves to the model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memapp.layers.parametric.consolidated import Consolidated
from memapp.layers.parametric.gate import MODES, SIGNALS, Gate, Record
from memapp.layers.parametric.keys import Neighbours
from memapp.layers.parametric.network import log_softmax, one_thread
from memapp.layers.parametric.runs import NOTHING, Continuation, Runs
from memapp.layers.parametric.suffix import LONGEST
from memapp.types import Vectors

TEMPERATURE = 0.0055
"""Of the softmax over distances to neighbours, in mean squared spreads of a component."""
_TINY = 1e-30


class Searched(Protocol):
    """Tokens by hidden state; see `memapp.layers.parametric.keys.KeyIndex`."""

    def search(self, states: Vectors) -> Neighbours:
        """The nearest keys of each state."""
        ...


class Memories(Protocol):
    """What a mixture asks."""

    @property
    def lock(self) -> AbstractContextManager[bool, None]:
        """Held while they are asked, so that nothing is forgotten in between."""
        ...

    @property
    def keys(self) -> Searched:
        """Tokens by hidden state."""
        ...

    @property
    def runs(self) -> Runs:
        """Tokens by what stood before them."""
        ...

    @property
    def network(self) -> Consolidated | None:
        """The network, if there is one to be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """What one memory says: probabilities of some tokens."""

    tokens: NDArray[np.int32]
    shares: Vectors
    rest: float = 0.0
    """The part of the model's own probability of all other tokens that it takes over."""

    def of(self, token: int, base: float) -> float:
        """The probability of one token."""
        at = np.flatnonzero(self.tokens == token)
        return float(self.shares[at[0]]) if len(at) else self.rest * base


_SILENT = Said(np.empty(0, np.int32), np.empty(0, np.float32))


@dataclass(slots=True)
class _Step:
    """One token to come."""

    base: Vectors
    """Shape (vocabulary,): the model's probabilities."""
    mixed: Vectors
    said: dict[str, Said]
    neighbours: Neighbours | None
    continuation: Continuation
    signals: Vectors
    favourite: int
    """What the model alone finds most likely."""


class Mixture:
    """The bias of one generation; see `memapp.protocols.Bias`."""

    def __init__(self, memories: Memories, gate: Gate, mode: str) -> None:
        self._memories = memories
        self._gate = gate
        self.mode = mode
        self.asked = tuple(one for one in MODES[mode] if one != "mlp" or memories.network is not None)
        self.record = Record(self.asked)
        self.step: _Step | None = None
        self.context: list[int] = []
        self.written = 0
        self.changed = 0
        self.sources: Counter[int] = Counter()
        """Tokens that the memory changed, by the passage that stood for them most."""
        self._length = LONGEST

    def begin(self, tokens: Sequence[int], states: Vectors, logits: Vectors) -> None:
        """Looks how well the memories tell the end of the prompt: `states` and `logits` come after its last tokens."""
        first = len(tokens) - len(states)
        self.context = list(tokens[: first + 1])
        for row in range(len(states) - 1):
            self.mix(states[row], logits[row])
            self._follow(tokens[first + row + 1])

    def mix(self, state: Vectors, logits: Vectors) -> Vectors:
        """Log-probabilities of the next token, shape (vocabulary,)."""
        base = np.exp(log_softmax(logits))
        with self._memories.lock:
            said, neighbours, continuation = self._asked(state, base)
        signals = self._signals(base, said, neighbours, continuation)
        shares = self._gate.shares(self.mode, signals)
        mixed = base * np.float32(1 - shares.sum())
        for memory, share in zip(MODES[self.mode], shares, strict=True):
            one = said.get(memory, _SILENT)
            rest = one.rest if len(one.tokens) else 1.0
            if rest:
                mixed += (share * rest) * base
            mixed[one.tokens] += share * (one.shares - rest * base[one.tokens])
        self.step = _Step(base, mixed, said, neighbours, continuation, signals, int(logits.argmax()))
        return np.asarray(np.log(mixed + np.float32(_TINY)), np.float32)

    def accept(self, token: int) -> None:
        """Takes note of the token that was written."""
        step = self.step
        if step is None:
            return
        self.written += 1
        if token != step.favourite and step.mixed[token] > step.base[token]:
            self.changed += 1
            source = _source(step, token)
            if source is not None:
                self.sources[source] += 1
        self._follow(token)

    def _follow(self, token: int) -> None:
        assert self.step is not None
        base = float(self.step.base[token])
        for memory, said in self.step.said.items():
            if len(said.tokens):
                self.record.note(memory, said.of(token, base), base)
        self.context.append(token)
        self._length = self.step.continuation.length
        self.step = None

    def _asked(self, state: Vectors, base: Vectors) -> tuple[dict[str, Said], Neighbours | None, Continuation]:
        said: dict[str, Said] = {}
        neighbours, continuation = None, NOTHING
        if "knn" in self.asked:
            neighbours = self._memories.keys.search(state[None])
            said["knn"] = _of_neighbours(neighbours)
        if "ngram" in self.asked:
            continuation = self._memories.runs.longest(self.context[-LONGEST:], self._length + 1)
            said["ngram"] = _of_continuation(continuation)
        network = self._memories.network
        if "mlp" in self.asked and network is not None:
            with one_thread():
                logits = network.logits(state[None])[0]
            # The network shares out what the model leaves to the words of the corpus.
            mass = base[network.vocabulary].sum()
            said["mlp"] = Said(network.vocabulary, np.exp(log_softmax(logits)) * mass, 1.0)
        return said, neighbours, continuation

    def _signals(
        self, base: Vectors, said: dict[str, Said], neighbours: Neighbours | None, continuation: Continuation
    ) -> Vectors:
        found = dict.fromkeys(SIGNALS, 0.0)
        favourite = int(base.argmax())
        found["one"] = 1.0
        found["entropy"] = float(-(base * np.log(base + _TINY)).sum())
        found["top"] = float(np.log(base[favourite] + _TINY))
        if neighbours is not None and len(said["knn"].tokens):
            found["distance"] = float(np.log(neighbours.distances[0, 0] + 1e-4))
            found["knn top"] = float(said["knn"].shares.max())
            found["knn on top"] = said["knn"].of(favourite, 0.0)
        if continuation.count:
            found["match"] = float(np.log1p(continuation.length))
            found["long match"] = max(0.0, min(continuation.length, 24) - 4) / 4
            found["count"] = float(np.log(continuation.count))
            found["ngram top"] = float(said["ngram"].shares.max())
        if "mlp" in said:
            one = said["mlp"]
            found["mlp apart"] = float((one.shares * np.log((one.shares + _TINY) / (base[one.tokens] + _TINY))).sum())
            found["mlp top"] = float(np.log(one.shares.max() + _TINY))
        for memory, means in self.record.means.items():
            found[f"{memory} lately"], found[f"{memory} so far"] = means
        return np.array([found[name] for name in SIGNALS], np.float32)


def _of_neighbours(neighbours: Neighbours) -> Said:
    """Softmax of the negative distances, summed by token."""
    distances, tokens = neighbours.distances[0], neighbours.tokens[0]
    weights = np.exp(-(distances - distances[0]) / TEMPERATURE) if np.isfinite(distances[0]) else np.zeros(1)
    alive = tokens >= 0
    if not alive.any():
        return _SILENT
    return _summed(tokens[alive], weights[alive])


def _of_continuation(continuation: Continuation) -> Said:
    if not continuation.count:
        return _SILENT
    return _summed(continuation.tokens, np.ones(len(continuation.tokens)))


def _summed(tokens: NDArray[np.int32], weights: NDArray[np.float64]) -> Said:
    unique, where = np.unique(tokens, return_inverse=True)
    sums = np.bincount(where, weights)
    return Said(unique.astype(np.int32), (sums / sums.sum()).astype(np.float32))


def _source(step: _Step, token: int) -> int | None:
    """The passage that stood for this token most; None when only the network did."""
    weights: dict[int, float] = defaultdict(float)
    if step.neighbours is not None:
        distances = step.neighbours.distances[0]
        near = np.exp(-(distances - distances[0]) / TEMPERATURE)
        for at in np.flatnonzero(step.neighbours.tokens[0] == token):
            weights[int(step.neighbours.passages[0, at])] += near[at]
    for at in np.flatnonzero(step.continuation.tokens == token):
        weights[int(step.continuation.passages[at])] += step.continuation.length / len(step.continuation.tokens)
    weights.pop(-1, None)
    return max(weights, key=lambda passage: (weights[passage], -passage)) if weights else None
