"""The default embedder: all-MiniLM-L6-v2, run by the fastest runtime that gives the same vectors.

Tokenises, sorts by length, packs batches, restores the order. What a batch is run by is a function of two arrays:
OpenVINO on a CPU, ONNX Runtime on a GPU. The first short texts of a process go through NumPy, because they are done
before a runtime would have been loaded. The model itself is in minilm.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memapp import device
from memapp.errors import ModelError
from memapp.models import minilm
from memapp.protocols import EmbedderIdentity, TokenStates
from memapp.settings import data_dir

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memapp.types import Vectors

    Forward = Callable[[NDArray[np.int64], NDArray[np.int64], Sequence[str]], list[Vectors]]
    """Ids, mask and the names of outputs to those outputs, which the next call may overwrite."""

BATCH_TOKENS = 2048
"""Padded tokens of one batch; larger ones fall out of the processor's cache."""
BUCKET = 16
"""Batches are padded to a multiple of this, so that a runtime meets few different shapes."""
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
        padded = _padded([encoding.ids for encoding in self._encode(["ready"], special=True)])
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
            padded = _padded([tokens[row] for row in rows])
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
                self._tokenizer = _load_tokenizer(self._checked().tokenizer)
        encode = self._tokenizer.encode_batch if offsets else self._tokenizer.encode_batch_fast
        encodings: list[Any] = encode([_well_formed(text) for text in texts], add_special_tokens=special)
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
                choice = self._choice or device.embedder()
                cuda = choice.runtime == "cuda"
                self._forward = _load_cuda(graph) if cuda else _load_openvino(graph, choice.precision, self._threads)
            return self._forward


def _well_formed(text: str) -> str:
    """Lone surrogates, as undecodable bytes of a command line become, have no UTF-8 form."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _cut(ids: list[int]) -> list[int]:
    return ids if len(ids) <= minilm.MAX_TOKENS else [*ids[: minilm.MAX_TOKENS - 1], SEPARATOR]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows of texts of like length, the longest of the batch padded and times their number within BATCH_TOKENS."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    rows: list[int] = []
    for row in order:
        if rows and (len(rows) + 1) * _width(lengths[row]) > BATCH_TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _width(length: int) -> int:
    return -(-length // BUCKET) * BUCKET


def _padded(tokens: Sequence[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and mask, both of shape (texts, width); 0 is padding in both."""
    ids = np.zeros((len(tokens), _width(max(map(len, tokens)))), np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(tokens):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return ids, mask


# Runtimes


def _load_tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _load_openvino(graph: Path, precision: str, threads: int) -> Forward:
    import openvino

    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
    try:
        request = openvino.Core().compile_model(str(graph), "CPU", config).create_infer_request()
    except RuntimeError as error:
        raise _broken("OpenVINO", graph, error) from error

    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64], wanted: Sequence[str]) -> list[Vectors]:
        try:
            outputs = request.infer({"ids": ids, "mask": mask}, share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise _broken("OpenVINO", graph, error) from error
        return [outputs[name] for name in wanted]

    return forward


def _load_cuda(graph: Path) -> Forward:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError("ONNX Runtime is not installed.", 'Install it: pip install "memapp[gpu]".') from error
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise ModelError("This ONNX Runtime has no CUDA.", 'Replace it: pip install "memapp[gpu]".')
    try:
        session = onnxruntime.InferenceSession(str(graph), providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no common base
        raise _broken("ONNX Runtime", graph, error) from error

    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64], wanted: Sequence[str]) -> list[Vectors]:
        outputs: list[Vectors] = session.run(list(wanted), {"ids": ids, "mask": mask})
        return outputs

    return forward


def _broken(name: str, graph: Path, error: Exception) -> ModelError:
    return ModelError(f"{name} cannot run {graph}: {error}.", "Remove the folder of that file; it is written again.")
