"""Makes erased text leave the files, and proves it.

Deleted rows are zeroed in the database (secure_delete), but the write-ahead log still holds older
pages until a checkpoint empties it.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memapp.store.engine import Database
from memapp.types import Check

_WINDOW = 16
"""Bytes of a needle that are compared by value first; the rest by text."""
_BLOCK = 1 << 22


def scrub(database: Database, seconds: float) -> bool:
    """Empties the write-ahead log; False when another process kept reading an older state for `seconds`."""
    deadline = time.monotonic() + seconds
    with database.unbound() as connection:
        while True:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)


def prove(folders: Iterable[Path], texts: Iterable[str]) -> Check:
    """A byte search for these texts over every file below these folders or at these paths."""
    needles = {needle for text in texts for needle in _needles(text)}
    searched = list(files(folders))
    found = [
        f"{path.name}: {needle[:40].decode(errors='replace')!r}"
        for path in searched
        for needle in traces(path, needles)
    ]
    if found:
        return Check(
            "no trace", False, f"Found again in {found[0]} and {len(found) - 1} more.", "Run the forget again."
        )
    size = sum(path.stat().st_size for path in searched)
    return Check(
        "no trace", True, f"{len(needles)} stretches of text looked for in {len(searched)} files, {size:,} bytes."
    )


def traces(path: Path, needles: Iterable[bytes]) -> list[bytes]:
    """Those of `needles` that occur in the file; each must be at least 16 bytes long."""
    by_start: dict[tuple[int, int], list[bytes]] = {}
    for needle in needles:
        low, high = np.frombuffer(needle[:_WINDOW], dtype="<u8")
        by_start.setdefault((int(low), int(high)), []).append(needle)
    if not by_start or path.stat().st_size < _WINDOW:
        return []
    lows = np.array(sorted({low for low, _ in by_start}), dtype=np.uint64)
    found: set[bytes] = set()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for offset in _candidates(data, lows):
            low, high = np.frombuffer(data[offset : offset + _WINDOW].ljust(_WINDOW, b"\0"), dtype="<u8")
            for needle in by_start.get((int(low), int(high)), ()):
                if data[offset : offset + len(needle)] == needle:
                    found.add(needle)
    return sorted(found)


def _candidates(data: mmap.mmap, lows: NDArray[np.uint64]) -> Iterator[int]:
    """Offsets at which eight bytes equal one of `lows`."""
    table = np.zeros(1 << 16, dtype=bool)
    table[lows & np.uint64(0xFFFF)] = True
    for start in range(0, len(data) - 7, _BLOCK):
        block = np.frombuffer(data[start : start + _BLOCK + 7], dtype=np.uint8)
        pairs = block[:-1].astype(np.uint16) | (block[1:].astype(np.uint16) << 8)
        likely = np.flatnonzero(table[pairs[: max(len(block) - 7, 0)]])
        windows = np.lib.stride_tricks.sliding_window_view(block, 8)[likely]
        values = np.ascontiguousarray(windows).view("<u8").ravel()
        at = np.minimum(np.searchsorted(lows, values), len(lows) - 1)
        yield from (int(start + offset) for offset in likely[lows[at] == values])


def _needles(text: str) -> Iterator[bytes]:
    """Stretches of a text that identify it: from its beginning, its middle and its end."""
    encoded = text.encode("utf-8", "surrogatepass")
    length = 48
    if len(encoded) < _WINDOW:
        return
    for start in {0, max(0, len(encoded) // 2 - length // 2), max(0, len(encoded) - length)}:
        yield encoded[start : start + length]


def files(folders: Iterable[Path]) -> Iterator[Path]:
    """Every file at or below these paths."""
    for folder in folders:
        if folder.is_file():
            yield folder
        elif folder.is_dir():
            yield from (path for path in sorted(folder.rglob("*")) if path.is_file())
