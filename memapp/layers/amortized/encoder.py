"""Passages to soft tokens with llama.cpp: the model with the encoder's adapter on it, and the pooling after it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from memapp import device
from memapp.errors import ModelDamaged, ModelError, UsageError
from memapp.layers.amortized.pooling import Weights, read_weights
from memapp.models import lora, states
from memapp.models.catalog import Catalog
from memapp.models.native import Context, Model, Options
from memapp.models.opening import placed
from memapp.models.tap import FINAL, Tap
from memapp.settings import Settings, data_dir, shipped
from memapp.store.bank import Form
from memapp.types import Vectors

NAME = "amortizer.safetensors"
SHIPPED = f"weights/{NAME}"
"""The encoder of the bundled model."""
LONGEST = 256
"""Tokens of a passage that are encoded, as in training; what follows is not in its entry."""


Locate = Callable[[], tuple[Path, Options]]
"""The model's file and how to open it; called once, at the first use."""


class SoftEncoder:
    """Encodes passages. Opened by its first use; safe from several threads, one at a time."""

    def __init__(self, locate: Locate, weights: Weights, folder: Path, reader: str = "") -> None:
        """`folder` keeps the adapter in the form that llama.cpp reads; `reader` is the identity of the model that the
        soft tokens are for."""
        self.reader = reader
        self._locate, self._weights, self._folder = locate, weights, folder
        self._lock = threading.Lock()
        self._opened: tuple[Model, Context] | None = None

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of soft tokens that were trained, ascending."""
        return self._weights.soft_tokens

    def encode(self, texts: Sequence[str], count: int) -> list[Vectors]:
        """Soft tokens of each text, float32, shape (at most count, width); none for a text without tokens.

        Raises ModelError leaves.
        """
        with self._lock:
            model, context = self._open()
            return [self._one(model, context, text, count) for text in texts]

    def _one(self, model: Model, context: Context, text: str, count: int) -> Vectors:
        ids = model.tokenize(text, special=False)[:LONGEST]
        if not ids:
            return np.empty((0, model.dimension), np.float32)
        context.keep(0)
        found = context.tapped([model.bos, *ids])[1:]
        return self._weights.pooling(states.embeddings(model, np.array(ids, np.int32)), found, count)

    def _open(self) -> tuple[Model, Context]:
        if self._opened is None:
            path = self._folder / f"amortizer-{self._weights.sha256[:12]}.gguf"
            if not path.exists():
                lora.write(path, self._weights.adapter, self._weights.alpha)
            place, options = self._locate()
            options = replace(options, context_tokens=LONGEST + 1, ubatch_tokens=LONGEST + 1)
            model = Model(place, options)
            try:
                context = model.context(options, Tap(FINAL))
                context.adapt(model.adapter(path))
            except BaseException:
                model.close()
                raise
            self._opened = model, context
        return self._opened

    def close(self) -> None:
        """Frees the model; safe to call twice."""
        with self._lock:
            if self._opened is not None:
                self._opened[1].close()
                self._opened[0].close()
                self._opened = None


def open_encoder(settings: Settings, catalog: Catalog | None = None) -> tuple[SoftEncoder, Form]:
    """The encoder of the chat model that the settings name, and the form of its entries. Cheap: the model is opened by
    the first passage.

    Raises ModelMissing or ModelDamaged as `open_engine` does, ModelError for a model that no encoder was trained for,
    UsageError for a number of soft tokens that was not trained.
    """
    catalog = catalog or Catalog()
    model = catalog.resolve(settings.model)
    path = trained(model.sha256)
    if not path.exists():
        if model.origin != "bundled":
            raise ModelError(
                f"No encoder of soft tokens was trained for {model.name}.",
                f"Train one with `memapp train amortized --model {model.path}`, or set `bank` to 0.",
            )
        path = shipped(SHIPPED)
    try:
        weights = read_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ModelDamaged(f"{path} cannot be used: {error}.", "Train it anew, or remove it.") from error
    if settings.soft_tokens not in weights.soft_tokens:
        known = ", ".join(map(str, weights.soft_tokens))
        raise UsageError(f"soft_tokens is {settings.soft_tokens}, which was not trained.", f"Use one of: {known}.")
    options = Options(threads=device.threads(settings.threads).value)
    locate = functools.partial(placed, model, options, settings.gpu_layers, catalog.prepared_directory)
    identity = f"{model.sha256[:16]} {weights.sha256[:16]}"
    form = Form(identity, settings.soft_tokens, int(weights.arrays["change"].shape[1]))
    return SoftEncoder(locate, weights, catalog.prepared_directory, model.identity), form


def trained(model: str) -> Path:
    """Where the encoder that was trained here for the model of this hash is."""
    return data_dir() / "weights" / model[:12] / NAME
