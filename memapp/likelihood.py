"""How likely a text is to the model, alone and with its parametric memory, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.layers.parametric.layer import ParametricLayer
from memapp.layers.parametric.network import log_softmax
from memapp.protocols import WINDOW, StateModel
from memapp.types import Likelihood, Vectors

_BATCH = 128


@dataclass(frozen=True, slots=True)
class Measured:
    """Log-probabilities of tokens, in nats."""

    base: Vectors
    """By the model alone."""
    mixed: Vectors
    """With what the memory adds."""


def measure(
    texts: Sequence[str], layer: ParametricLayer, model: StateModel, mode: str, at_most: int = 2000
) -> Measured:
    """The tokens of these texts, `at_most` so many, each text on its own and in windows."""
    base: list[float] = []
    mixed: list[float] = []
    outputs = model.outputs()
    for text in texts:
        ids = model.tokens(text)[0][: at_most - len(base)]
        bias = layer.mixture(mode)
        for token, state, logits in walked(ids, states_of(model, ids), outputs):
            base.append(float(log_softmax(logits)[token]))
            if bias is None:
                mixed.append(base[-1])
                continue
            mixed.append(float(bias.mix(state, logits)[token]))
            bias.accept(token)
        if len(base) >= at_most:
            break
    return Measured(np.array(base, np.float32), np.array(mixed, np.float32))


def states_of(model: StateModel, ids: NDArray[np.int32]) -> Vectors:
    """The hidden state before each of these tokens, read in windows: shape (len(ids), dimension)."""
    windows = [model.states(ids[start : start + WINDOW].tolist()) for start in range(0, len(ids), WINDOW)]
    return np.concatenate(windows) if windows else np.empty((0, model.states_identity.dimension), np.float32)


def walked(ids: NDArray[np.int32], states: Vectors, outputs: Vectors) -> Iterator[tuple[int, Vectors, Vectors]]:
    """Each token with the hidden state before it and the logits that the output matrix makes of that."""
    for first in range(0, len(ids), _BATCH):
        logits = states[first : first + _BATCH] @ outputs.T
        for row, token in enumerate(ids[first : first + _BATCH].tolist()):
            yield token, states[first + row], logits[row]


def compare(before: Measured, after: Measured) -> Likelihood | None:
    """Both in nats a token; None where there was no token."""
    if not len(before.base):
        return None
    base, then, now = (float(each.mean()) for each in (before.base, before.mixed, after.mixed))
    return Likelihood(base, then, now, len(before.base))
