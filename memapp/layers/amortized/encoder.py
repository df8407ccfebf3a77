"""Passages to soft tokens with llama.cpp: the model with the encoder's adapter on it, and the pooling after it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from memapp.layers.amortized.pooling import Weights
from memapp.models import lora, states
from memapp.models.native import Context, Model, Options
from memapp.models.tap import FINAL, Tap
from memapp.types import Vectors

LONGEST = 256
"""Tokens of a passage that are encoded, as in training; what follows is not in its entry."""


class SoftEncoder:
    """Encodes passages. Opened by its first use; safe from several threads, one at a time."""

    def __init__(self, model: Path, options: Options, weights: Weights, folder: Path) -> None:
        """`folder` keeps the adapter in the form that llama.cpp reads."""
        self._path, self._weights, self._folder = model, weights, folder
        self._options = replace(options, context_tokens=LONGEST + 1, ubatch_tokens=LONGEST + 1)
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
            model = Model(self._path, self._options)
            try:
                context = model.context(self._options, Tap(FINAL))
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
