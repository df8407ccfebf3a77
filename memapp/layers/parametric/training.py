"""How the network comes about: distilled from the next tokens of a corpus, in NumPy, with checkpoints.

The loss is that of MLP Memory, cross-entropy with the token that came and divergence from what the nearest neighbours
say, over the tokens that the corpus uses only: the full softmax over a model's vocabulary costs six times as much. The
last part of the corpus is held out, and the network that told it best is kept. A GPU does the same by training_gpu.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memapp.errors import TrainingFailed
from memapp.layers.parametric import network
from memapp.layers.parametric.network import AdamW, Parameters, Shape
from memapp.types import Vectors

_STRETCH = 100
"""Tokens in a row that are held out together."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained."""

    blocks: int = 2
    width: int = 1024
    passes: int = 1
    batch: int = 192
    rate: float = 1.2e-3
    divergence: float = 0.3
    """The share of the divergence from the neighbours in the loss; the rest is cross-entropy."""
    held_out: float = 0.02
    most_held_out: int = 2000
    checks: int = 10
    """How often the held-out part is asked."""
    patience: int = 4
    """After so many checks without a better network the training ends."""
    occurrences: int = 2
    """A token that a large corpus has less often is left to kNN: most rows of the output matrix are such tokens'."""
    large: int = 20_000
    """From so many tokens a corpus is large."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Corpus:
    """What there is to learn."""

    states: Callable[[NDArray[np.int64]], Vectors]
    """The hidden states at some places: shape (len(places), dimension)."""
    dimension: int
    tokens: NDArray[np.int32]
    """Shape (n,): what came after each state."""
    vocabulary: NDArray[np.int32]
    """The tokens that the network can say, ascending; all of `tokens` are among them."""
    rows: Vectors
    """The model's output matrix for these."""
    neighbours: tuple[NDArray[np.int32], Vectors] | None = None
    """Places in the vocabulary and their probabilities, each of shape (n, k): what other occurrences say.

    A row of probabilities sums to 1, or to 0 where they say nothing."""


@dataclass(slots=True)
class Progressed:
    """Where a training is; everything that another process needs to go on."""

    parameters: Parameters
    optimizer: AdamW
    step: int = 0
    best: Parameters = field(default_factory=dict)
    best_loss: float = math.inf
    losses: list[float] = field(default_factory=list)


class Trainer(Protocol):
    """One way of computing a step."""

    def step(self, states: Vectors, labels: Vectors, rate: float) -> float:
        """Learns from a batch; `labels` has shape (n, vocabulary), rows sum to 1. Returns the loss."""
        ...

    def loss(self, states: Vectors, targets: NDArray[np.int64]) -> float:
        """Mean cross-entropy in nats."""
        ...

    def parameters(self) -> Parameters:
        """A copy of what they are now; `Progressed` is brought up to date."""
        ...


class NumpyTrainer:
    """The reference."""

    def __init__(self, progressed: Progressed, rows: Vectors) -> None:
        self._at = progressed
        self._rows = rows

    def step(self, states: Vectors, labels: Vectors, rate: float) -> float:
        parameters = self._at.parameters
        trace = network.forward(parameters, states)
        said = network.log_softmax(trace.output @ self._rows.T + parameters["bias"])
        loss = -float((labels * said).sum()) / len(states)
        slope = np.exp(said)
        slope -= labels
        slope /= np.float32(len(states))
        gradients = network.backward(parameters, trace, slope @ self._rows)
        gradients["bias"] = slope.sum(axis=0)
        self._at.optimizer.step(parameters, gradients, rate)
        return loss

    def loss(self, states: Vectors, targets: NDArray[np.int64]) -> float:
        total = 0.0
        for start in range(0, len(states), 512):
            output = network.forward(self._at.parameters, states[start : start + 512]).output
            said = network.log_softmax(output @ self._rows.T + self._at.parameters["bias"])
            total -= float(said[np.arange(len(said)), targets[start : start + 512]].sum())
        return total / max(1, len(states))

    def parameters(self) -> Parameters:
        return {name: value.copy() for name, value in self._at.parameters.items()}


@dataclass(frozen=True, slots=True)
class Told:
    """How a training is doing."""

    step: int
    steps: int
    loss: float
    held_out: float
    """Perplexity within the corpus's vocabulary."""
    seconds: float


def vocabulary(tokens: NDArray[np.int32], recipe: Recipe) -> NDArray[np.int32]:
    """The tokens that a network of this corpus learns to say, ascending; all where none occurs often enough."""
    occurring, counts = np.unique(tokens, return_counts=True)
    often = counts >= (recipe.occurrences if len(tokens) >= recipe.large else 1)
    return occurring[often if often.any() else slice(None)].astype(np.int32)


def begin(corpus: Corpus, recipe: Recipe) -> Progressed:
    """A training that has not learned anything yet."""
    shape = Shape(corpus.dimension, recipe.width, recipe.blocks)
    parameters = network.initial(shape, len(corpus.vocabulary), recipe.seed)
    return Progressed(parameters, AdamW(parameters))


