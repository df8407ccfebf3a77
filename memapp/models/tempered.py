"""States of passages under an attention temperature: their keys are divided by it, so that they draw less attention.

What follows passages that were read apart attends too much to those that only distract. APE (Yang et al., 2025) gives
all of them one temperature; here each has its own. It is put into the bytes that llama.cpp writes, before keys are
turned to other positions, which it does not touch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC, _STREAMS = 0xAF143CD8, 1
"""What llama.cpp writes of a sequence begins with the former and the sequence's number; one stream holds all cells."""
_FORMS = {1: np.dtype("<u2"), 8: np.dtype([("scale", "<u2"), ("values", "i1", 32)])}
"""By llama.cpp's number: half precision, and q8_0, 32 numbers under one scale; halves as their bits."""


def tempered(state: bytes, temperature: float) -> bytes | None:
    """The state with its keys divided by `temperature`, rounded; None where it is not written as is known here."""
    if temperature == 1.0:
        return state
    found, divided = bytearray(state), _divided(temperature)
    try:
        for form, start, end in list(_keys(state)):
            part = np.frombuffer(found, form, (end - start) // form.itemsize, start)
            halves = part if form.names is None else part["scale"]
            halves[:] = divided[halves]
    except (struct.error, KeyError):
        return None
    return bytes(found)


def _divided(temperature: float) -> NDArray[np.uint16]:
    """What becomes of each half, by its bits: looked up faster than computed."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    with np.errstate(all="ignore"):
        return (halves.astype(np.float32) / temperature).astype(np.float16).view(np.uint16)


def _keys(state: bytes) -> Iterator[tuple[np.dtype[Any], int, int]]:
    """Form, start and end of the keys of each layer. Raises KeyError or struct.error where anything is unexpected."""
    at = 0

    def read(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(form, state, at)
        at += struct.calcsize(form)
        return int(value)

    magic, _, streams = read("<I"), read("<i"), read("<I")
    if (magic, streams) != (_MAGIC, _STREAMS):
        raise KeyError("another form of state")
    cells = read("<I")
    for _ in range(cells):
        read("<i")
        owners = read("<I")
        at += 4 * owners
    turned, layers = read("<I"), read("<I")
    for _ in range(layers):
        form, size = _FORMS[read("<i")], cells * read("<Q")
        yield form, at, at + size
        at += size
    for _ in range(layers):
        read("<i")
        row = read("<I") * read("<I") if turned else read("<Q")
        at += cells * row
    if at != len(state):
        raise KeyError("more than keys and values")
