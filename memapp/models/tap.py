"""Reads a tensor out of llama.cpp's computation by its name, and ends the computation there.

The evaluation callback is asked about every node of the graph, which costs as much as a token takes to write, so only
contexts that read whole windows have one.
"""

from __future__ import annotations

import ctypes
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memapp.types import Vectors

FINAL = "result_norm"
"""The normalised state that the output matrix is applied to."""


class Tap:
    """Holds what the named tensor was, row after row, until it is taken."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._wanted = name.encode()
        self._rows: list[Vectors] = []

    def install(self, params: Any, lib: ModuleType) -> None:
        """Makes a context of these parameters end every computation after the tensor; the tap must outlive it."""
        calls: Any = lib._lib
        get_name, size, get = calls.ggml_get_name, calls.ggml_nbytes, calls.ggml_backend_tensor_get
        get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
        size.restype, size.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
        get.restype, get.argtypes = None, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]

        def evaluated(tensor: int, ask: bool, _: object) -> bool:
            if get_name(tensor) != self._wanted:
                return not ask
            if not ask:
                self._rows.append(_copied(tensor, size(tensor), get))
            return ask

        self._callback = lib.ggml_backend_sched_eval_callback(evaluated)
        params.cb_eval = self._callback

    def take(self, dimension: int) -> Vectors | None:
        """The rows since the last call, shape (n, dimension); None when there was no such tensor."""
        import numpy as np

        rows, self._rows = self._rows, []
        return np.concatenate(rows).reshape(-1, dimension) if rows else None


def _copied(tensor: int, size: int, get: Any) -> Vectors:
    import numpy as np

    copy = np.empty(size // 4, np.float32)
    get(tensor, copy.ctypes.data, 0, size)
    return copy
