"""The default embedder: all-MiniLM-L6-v2, run by the fastest runtime that gives the same vectors.

Tokenises, sorts by length, packs batches, restores the order. What a batch is run by is a function of two arrays:
OpenVINO on a CPU, ONNX Runtime on a GPU. The first short texts of a process go through NumPy, because they are done
before a runtime would have been loaded. The model itself is in minilm.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memapp import device
from memapp.models import minilm
from memapp.models import minilm_runtime as runtime
from memapp.protocols import EmbedderIdentity, TokenStates
from memapp.settings import data_dir

if TYPE_CHECKING:
    from memapp.models.minilm_runtime import Forward
    from memapp.types import Vectors

BATCH_TOKENS = 2048
"""Padded tokens of one batch; larger ones fall out of the processor's cache."""
FEW_TOKENS = 128
"""Up to so many tokens NumPy is done before a runtime is loaded."""
FEW_CALLS = 4
"""So many short calls show that the process lives on and will be repaid for loading a runtime."""
SEPARATOR = 102
"""Token that ends a text."""
VECTORS = "embedding"
STATES = "tokens"


class MiniLMEmbedder:
    """Text to unit vectors of 384 numbers, the same ones whatever runs them. Safe to use from several threads.

    Making one is cheap; files are opened and checked at first use, which raises ModelMissing, ModelDamaged or
    ModelError. `folder` is where the ONNX file is kept, `choice` the runtime if not device.py's, `threads` 0 is one
    per core.
    """

    def __init__(
        self, folder: Path | None = None, choice: device.EmbedderChoice | None = None, threads: int = 0
    ) -> None:
        self._folder = folder or data_dir() / "models" / minilm.NAME
        self._choice = choice
        self._threads = threads
        self._lock = threading.Lock()
        self._files: minilm.ModelFiles | None = None
        self._tokenizer: Any = None
        self._weights: minilm.Weights | None = None
        self._forward: Forward | None = None
        self._few_calls = 0

    @property
    def identity(self) -> EmbedderIdentity:
        """Name, dimension and hash of the weights."""
        return EmbedderIdentity(minilm.NAME, minilm.DIMENSION, minilm.WEIGHTS_SHA256)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of unit length, float32, shape (len(texts), 384), in order; a text counts up to its 512th token."""
        return self._vectors([_cut(encoding.ids) for encoding in self._encode(texts, special=True)])

    def encode(self, texts: Sequence[str]) -> tuple[Vectors, list[TokenStates]]:
        """The vectors of `embed` and the last hidden states of each text's tokens, from one pass of the encoder.

        Special tokens are left out; what follows a text's 510th token has no states. Takes 1.5 KB a token.
        """
        encodings = self._encode(texts, special=True, offsets=True)
        states: dict[int, Vectors] = {}
        vectors = self._vectors([_cut(encoding.ids) for encoding in encodings], states)
        pairs = ((encoding.offsets, states[row]) for row, encoding in enumerate(encodings))
        return vectors, [
            TokenStates(np.array(offsets[1 : len(each) - 1], np.int32).reshape(-1, 2), each[1:-1])
            for offsets, each in pairs
        ]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text, special tokens excluded."""
        return [len(encoding) for encoding in self._encode(texts, special=False)]

    def prepare(self) -> None:
        """Checks the files, writes the ONNX graph and loads the runtime, so that no later call waits for it."""
        forward = self._forward_loaded()
        padded = runtime.padded([encoding.ids for encoding in self._encode(["ready"], special=True)])
        with self._lock:
            forward(*padded, [VECTORS])

    def _vectors(self, tokens: Sequence[list[int]], states: dict[int, Vectors] | None = None) -> Vectors:
        """One vector a text; `states` is filled with those of all tokens, special ones too, by the text's number."""
        vectors = np.empty((len(tokens), minilm.DIMENSION), np.float32)
        if not tokens:
            return vectors
        if self._in_passing(sum(map(len, tokens))):
            weights = self._weights_read()
            for row, ids in enumerate(tokens):
                vectors[row], found = minilm.encode_one(weights, np.array(ids))
                if states is not None:
                    states[row] = found
            return vectors
        forward = self._forward_loaded()
        wanted = [VECTORS] if states is None else [VECTORS, STATES]
        for rows in _batches([len(ids) for ids in tokens]):
            padded = runtime.padded([tokens[row] for row in rows])
            with self._lock:
                outputs = forward(*padded, wanted)
                vectors[rows] = outputs[0]
                if states is not None:
                    states.update((row, outputs[1][n, : len(tokens[row])].copy()) for n, row in enumerate(rows))
        return vectors

    def _in_passing(self, tokens: int) -> bool:
        """Whether NumPy answers this call."""
        if self._forward is not None or tokens > FEW_TOKENS:
            return False
        self._few_calls += 1
        return self._few_calls <= FEW_CALLS

    def _encode(self, texts: Sequence[str], special: bool, offsets: bool = False) -> list[Any]:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = runtime.load_tokenizer(self._checked().tokenizer)
        encode = self._tokenizer.encode_batch if offsets else self._tokenizer.encode_batch_fast
        encodings: list[Any] = encode([runtime.well_formed(text) for text in texts], add_special_tokens=special)
        return encodings

    def _checked(self) -> minilm.ModelFiles:
        if self._files is None:
            files = minilm.locate()
            minilm.check(files, self._folder)
            self._files = files
        return self._files

    def _weights_read(self) -> minilm.Weights:
        with self._lock:
            if self._weights is None:
                self._weights = minilm.read_weights(self._checked().weights)
            return self._weights

    def _forward_loaded(self) -> Forward:
        with self._lock:
            if self._forward is None:
                graph = minilm.graph(self._checked(), self._folder)
                self._forward = runtime.load(graph, self._choice or device.embedder(), self._threads)
            return self._forward


def _cut(ids: list[int]) -> list[int]:
    return ids if len(ids) <= minilm.MAX_TOKENS else [*ids[: minilm.MAX_TOKENS - 1], SEPARATOR]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows of texts of like length, the longest of the batch padded and times their number within BATCH_TOKENS."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    rows: list[int] = []
    for row in order:
        if rows and (len(rows) + 1) * runtime.width(lengths[row]) > BATCH_TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
