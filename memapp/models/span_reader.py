"""Reads a question beside a passage and tells where in it an answer may begin and end, or that it tells nothing.

The encoder is the embedder's, all of whose layers went on learning, with one linear head for beginnings and ends (BERT
for extractive question answering; Devlin et al., 2019). What ships is the difference to the embedder's weights, in 8
bits a number with a scale for each row.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memapp import device
from memapp.models import minilm
from memapp.models import minilm_runtime as runtime
from memapp.models import weights as shipping
from memapp.protocols import Spans
from memapp.settings import data_dir, shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memapp.models.minilm import Weights
    from memapp.models.minilm_runtime import Forward
    from memapp.types import Vectors

NAME = "span-reader"
WEIGHTS = "weights/spans.safetensors"
GRAPH_FILE = "spans-1.onnx"
"""The number changes whenever the graph does."""
SCALE = ".scale"
"""Behind the name of a matrix: what its rows are multiplied with."""
HEAD, HEAD_BIAS = "head.weight", "head.bias"
QUESTION_TOKENS = 48
"""Of a question; what comes behind is not read."""
_BEGIN, _SEPARATOR = 101, 102
_STATES = "tokens"
TRAINING = "memapp.train.spans"
"""What makes the weights."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and a passage as the encoder sees them."""

    ids: list[int]
    begins: int
    """Where the passage begins."""
    offsets: list[tuple[int, int]]
    """Of the passage's tokens, in characters."""


def pair(tokenizer: Any, question: str, passage: str, most: int = minilm.MAX_TOKENS) -> Pair:
    """Question, then passage, of `most` tokens together; both get the first token type, as the embedder's graph has
    it."""
    asked = tokenizer.encode(runtime.well_formed(question), add_special_tokens=False).ids[:QUESTION_TOKENS]
    read = tokenizer.encode(runtime.well_formed(passage), add_special_tokens=False)
    room = most - len(asked) - 3
    ids = [_BEGIN, *asked, _SEPARATOR, *read.ids[:room], _SEPARATOR]
    return Pair(ids, len(asked) + 2, read.offsets[:room])


class MiniLMSpanReader:
    """As protocols.SpanReader.

    Making one is cheap; files are opened and checked at first use, which raises ModelMissing, ModelDamaged or
    ModelError. `folder` is where the ONNX file is kept, `choice` the runtime if not device.py's, `threads` 0 is one
    per core.
    """

    def __init__(
        self,
        path: Path | None = None,
        folder: Path | None = None,
        choice: device.EmbedderChoice | None = None,
        threads: int = 0,
    ) -> None:
        self._path = path
        self._folder = folder or data_dir() / "models" / NAME
        self._choice = choice
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    @property
    def identity(self) -> str:
        """Name and hash of the weights."""
        return f"{NAME}/{self._ready().sha256}"

    def spans(self, question: str, passages: Sequence[str]) -> list[Spans]:
        """As protocols.SpanReader; what does not fit into 512 tokens with the question is not read."""
        loaded = self._ready()
        found = []
        for passage in passages:
            read = pair(loaded.tokenizer, question, passage)
            with self._lock:
                (states,) = loaded.forward(*runtime.padded([read.ids]), [_STATES])
                logits = np.asarray(states[0, : len(read.ids)], np.float32) @ loaded.head.T + loaded.bias
            found.append(_spans(read, logits))
        return found

    def prepare(self) -> None:
        """Writes the ONNX graph where it is not there yet, and loads the runtime."""
        self.spans("ready?", ["Ready."])

    def _ready(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                files = minilm.locate()
                minilm.check(files, self._folder)
                found = shipping.read(self._path or shipped(WEIGHTS), TRAINING)
                learned = found.tensors
                graph = minilm.graph_of(
                    self._folder, GRAPH_FILE, found.sha256, lambda: merged(minilm.read_weights(files.weights), learned)
                )
                self._loaded = _Loaded(
                    runtime.load_tokenizer(files.tokenizer),
                    runtime.load(graph, self._choice or device.embedder(), self._threads),
                    learned[HEAD],
                    learned[HEAD_BIAS],
                    found.sha256,
                )
            return self._loaded


@dataclass(frozen=True, slots=True)
class _Loaded:
    tokenizer: Any
    forward: Forward
    head: Vectors
    """Shape (2, 384)."""
    bias: Vectors
    sha256: str


def _spans(read: Pair, logits: Vectors) -> Spans:
    """Of the logits of all tokens, shape (tokens, 2): an answer stands in the passage, or the first token is it."""
    allowed = np.concatenate([logits[:1], logits[read.begins : -1]])
    shifted = allowed - allowed.max(axis=0)
    likely = shifted - np.log(np.exp(shifted).sum(axis=0))
    offsets = np.array(read.offsets, np.int32).reshape(-1, 2)
    return Spans(offsets, likely[1:, 0], likely[1:, 1], float(likely[0].sum()))


# Weights


def merged(base: Weights, learned: Mapping[str, NDArray[Any]]) -> Weights:
    """The embedder's weights with what was learned beside them."""
    found = dict(base)
    for name in base:
        if name + SCALE in learned:
            found[name] = base[name] + learned[name].astype(np.float32) * learned[name + SCALE]
        elif name in learned:
            found[name] = learned[name].astype(np.float32)
    return found


def reduced(base: Weights, learned: Mapping[str, Vectors]) -> dict[str, NDArray[Any]]:
    """What `merged` takes: differences of matrices in 8 bits with a scale for each row, all else as it is."""
    found: dict[str, NDArray[Any]] = {}
    for name, value in learned.items():
        if name not in base or value.ndim != 2:
            found[name] = value.astype(np.float32)
            continue
        change = value - base[name]
        scale = np.maximum(np.abs(change).max(axis=1, keepdims=True) / 127, np.float32(1e-12)).astype(np.float32)
        found[name] = np.round(change / scale).astype(np.int8)
        found[name + SCALE] = scale
    return found