def train(
    corpus: Corpus,
    recipe: Recipe,
    progressed: Progressed,
    make: Callable[[Progressed, Vectors], Trainer] = NumpyTrainer,
) -> Iterator[Told]:
    """Goes on from where `progressed` is, which it changes; tells after each check, when it may be left and kept.

    Raises TrainingFailed when the loss is no number any more; `progressed.best` is then the last good network.
    """
    learned, held = _divided(len(corpus.tokens), recipe)
    targets = np.searchsorted(corpus.vocabulary, corpus.tokens)
    steps = max(1, recipe.passes * math.ceil(len(learned) / recipe.batch))
    every = max(1, steps // recipe.checks)
    trainer = make(progressed, corpus.rows)
    began, last = time.perf_counter(), 0.0
    if not progressed.best:
        progressed.best, progressed.best_loss = trainer.parameters(), trainer.loss(corpus.states(held), targets[held])
    while progressed.step < steps:
        batch = learned[_batch(len(learned), recipe, progressed.step)]
        rate = recipe.rate * min(1.0, (progressed.step + 1) / 50) * _cosine(progressed.step / steps)
        last = trainer.step(corpus.states(batch), _labels(corpus, targets, batch, recipe), rate)
        if not math.isfinite(last):
            raise TrainingFailed("The loss is no number any more.", "Use a smaller rate; the last good network stays.")
        progressed.step += 1
        if progressed.step % every == 0 or progressed.step == steps:
            loss = trainer.loss(corpus.states(held), targets[held])
            progressed.losses.append(loss)
            if loss < progressed.best_loss:
                progressed.best, progressed.best_loss = trainer.parameters(), loss
            trainer.parameters()
            seconds = time.perf_counter() - began
            yield Told(progressed.step, steps, last, math.exp(min(loss, 50.0)), seconds)
            lately = progressed.losses[-recipe.patience :]
            if len(lately) == recipe.patience and min(lately) > progressed.best_loss:
                return


def _divided(size: int, recipe: Recipe) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which tokens are learned from and which are held out: short stretches spread over the whole corpus.

    Of a corpus too small to hold anything out all is learned, and the last network is the best.
    """
    count = max(1, int(min(size * recipe.held_out, recipe.most_held_out)) // _STRETCH)
    if size < 10 * _STRETCH:
        return np.arange(size), np.arange(size)
    starts = (np.arange(count) * (size // count)) + (size // count - _STRETCH) // 2
    held = (starts[:, None] + np.arange(_STRETCH)).ravel()
    return np.setdiff1d(np.arange(size), held), held


def _batch(size: int, recipe: Recipe, step: int) -> NDArray[np.int64]:
    """The same batches whenever the training was interrupted."""
    per_pass = math.ceil(size / recipe.batch)
    order = np.random.default_rng([recipe.seed, step // per_pass]).permutation(size)
    at = step % per_pass * recipe.batch
    return order[at : at + recipe.batch]


def _cosine(done: float) -> float:
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done))


def _labels(corpus: Corpus, targets: NDArray[np.int64], batch: NDArray[np.int64], recipe: Recipe) -> Vectors:
    labels = np.zeros((len(batch), len(corpus.vocabulary)), np.float32)
    rows = np.arange(len(batch))
    labels[rows, targets[batch]] = 1.0
    if corpus.neighbours is not None and recipe.divergence:
        places, weights = corpus.neighbours
        share = np.float32(recipe.divergence) * weights[batch]
        labels *= 1 - share.sum(axis=1, keepdims=True)
        np.add.at(labels, (rows[:, None], places[batch]), share)
    return labels


def packed(progressed: Progressed, recipe: Recipe) -> bytes:
    """A checkpoint: a safetensors file."""
    import json

    from safetensors.numpy import save

    parts = {"now": progressed.parameters, "best": progressed.best}
    parts |= {"mean": progressed.optimizer.mean, "square": progressed.optimizer.square}
    arrays = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
    about = {"recipe": asdict(recipe), "step": progressed.step, "losses": progressed.losses}
    about["best_loss"] = progressed.best_loss
    return bytes(save(arrays, {"about": json.dumps(about)}))


def unpacked(data: bytes, recipe: Recipe) -> Progressed:
    """What `packed` wrote. Raises ValueError for another file or another recipe."""
    import json

    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
        length = int.from_bytes(data[:8], "little")
        about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["about"])
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"it is no checkpoint: {error}") from error
    if about["recipe"] != asdict(recipe):
        raise ValueError("it is of another recipe")
    parts: dict[str, Parameters] = {"now": {}, "best": {}, "mean": {}, "square": {}}
    for name, value in arrays.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = value.copy()
    optimizer = AdamW(parts["now"])
    optimizer.mean, optimizer.square, optimizer.steps = parts["mean"], parts["square"], about["step"]
    return Progressed(parts["now"], optimizer, about["step"], parts["best"], about["best_loss"], about["losses"])
