"""What a model makes of a text, token by token: its tokens, the hidden states before them, its output matrix."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memapp.errors import ModelError
from memapp.models.native import FLASH_AUTO
from memapp.models.reading import TEXT
from memapp.models.tap import FINAL, Tap
from memapp.protocols import WINDOW

if TYPE_CHECKING:
    from memapp.models.native import Context, Model, Options
    from memapp.types import Vectors

_SPREADS = 4.5
"""Standard deviations that a component's code reaches to."""
_OUTPUTS = ("output.weight", "token_embd.weight")


def identity(model: Model, name: str) -> str:
    """A hash of what must agree before states may be compared: weights, their form, the tokenizer."""
    parts = [name, model.form, str(model.vocabulary), str(model.dimension), str(WINDOW), TEXT[:200]]
    parts += [str(token) for token in model.tokenize(TEXT, special=False)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def tokens(model: Model, text: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The tokens of a text, and where each ends, in characters."""
    ids = model.tokenize(text, special=False)
    lengths = np.array([len(model.piece(token)) for token in ids], np.int64)
    data = text.encode("utf-8", "replace")
    # Some tokenizers put a space before the first word.
    ends = np.clip(np.cumsum(lengths) - max(int(lengths.sum()) - len(data), 0), 0, len(data))
    starts_character = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
    characters = np.concatenate([[0], np.cumsum(starts_character)])
    return np.array(ids, np.int32), characters[ends]


def reader(model: Model, options: Options, tensor: str = FINAL) -> Context:
    """A context that reads states and writes nothing, so that the one that answers keeps what it has computed.

    It reads a window at once, where flash attention is worth a tenth of the time.
    """
    whole = replace(options, context_tokens=WINDOW, ubatch_tokens=max(WINDOW, options.ubatch_tokens), flash=FLASH_AUTO)
    return model.context(whole, Tap(tensor))


def states(context: Context, ids: Sequence[int]) -> Vectors:
    """The state before each of these tokens, at most a window of them: shape (len(ids), dimension).

    The first one's is that after the token that begins texts, or zero where the model has none.
    """
    model = context.model
    read = [*([model.bos] if model.bos >= 0 else []), *map(int, ids[:-1])]
    found = np.zeros((len(ids), model.dimension), np.float32)
    at = len(ids) - len(read)
    context.keep(0)
    for start in range(0, len(read), context.ubatch):
        part = read[start : start + context.ubatch]
        found[at : at + len(part)] = context.tapped(part)
        at += len(part)
    return found


def spread(context: Context) -> Vectors:
    """How far each component of a state is from 0 in a plain text, times some: the same whatever is read."""
    ids = context.model.tokenize(TEXT, special=False)[: min(WINDOW, context.size)]
    deviation = np.sqrt(np.mean(states(context, ids) ** 2, axis=0))
    return np.asarray(np.maximum(deviation, 1e-6) * _SPREADS, np.float32)


def output_matrix(model: Model, ids: NDArray[np.int32] | None = None) -> Vectors:
    """The rows of the model's output matrix for these tokens, or for all: float32, shape (n, dimension).

    Raises ModelError for a file whose matrix has another place or form.
    """
    return _rows(model, _OUTPUTS, ids)


def embeddings(model: Model, ids: NDArray[np.int32] | None = None) -> Vectors:
    """What the model reads in the place of these tokens, or of all; else as `output_matrix`."""
    return _rows(model, _OUTPUTS[1:], ids)


def _rows(model: Model, names: Sequence[str], ids: NDArray[np.int32] | None) -> Vectors:
    import gguf

    place = model.tensor(*names)
    try:
        if place is None or place.bytes % model.vocabulary:
            raise ValueError("it is not there")
        shape = (model.vocabulary, place.bytes // model.vocabulary)
        matrix = np.memmap(model.path, np.uint8, "r", place.offset, shape)
        rows = gguf.dequantize(matrix if ids is None else matrix[ids], gguf.GGMLQuantizationType(place.form))
        return np.ascontiguousarray(rows, dtype=np.float32).reshape(-1, model.dimension)
    except (OSError, ValueError, IndexError, NotImplementedError) as error:
        raise ModelError(
            f"The matrix {names[-1]} of {model.path.name} cannot be read: {error}.",
            "Set `parametric` to knn, which does not need it.",
        ) from error
