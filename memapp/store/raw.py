"""The bytes of files as they lie on the disk, read beside SQLite without disturbing its locks.

POSIX drops every lock that a process holds on a file when it closes any descriptor of that file
(sqlite.org/howtocorrupt.html, 2.2). Another process would then take the store for unused and delete
the write-ahead log from under this one. So a database's file stays open until the last user
in this process has closed its connections.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

_BLOCK = 1 << 22

Key = tuple[int, int]
"""Device and inode."""

_lock = threading.Lock()
_users: Counter[Key] = Counter()
_kept: dict[Key, FileIO] = {}


def enter(path: Path) -> Key:
    """Counts a user of a database; its connections may be opened from now on."""
    state = path.stat()
    key = (state.st_dev, state.st_ino)
    with _lock:
        _users[key] += 1
    return key


def leave(key: Key) -> None:
    """The user that `enter` counted has closed its connections."""
    with _lock:
        _users[key] -= 1
        if _users[key] <= 0:
            del _users[key]
            if key in _kept:
                _kept.pop(key).close()


def head(path: Path, size: int) -> bytes:
    """The first bytes of a file."""
    return stretch(path, 0, size)


def stretch(path: Path, offset: int, size: int) -> bytes:
    """Some bytes from the middle of a file."""
    file, ours = _open(path)
    try:
        return _read(file, offset, size)
    finally:
        if ours:
            file.close()


def blocks(path: Path, overlap: int = 0) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each stretch of 4 MB, with `overlap` bytes of the next; a file may change meanwhile."""
    file, ours = _open(path)
    try:
        offset = 0
        while block := _read(file, offset, _BLOCK + overlap):
            yield offset, block
            offset += _BLOCK
    finally:
        if ours:
            file.close()


def _open(path: Path) -> tuple[FileIO, bool]:
    """The file, and whether the one who asked for it is to close it."""
    state = path.stat()
    key = (state.st_dev, state.st_ino)
    with _lock:
        if key not in _users:
            return FileIO(path), True
        if key not in _kept:
            _kept[key] = FileIO(path)
        return _kept[key], False


def _read(file: FileIO, offset: int, size: int) -> bytes:
    with _lock:
        file.seek(offset)
        return file.read(size) or b""
