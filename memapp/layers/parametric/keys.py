"""Remembered tokens under the hidden states that came before them: the datastore of kNN-LM, editable.

Khandelwal et al., Generalization through Memorization (2020). A key is a code of one byte a component, each in units of
the component's own spread, and FAISS compares the codes as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp import device
from memapp.store.states import Coding, Read
from memapp.types import Vectors

LISTS_FROM = 200_000
"""Keys from which only a part of them is searched, by inverted lists."""
NEIGHBOURS = 256
_TRAIN_PER_LIST = 64
_CODES = 127.0
"""Code units of one spread."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest keys of some states, nearest first."""

    distances: Vectors
    """Shape (n, k): squared, the mean over the components, in spreads; infinite where there are fewer keys."""
    tokens: NDArray[np.int32]
    """Shape (n, k): the token that stood after each key; -1 where there are fewer."""
    passages: Rows
    """Shape (n, k)."""


class KeyIndex:
    """Not safe from several threads."""

    def __init__(self, coding: Coding, kind: str = "auto") -> None:
        """`kind` is exact, ivf or auto, which is exact up to LISTS_FROM keys."""
        self._coding = coding
        self._wanted = kind
        self._tokens = np.empty(0, np.int32)
        self._passages = np.empty(0, np.int64)
        self._alive = 0
        self._trained_on = 0
        self.kind = "exact"
        self._index: Any = self._flat()
        self._gpu: Any = None

    def __len__(self) -> int:
        return self._alive

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return int(len(self._tokens) * (self._coding.spread.size + 8 + 4 + 8))

    def to_bytes(self) -> bytes:
        """A safetensors file; making inverted lists anew takes as long as reading many files."""
        import faiss
        from safetensors.numpy import save

        index = faiss.serialize_index(self._index)
        arrays: dict[str, NDArray[Any]] = {"index": index, "tokens": self._tokens, "passages": self._passages}
        return bytes(save({**arrays, "counts": np.array([self._alive, self._trained_on], np.int64)}))

    @classmethod
    def from_bytes(cls, data: bytes, coding: Coding, kind: str) -> KeyIndex:
        """What `to_bytes` wrote of inverted lists. Raises ValueError for another file."""
        import faiss
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(data)
            made = cls(coding, kind)
            made._index, made.kind = faiss.deserialize_index(arrays["index"]), "ivf"
            made._tokens, made._passages = arrays["tokens"], arrays["passages"]
            made._alive, made._trained_on = arrays["counts"].tolist()
        except (SafetensorError, KeyError, RuntimeError) as error:
            raise ValueError(f"it holds no keys: {error}") from error
        if made._index.ntotal != made._alive or made._index.d != len(coding.spread):
            raise ValueError("it holds other keys")
        return made

    def passages(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """The living passages and their tokens, in the order in which they came."""
        starts = np.flatnonzero(np.diff(self._passages, prepend=-2))
        for start, end in zip(starts, [*starts[1:], len(self._passages)], strict=True):
            if self._passages[start] >= 0:
                yield int(self._passages[start]), self._tokens[start:end]

    def add(self, read: Sequence[Read]) -> None:
        """Appends the tokens of passages that are not there yet."""
        if not read:
            return
        codes = np.concatenate([one.codes for one in read])
        first = len(self._tokens)
        self._tokens = np.concatenate([self._tokens, *(one.tokens for one in read)])
        self._passages = np.concatenate([self._passages, *(np.full(len(o.tokens), o.passage) for o in read)])
        self._alive += len(codes)
        self._gpu = None
        ivf = self._wanted == "ivf" or (self._wanted == "auto" and self._alive > LISTS_FROM)
        if ivf and self._alive >= _TRAIN_PER_LIST and (self.kind != "ivf" or self._alive > 2 * self._trained_on):
            self._to_lists(codes, first)
        elif len(codes):
            self._append(self._index, codes, first)

    def remove(self, passages: Iterable[int]) -> None:
        """Removes the tokens of these passages."""
        rows = np.flatnonzero(np.isin(self._passages, np.fromiter(passages, np.int64)))
        if len(rows):
            self._alive -= int(self._index.remove_ids(rows))
            self._passages[rows] = -1
            self._tokens[rows] = -1
            self._gpu = None

    def search(self, states: Vectors, k: int = NEIGHBOURS) -> Neighbours:
        """The k nearest keys of each state; `states` has shape (n, dimension)."""
        wanted = max(1, min(k, self._alive))
        if not self._alive:
            shape = (len(states), 1)
            return Neighbours(np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int32), np.full(shape, -1))
        # Codes, not what they stand for: FAISS cuts off what is behind the point of a query.
        queries = self._coding.encode(states).astype(np.float32)
        distances, rows = self._fastest(wanted).search(queries, wanted)
        found = rows >= 0
        scaled = distances / (states.shape[1] * _CODES * _CODES)
        return Neighbours(
            np.where(found, np.maximum(scaled, 0), np.inf).astype(np.float32),
            np.where(found, self._tokens[rows], -1),
            np.where(found, self._passages[rows], -1),
        )

    def _fastest(self, k: int) -> Any:
        """The index, or its copy on a GPU; faiss-gpu ignores id filters, but the copy holds living keys only."""
        if self.kind != "ivf" or k > 2048 or device.faiss_device().value != "gpu":
            return self._index
        if self._gpu is None:
            import faiss

            resources = faiss.StandardGpuResources()
            self._gpu = resources, faiss.index_cpu_to_gpu(resources, 0, self._index)
        return self._gpu[1]

    def _flat(self) -> Any:
        import faiss

        flat: Any = faiss.IndexScalarQuantizer(len(self._coding.spread), faiss.ScalarQuantizer.QT_8bit_direct)
        return faiss.IndexIDMap2(flat)

    def _to_lists(self, codes: NDArray[np.uint8], first: int) -> None:
        """Trains inverted lists on all keys and moves these there."""
        import faiss

        held, rows = self._held()
        held, rows = np.concatenate([held, codes]), np.concatenate([rows, np.arange(first, first + len(codes))])
        dimension = held.shape[1]
        lists = max(1, min(int(2 * len(held) ** 0.5), len(held) // _TRAIN_PER_LIST))
        self._quantizer = faiss.IndexFlatL2(dimension)
        index: Any = faiss.IndexIVFScalarQuantizer(
            self._quantizer, dimension, lists, faiss.ScalarQuantizer.QT_8bit_direct, faiss.METRIC_L2, False
        )
        index.nprobe = max(8, lists // 48)
        sample = held[:: max(1, len(held) // (_TRAIN_PER_LIST * lists))]
        index.train(sample.astype(np.float32))
        self.kind, self._index, self._trained_on = "ivf", index, self._alive
        step = 65_536
        for start in range(0, len(held), step):
            self._append(index, held[start : start + step], rows[start : start + step])

    def _held(self) -> tuple[NDArray[np.uint8], Rows]:
        """The living codes and their rows."""
        import faiss

        if self.kind == "exact":
            flat: Any = faiss.downcast_index(self._index.index)
            codes = faiss.vector_to_array(flat.codes).reshape(-1, len(self._coding.spread))
            return codes, faiss.vector_to_array(self._index.id_map)
        lists = self._index.invlists
        parts: list[NDArray[np.uint8]] = []
        rows: list[Rows] = []
        for number in range(self._index.nlist):
            size = lists.list_size(number)
            if size:
                raw = faiss.rev_swig_ptr(lists.get_codes(number), size * lists.code_size)
                parts.append(raw.reshape(size, -1).copy())
                rows.append(faiss.rev_swig_ptr(lists.get_ids(number), size).copy())
        return np.concatenate(parts), np.concatenate(rows)

    def _append(self, index: Any, codes: NDArray[np.uint8], rows: int | Rows) -> None:
        ids = np.arange(rows, rows + len(codes)) if isinstance(rows, int) else rows
        index.add_with_ids(codes.astype(np.float32), ids.astype(np.int64))
