"""Makes erased text leave the files, and proves it.

Whoever erases calls `debt.owe` in the same transaction; `scrub` pays: FTS5 only marks words as deleted
until it is optimized, secure_delete zeroes deleted rows but not the copies that stay behind when
SQLite moves rows between pages, and the write-ahead log holds older pages until it is emptied.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.store import bank, content, debt, fulltext, kv, raw, states
from memapp.store.engine import Database
from memapp.types import Check

_WAIT_MS = 100
_WINDOW = 16
"""Bytes of a needle that are compared by value first; the rest by text."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
_NEEDLE = 48
_CONTENT = re.compile(rb"[^\x00-\x1f]{8}")
"""What a cell leaves behind; left-over cell pointers have a small number in every other byte."""
_BTREE_HEADERS = {2: 12, 5: 12, 10: 8, 13: 8}
"""Length of the header by kind of page; other pages have no space between rows."""


def scrub(database: Database, seconds: float) -> bool:
    """Removes every trace of what was erased, if anything was. Files that layers derived go too, but for a network
    that had learned nothing of it and the states and soft tokens of passages that stay.

    False when another process kept reading an older state for `seconds`; the next scrub will do it.
    """
    with database.reading() as connection:
        debts = debt.owed(connection)
        whole = [number for number in debts if states.network_to_keep(connection, number)]
        alive = [kv.of_living(connection, kv.folder(database.derived, number), number) for number in debts]
        living = functools.partial(content.living, connection)
        alive += [bank.of_living(database.derived(number), functools.partial(living, number)) for number in debts]
    networks = [database.derived(number) / states.NETWORK for number in whole]
    kept = {*networks, *(path.with_suffix(".json") for path in networks)}.union(*alive)
    if not debts:
        return True
    for path in files(map(database.derived, debts)):
        if path not in kept:
            path.unlink(missing_ok=True)
    with database.writing() as connection:
        for namespace in debts:
            fulltext.optimize(connection, namespace)
            if fulltext.worn(connection, namespace):
                content.reindex(connection, namespace)
    if not _emptied(database, seconds):
        return False
    if leftovers(database.path):
        with database.unbound() as connection:
            connection.execute("VACUUM")
        if not _emptied(database, seconds):
            return False
    with database.writing() as connection:
        debt.pay(connection, debts)
    return True


def _emptied(database: Database, seconds: float) -> bool:
    """Whether the write-ahead log could be emptied. Tries shortly and often, so that no writer waits for a reader."""
    deadline = time.monotonic() + seconds
    with database.unbound() as connection, _impatient(connection):
        while True:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)


@contextmanager
def _impatient(connection: Any) -> Iterator[None]:
    """A connection that waits for readers so shortly that writers, who wait for it meanwhile, hardly notice."""
    patience = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout = {_WAIT_MS}").fetchone()
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}").fetchone()


def leftovers(path: Path) -> int:
    """Pages of a database with content in the space between rows, where nothing refers to it.

    Those that define tables do not count: VACUUM itself leaves copies there, and they say nothing of anybody.
    """
    size = int.from_bytes(raw.head(path, 18)[16:], "big")
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1):
        return 0
    found = {
        (offset + at) // size + 1
        for offset, block in raw.blocks(path)
        for at in range(0, len(block), size)
        if _CONTENT.search(_between(block[at : at + size], 100 if offset + at == 0 else 0))
    }
    return len(found - _defining(path, size)) if found else 0


def _defining(path: Path, size: int) -> set[int]:
    """The pages of the table that defines all others: its root is the first page."""
    pages: set[int] = set()
    waiting = [1]
    while waiting:
        number = waiting.pop()
        if number in pages:
            continue
        pages.add(number)
        page = raw.stretch(path, (number - 1) * size, size)
        head = 100 if number == 1 else 0
        if page[head : head + 1] == b"\x05":  # an inner node of a table
            cells = range(head + 12, head + 12 + 2 * int.from_bytes(page[head + 3 : head + 5], "big"), 2)
            children = [int.from_bytes(page[cell : cell + 2], "big") for cell in cells]
            waiting += [int.from_bytes(page[child : child + 4], "big") for child in children]
            waiting.append(int.from_bytes(page[head + 8 : head + 12], "big"))
    return pages


