"""The story of consolidation: the chat model reads what is remembered, token by token, and a network learns it.

Reading commits every few passages and learning keeps checkpoints, so a run that breaks off, however, loses little, and
the next one goes on where it ended.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memapp import device
from memapp.errors import TrainingFailed, UsageError
from memapp.layers.parametric import training
from memapp.layers.parametric.consolidated import Consolidated
from memapp.layers.parametric.keys import KeyIndex
from memapp.layers.parametric.layer import ParametricLayer
from memapp.layers.parametric.mixture import TEMPERATURE
from memapp.layers.parametric.training import Corpus, Progressed, Recipe
from memapp.protocols import WINDOW, StateModel
from memapp.store import content, derived, states
from memapp.store.derived import Stamp
from memapp.store.log import Store
from memapp.store.states import Coding, Read
from memapp.types import LearnReport, Progress, ReadReport, Vectors

_COMMIT_TOKENS = 4096
"""What is read between two commits, about."""
_CHECKPOINT_SECONDS = 20.0
CHECKPOINT = "training.safetensors"

Report = Callable[[Progress], None]


def read(
    store: Store,
    model: StateModel,
    *,
    seconds: float | None = None,
    progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> ReadReport:
    """Has the model read every passage that it has not, in the context of its document.

    Ends early, with what is committed kept, when `cancel` is set or the time is over. Raises StatesMismatch when this
    namespace was read by another model, and ModelError for one that does not show its states.
    """
    began, stop = time.perf_counter(), cancel or threading.Event()
    waiting = states.unread(store)
    total = sum(len(missing) for _, _, missing in waiting)
    if not total:
        return ReadReport(0, 0, 0, time.perf_counter() - began)
    identity = model.states_identity
    held = states.coding(store)
    if held is None:
        held = states.claim(store, Coding(identity.sha256, identity.name, model.spread()))
    states.require(held, identity.sha256, identity.name)
    done = tokens = 0
    for _, key, missing in waiting:
        for batch in _batches(_of_document(store, key, set(missing), model, held)):
            done += states.put(store, batch, held.model)
            tokens += sum(len(one.tokens) for one in batch)
            if progress:
                progress(Progress("passages", done, total, key))
            if stop.is_set() or (seconds is not None and time.perf_counter() - began > seconds):
                return ReadReport(done, tokens, total - done, time.perf_counter() - began, stop.is_set())
    return ReadReport(done, tokens, max(0, total - done), time.perf_counter() - began)


def _of_document(store: Store, key: str, missing: set[int], model: StateModel, coding: Coding) -> Iterator[Read]:
    """The missing passages of a document as the model reads them, in windows that begin at the same tokens always."""
    document, passages = content.document(store, key), content.passages_of(store, key)
    if document is None or not passages:
        return
    tokens, ends = model.tokens(document.text)
    # A token belongs to the passage in which, or after which, its last character stands.
    starts = np.array([passage.start for passage in passages])
    owner = np.maximum(np.searchsorted(starts, np.maximum(ends - 1, 0), side="right") - 1, 0)
    bounds = np.searchsorted(owner, np.arange(len(passages) + 1))
    window, first = np.empty((0, 0), np.uint8), -1
    for place, passage in enumerate(passages):
        if passage.id not in missing:
            continue
        low, high = int(bounds[place]), int(bounds[place + 1])
        codes = [np.empty((0, len(coding.spread)), np.uint8)]
        for start in range(low // WINDOW * WINDOW, high, WINDOW):
            if start != first:
                window, first = coding.encode(model.states(tokens[start : start + WINDOW].tolist())), start
            codes.append(window[max(low - start, 0) : high - start])
        yield Read(passage.id, passages[0].id, tokens[low:high], np.concatenate(codes))


def _batches(found: Iterator[Read]) -> Iterator[list[Read]]:
    batch: list[Read] = []
    for one in found:
        batch.append(one)
        if sum(len(each.tokens) for each in batch) >= _COMMIT_TOKENS:
            yield batch
            batch = []
    if batch:
        yield batch


def learn(
    store: Store,
    layer: ParametricLayer,
    model: StateModel,
    recipe: Recipe | None = None,
    *,
    progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> LearnReport:
    """Trains the network on all that was read and puts it into use; goes on from a checkpoint of the same corpus.

    Raises UsageError when nothing was read, and TrainingFailed when the loss is no number, something was forgotten
    meanwhile, or the network cannot be written; the one that was in use then stays as it was.
    """
    recipe, stop = recipe or Recipe(), cancel or threading.Event()
    identity, position = model.states_identity, store.head()
    held = states.coding(store)
    found = states.everything(store, identity.dimension) if held else []
    if held is None or not any(len(one.tokens) for one in found):
        raise UsageError("The chat model has read nothing that a network could learn.", "Ingest something first.")
    states.require(held, identity.sha256, identity.name)
    corpus = _corpus(found, held, model, recipe)
    stamp = Stamp(position, store.mark(position), identity.sha256, "network")
    path = layer.path.with_name(CHECKPOINT)
    progressed = _resumed(path, stamp, recipe) or training.begin(corpus, recipe)
    began, saved = time.perf_counter(), time.perf_counter()
    before = progressed.losses[0] if progressed.losses else None
    for told in training.train(corpus, recipe, progressed, _trainer()):
        before = progressed.losses[0] if before is None else before
        if progress:
            progress(Progress("steps", told.step, told.steps, f"loss {told.loss:.2f}, held out {told.held_out:.2f}"))
        if time.perf_counter() - saved > _CHECKPOINT_SECONDS or stop.is_set():
            derived.write(path, training.packed(progressed, recipe), stamp)
            saved = time.perf_counter()
        if stop.is_set() and told.step < told.steps:
            return LearnReport(len(corpus.tokens), told.step, told.held_out, time.perf_counter() - began, True)
    spent = time.perf_counter() - began
    _adopt(store, layer, corpus, progressed, stamp, spent)
    derived.remove(path)
    return LearnReport(len(corpus.tokens), progressed.step, math.exp(progressed.best_loss), spent)


def _adopt(
    store: Store, layer: ParametricLayer, corpus: Corpus, progressed: Progressed, stamp: Stamp, spent: float
) -> None:
    if any(change.kind == "forget" for change in store.changes(stamp.position)):
        raise TrainingFailed("Something was forgotten while the network learned it.", "Train again.")
    report = {"tokens": float(len(corpus.tokens)), "seconds": spent, "held_out": math.exp(progressed.best_loss)}
    if not layer.adopt(Consolidated(corpus.vocabulary, corpus.rows, progressed.best, report), stamp):
        raise TrainingFailed(
            f"The network cannot be written to {layer.path.parent}.", "Free some room there and train again."
        )


def _corpus(found: list[Read], coding: Coding, model: StateModel, recipe: Recipe) -> Corpus:
    codes = np.concatenate([one.codes for one in found])
    tokens = np.concatenate([one.tokens for one in found])
    vocabulary = training.vocabulary(tokens, recipe)
    learned = np.flatnonzero(np.isin(tokens, vocabulary))

    def states_at(places: NDArray[np.int64]) -> Vectors:
        return coding.decode(codes[learned[places]])

    neighbours = None
    if recipe.divergence:
        places, weights = teach(found, coding, vocabulary)
        neighbours = places[learned], weights[learned]
    return Corpus(states_at, codes.shape[1], tokens[learned], vocabulary, model.outputs(vocabulary), neighbours)


def teach(
    found: list[Read], coding: Coding, vocabulary: NDArray[np.int32], k: int = 32
) -> tuple[NDArray[np.int32], Vectors]:
    """What the k nearest other occurrences say of each token: places in the vocabulary and probabilities, (n, k).

    What they say outside the vocabulary does not count; where that is all they say, the weights are 0.
    """
    index = KeyIndex(coding, "ivf")
    index.add(found)
    places, weights = [], []
    for one in found:
        near = index.search(coding.decode(one.codes), k + 1)
        # The first is the token itself, as in MLP Memory.
        distances, tokens = near.distances[:, 1:], near.tokens[:, 1:]
        place = np.minimum(np.searchsorted(vocabulary, tokens), len(vocabulary) - 1)
        said = vocabulary[place] == tokens
        close = np.exp(-(distances - distances[:, :1]) / TEMPERATURE, where=said, out=np.zeros_like(distances))
        weights.append(close / np.maximum(close.sum(axis=1, keepdims=True), 1e-9))
        places.append(place)
    width = min(each.shape[1] for each in weights)
    return (
        np.concatenate([each[:, :width] for each in places]).astype(np.int32),
        np.concatenate([each[:, :width] for each in weights]).astype(np.float32),
    )


def _resumed(path: Path, stamp: Stamp, recipe: Recipe) -> Progressed | None:
    loaded = derived.read(path, functools.partial(training.unpacked, recipe=recipe))
    return loaded[0] if loaded is not None and loaded[1] == stamp else None


def _trainer() -> Callable[[Progressed, Vectors], training.Trainer]:
    """On a GPU by torch where both are there, else the reference."""
    if device.torch_device().value != "cuda":
        return training.NumpyTrainer
    from memapp.layers.parametric.training_gpu import TorchTrainer

    return TorchTrainer
