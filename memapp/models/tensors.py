"""Where tensors lie in a GGUF file."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies in a GGUF file."""

    offset: int
    bytes: int
    form: int
    """Its type by llama.cpp's number."""


class _GgufParams(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


def find(lib: ModuleType, path: Path, names: Sequence[str]) -> Place | None:
    """The place of the first of these tensors; None when the file holds none of them."""
    calls: Any = lib._lib
    init, free = calls.gguf_init_from_file, calls.gguf_free
    init.restype, init.argtypes = ctypes.c_void_p, [ctypes.c_char_p, _GgufParams]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    search = calls.gguf_find_tensor
    search.restype, search.argtypes = ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p]
    asked = {"gguf_get_data_offset": 1, "gguf_get_tensor_offset": 2, "gguf_get_tensor_size": 2}
    for name, count in {**asked, "gguf_get_tensor_type": 2}.items():
        function = getattr(calls, name)
        function.restype = ctypes.c_size_t if name in asked else ctypes.c_int
        function.argtypes = [ctypes.c_void_p, ctypes.c_int64][:count]
    file = init(os.fsencode(path), _GgufParams(True, None))
    if not file:
        return None
    try:
        for name in names:
            at = search(file, name.encode())
            if at >= 0:
                offset = calls.gguf_get_data_offset(file) + calls.gguf_get_tensor_offset(file, at)
                size = calls.gguf_get_tensor_size(file, at)
                return Place(offset, size, calls.gguf_get_tensor_type(file, at))
        return None
    finally:
        free(file)
