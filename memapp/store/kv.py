"""Keys and values that the chat model made of passages, as files: read once, used until the budget drops them.

A file is named after its passage, so that forgetting finds it, and after all that its content depends on. It is written
whole or not at all, and checked when it is read; two processes may share a folder.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from memapp.errors import StoreError
from memapp.protocols import StateKey
from memapp.store import content
from memapp.store.log import Store
from memapp.types import Check

FOLDER = "kv"
_SUFFIX = ".kv"
_MAGIC = b"memappkv"
_DIGEST = 32
_log = logging.getLogger(__name__)


class PassageStates:
    """States of the passages of one namespace: the newest in memory, the others on disk, each within a budget."""

    def __init__(self, store: Store, disk_bytes: int, memory_bytes: int) -> None:
        """A budget of 0 keeps none there."""
        self._store = store
        self._disk = disk_bytes
        self._memory = memory_bytes
        self._near: OrderedDict[StateKey, bytes] = OrderedDict()
        self._head = -1
        self._lock = threading.Lock()

    def get(self, key: StateKey) -> bytes | None:
        """The state; None when it is not there. A file that is not the one that was written is removed."""
        self._drop_forgotten()
        with self._lock:
            if key in self._near:
                self._near.move_to_end(key)
                return self._near[key]
        path = self._path(key)
        try:
            data = path.read_bytes()
            _touch(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s cannot be read, so the passage is read anew: %s", path, error)
            return None
        state = _opened(path.name, data)
        if state is None:
            _log.warning("%s is damaged; it is removed, and the passage is read anew.", path)
            path.unlink(missing_ok=True)
            return None
        self._keep_near(key, state)
        return state

    def put(self, key: StateKey, state: bytes) -> None:
        """Keeps the state where there is room and its passage lives; what was used longest ago goes for it."""
        if not self._lives(key.passage):
            return
        self._keep_near(key, state)
        size = len(_MAGIC) + _DIGEST + len(state)
        if size > self._disk:
            return
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make_room(path.parent, self._disk - size)
            _write(path, _closed(path.name, state))
        except OSError as error:
            _log.warning("%s is not saved: %s", path, error)
            return
        # It may have been forgotten meanwhile, when the file was not there to be removed.
        if not self._lives(key.passage):
            self.drop(key)

    def drop(self, key: StateKey) -> None:
        """Removes the state."""
        with self._lock:
            self._near.pop(key, None)
        self._path(key).unlink(missing_ok=True)

    def empty_memory(self) -> None:
        """Keeps nothing in memory any more; files stay."""
        with self._lock:
            self._near.clear()

    def _keep_near(self, key: StateKey, state: bytes) -> None:
        with self._lock:
            self._near[key] = state
            self._near.move_to_end(key)
            while sum(map(len, self._near.values())) > self._memory:
                self._near.popitem(last=False)

    def _drop_forgotten(self) -> None:
        """Another process may have forgotten passages whose states are in this one's memory."""
        head = self._store.head()
        with self._lock:
            if head == self._head:
                return
            self._head, known = head, list(self._near)
        for key in known:
            if not self._lives(key.passage):
                with self._lock:
                    self._near.pop(key, None)

    def _lives(self, passage: int) -> bool:
        try:
            with self._store.database.reading() as connection:
                return bool(content.living(connection, self._store.number(), passage))
        except StoreError:
            return False  # a store that was closed or is busy: the state is made again another time

    def _path(self, key: StateKey) -> Path:
        name = hashlib.sha256(f"{self._store.namespace}\n{key.sha256}".encode()).hexdigest()
        return folder(self._store.database.derived, self._store.number()) / f"{key.passage}-{name}{_SUFFIX}"


def folder(derived: Callable[[int], Path], number: int) -> Path:
    """Where the files of a namespace are."""
    return derived(number) / FOLDER


def of_living(connection: sa.Connection, place: Path, number: int) -> set[Path]:
    """The files in the folder `place` whose passages live."""
    found = list(_files(place))
    alive = content.living(connection, number) if found else set()
    return {path for path in found if _passage(path) in alive}


def check(store: Store) -> Check:
    """Whether every file is of a passage that lives, and is what was written."""
    place = folder(store.database.derived, store.number())
    found = list(_files(place))
    with store.database.reading() as connection:
        kept = of_living(connection, place, store.number())
    stale = [path for path in found if path not in kept and path.exists()]
    damaged = [path for path in kept if not _sound(path)]
    if stale or damaged:
        message = f"{len(stale)} files are of forgotten passages, {len(damaged)} are damaged."
        return Check("states of passages", False, message, f"Remove {place}; it is made anew.")
    return Check("states of passages", True, f"{len(kept)} files, all of passages that live.")


def _sound(path: Path) -> bool:
    try:
        return _opened(path.name, path.read_bytes()) is not None
    except FileNotFoundError:
        return True


def _files(place: Path) -> Iterator[Path]:
    yield from (path for path in place.glob(f"*{_SUFFIX}") if path.is_file())


def _passage(path: Path) -> int:
    number, _, _ = path.name.partition("-")
    return int(number) if number.isdecimal() else -1


def _closed(name: str, state: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(name.encode() + state).digest() + state


def _opened(name: str, data: bytes) -> bytes | None:
    digest, state = data[len(_MAGIC) : len(_MAGIC) + _DIGEST], data[len(_MAGIC) + _DIGEST :]
    sound = data.startswith(_MAGIC) and hashlib.sha256(name.encode() + state).digest() == digest
    return state if sound else None


def _write(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, suffix=".part", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            _touch(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _touch(path: Path) -> None:
    """Notes the use of a file, more finely than file systems do by themselves."""
    now = time.time_ns()
    os.utime(path, ns=(now, now))


def _make_room(place: Path, room: int) -> None:
    """Removes the files that were used longest ago until all take at most `room` bytes."""
    aged = []
    for path in _files(place):
        try:
            status = path.stat()
        except FileNotFoundError:  # another process made room
            continue
        aged.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in aged)
    for _, size, path in sorted(aged):
        if total <= room:
            return
        path.unlink(missing_ok=True)
        total -= size