def _between(page: bytes, header: int) -> bytes:
    """The bytes between the pointers to the rows and the rows; empty for a page that holds no rows."""
    length = _BTREE_HEADERS.get(page[header])
    if length is None:
        return b""
    rows = int.from_bytes(page[header + 3 : header + 5], "big")
    start = int.from_bytes(page[header + 5 : header + 7], "big") or 65536
    return page[header + length + 2 * rows : start]


def prove(paths: Iterable[Path], texts: Iterable[str], excused: Callable[[bytes], bool]) -> Check:
    """A byte search for these texts over every file at or below these paths.

    `excused` tells of what was found whether something that is still remembered says the same.
    """
    needles = {needle for text in texts for needle in _needles(text)}
    # The index of the write-ahead log holds numbers only, and reading it would drop the locks on it.
    searched = [path for path in files(paths) if not path.name.endswith("-shm")]
    found = [
        f"{path.name}: {needle[:40].decode(errors='replace')!r}"
        for path in searched
        for needle in traces(path, needles)
        if not excused(needle)
    ]
    if found:
        return Check(
            "no trace", False, f"Found again in {found[0]} and {len(found) - 1} more.", "Run `memapp verify` again."
        )
    size = sum(path.stat().st_size for path in searched)
    return Check(
        "no trace", True, f"{len(needles)} stretches of text looked for in {len(searched)} files, {size:,} bytes."
    )


def traces(path: Path, needles: Iterable[bytes]) -> list[bytes]:
    """Those of `needles` that occur in the file; each must be at least 16 bytes long."""
    by_start: dict[bytes, list[bytes]] = {}
    longest = 0
    for needle in needles:
        by_start.setdefault(needle[:_WINDOW], []).append(needle)
        longest = max(longest, len(needle))
    if not by_start:
        return []
    starts = np.frombuffer(b"".join(by_start), np.uint8).reshape(-1, _WINDOW)
    beginnings = np.zeros(1 << 24, dtype=bool)
    beginnings[_threes(starts.ravel())[::_WINDOW]] = True
    keys = np.sort(_keys(starts))
    found: set[bytes] = set()
    for _, block in raw.blocks(path, longest):
        for offset in _candidates(block, beginnings, keys):
            for needle in by_start.get(block[offset : offset + _WINDOW], ()):
                if block.startswith(needle, offset):
                    found.add(needle)
    return sorted(found)


def _candidates(block: bytes, beginnings: NDArray[np.bool_], keys: NDArray[np.uint64]) -> list[int]:
    """Offsets at which a needle may begin: its first three bytes are there, then something with the same key."""
    data = np.frombuffer(block, dtype=np.uint8)
    if len(data) < _WINDOW:
        return []
    likely = np.flatnonzero(beginnings[_threes(data)[: len(data) - _WINDOW + 1]])
    values = _keys(np.lib.stride_tricks.sliding_window_view(data, _WINDOW)[likely])
    at = np.minimum(np.searchsorted(keys, values), len(keys) - 1)
    return [int(offset) for offset in likely[keys[at] == values]]


def _threes(data: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Each three bytes in a row as one number."""
    wide = data.astype(np.int32)
    return wide[:-2] | (wide[1:-1] << 8) | (wide[2:] << 16)


def _keys(windows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """One number for each row of 16 bytes."""
    halves = np.ascontiguousarray(windows).view("<u8")
    return np.asarray(halves[:, 0] * _ODD + halves[:, 1], np.uint64)


def _needles(text: str) -> Iterator[bytes]:
    """Stretches of a text that identify it: from its beginning, its middle and its end."""
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) < _WINDOW:
        return
    for start in {0, max(0, len(encoded) // 2 - _NEEDLE // 2), max(0, len(encoded) - _NEEDLE)}:
        yield encoded[start : start + _NEEDLE]


def files(folders: Iterable[Path]) -> Iterator[Path]:
    """Every file at or below these paths."""
    for folder in folders:
        if folder.is_file():
            yield folder
        elif folder.is_dir():
            yield from (path for path in sorted(folder.rglob("*")) if path.is_file())
