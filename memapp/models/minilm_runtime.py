"""What runs the graph of minilm_onnx.py: OpenVINO on a CPU, ONNX Runtime on a GPU.

A run is a function of two arrays, so whoever batches knows nothing of a runtime.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memapp.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memapp.device import EmbedderChoice
    from memapp.types import Vectors

    Forward = Callable[[NDArray[np.int64], NDArray[np.int64], Sequence[str]], list[Vectors]]
    """Ids, mask and the names of outputs to those outputs, which the next call may overwrite."""

_OPENVINO = threading.Lock()
BUCKET = 16
"""Batches are padded to a multiple of this, so that a runtime meets few different shapes."""


def load(graph: Path, choice: EmbedderChoice, threads: int = 0) -> Forward:
    """The graph, ready to run by the chosen runtime; `threads` 0 is one per core. Raises ModelError."""
    return _load_cuda(graph) if choice.runtime == "cuda" else _load_openvino(graph, choice.precision, threads)


def well_formed(text: str) -> str:
    """Lone surrogates, as undecodable bytes of a command line become, have no UTF-8 form."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def width(length: int) -> int:
    """What a text of this length is padded to."""
    return -(-length // BUCKET) * BUCKET


def padded(tokens: Sequence[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and mask, both of shape (texts, width); 0 is padding in both."""
    ids = np.zeros((len(tokens), width(max(map(len, tokens)))), np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(tokens):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return ids, mask


def load_tokenizer(path: Path) -> Any:
    """That of the package, which neither pads nor cuts."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@functools.cache
def _openvino() -> Any:
    """OpenVINO, one for the process and until it ends; call it under _OPENVINO.

    Each Core puts a signal stack of its own into the thread that makes it. Two that go in the order in which they came
    leave one behind that is unmapped, and the next Ctrl-C is a crash.
    """
    import openvino

    return openvino.Core()


def _load_openvino(graph: Path, precision: str, threads: int) -> Forward:
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
    try:
        with _OPENVINO:
            core = _openvino()
        request = core.compile_model(str(graph), "CPU", config).create_infer_request()
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
