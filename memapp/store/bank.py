"""The bank: what the model keeps of each passage, in files that a reader of safetensors opens.

A file has a fixed number of rows, so an entry is written, and wiped, in its place: forgetting one takes the same time
however many there are, and leaves none of its bytes. Which rows are taken stands in the file itself.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.errors import StatesMismatch
from memapp.types import Vectors

ROWS = 512
"""Entries of a file, of 14 MB with the default model."""
STAMP = "bank.stamp"
"""Tells what the files were made from, see `memapp.store.derived`."""
_FILES = "bank-*.safetensors"
_EMPTY = -1
_KINDS = {"I8": np.int8, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U32": np.uint32}


@dataclass(frozen=True, slots=True)
class Form:
    """What must agree before two entries may be read by one model."""

    identity: str
    """Of the model and the encoder."""
    tokens: int
    """Most soft tokens of an entry."""
    width: int

    @property
    def entry_bytes(self) -> int:
        """Bytes of an entry."""
        return self.tokens * (self.width + 2) + 16


@dataclass(frozen=True, slots=True)
class Entry:
    """What the bank holds of one passage."""

    passage: int
    soft: Vectors
    """Shape (tokens, width): at most the form's number of tokens."""


Keys = Callable[[Sequence[int]], Vectors]
"""Passages to the unit vectors that they are found by, a row each. They are the store's, so the bank keeps none."""


class Bank:
    """Entries by passage. Used by one thread at a time; several processes may hold one folder, see `_writing`."""

    def __init__(self, folder: Path, form: Form, keys: Keys) -> None:
        """Opens the folder, or begins it. Raises StatesMismatch for files that are not whole or of another form."""
        self.folder, self.form, self._keys_of = folder, form, keys
        self._files: list[dict[str, NDArray[Any]]] = []
        self._places: dict[int, tuple[int, int]] = {}
        self._free: list[tuple[int, int]] = []
        self._keyed: tuple[NDArray[np.int64], Vectors] = np.empty(0, np.int64), np.empty((0, 0), np.float32)
        """Passages, ascending, and their keys, as they were when last asked for."""
        self._changed = True
        self._seen: tuple[int, ...] = ()
        """By file, how many times it had been written to when this object last looked."""
        self.refresh()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, passage: int) -> bool:
        return passage in self._places

    @property
    def passages(self) -> Iterator[int]:
        """Those that have an entry."""
        return iter(self._places)

    @property
    def size(self) -> int:
        """Bytes of its entries."""
        return len(self) * self.form.entry_bytes

    def put(self, entries: Iterable[Entry]) -> None:
        """Adds entries, or replaces those of the same passages."""
        with self._writing() as touched:
            for entry in entries:
                self._wipe(entry.passage)
                file, row = self._room()
                steps, codes = coded(entry.soft)
                arrays = self._files[file]
                arrays["codes"][row, : len(codes)] = codes
                arrays["steps"][row, : len(codes)] = steps
                arrays["counts"][row] = len(codes)
                arrays["sums"][row] = _sum(arrays, row, entry.passage)
                # Last, so that a row that a kill left half written is a free one.
                arrays["passages"][row] = entry.passage
                self._places[entry.passage] = file, row
                touched.add(file)

    def forget(self, passages: Iterable[int]) -> int:
        """Wipes entries where they stand; how many there were."""
        with self._writing() as touched:
            gone = [file for passage in passages if (file := self._wipe(passage)) is not None]
            touched.update(gone)
        return len(gone)

    def refresh(self) -> None:
        """Looks whether another process has written. Raises StatesMismatch as opening does."""
        paths = sorted(self.folder.glob(_FILES))
        self._files += [_opened(path, self.form) for path in paths[len(self._files) :]]
        seen = tuple(int(arrays["writes"][0]) for arrays in self._files)
        if seen == self._seen:
            return
        self._seen, self._changed, self._places, self._free = seen, True, {}, []
        for file in range(len(self._files) - 1, -1, -1):
            passages = self._files[file]["passages"].tolist()
            self._free += [(file, row) for row in range(ROWS - 1, -1, -1) if passages[row] == _EMPTY]
            self._places |= {passage: (file, row) for row, passage in enumerate(passages) if passage != _EMPTY}

    @contextmanager
    def _writing(self) -> Iterator[set[int]]:
        """Held while rows change; yields the set of files that were touched, for the others to look again."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self.folder):
            self.refresh()
            touched: set[int] = set()
            try:
                yield touched
            finally:
                for file in touched:
                    self._files[file]["writes"][0] += 1
                self._seen = tuple(int(arrays["writes"][0]) for arrays in self._files)
                self._changed = self._changed or bool(touched)

    def _wipe(self, passage: int) -> int | None:
        """The file that it stood in; None when it was not there."""
        place = self._places.pop(passage, None)
        if place is None:
            return None
        file, row = place
        for name, array in self._files[file].items():
            if name != "writes":
                array[row] = _EMPTY if name == "passages" else 0
        self._free.append(place)
        return file

    def get(self, passages: Sequence[int]) -> list[Vectors]:
        """Soft tokens, shape (tokens, width) each, float32. Raises KeyError for a passage without an entry, and
        StatesMismatch for an entry that is not what was written; forget that one and encode it again."""
        found = []
        for passage in passages:
            file, row = self._places[passage]
            arrays = self._files[file]
            if arrays["sums"][row] != _sum(arrays, row, passage):
                raise StatesMismatch(f"The entry of passage {passage} is damaged.", "Run `memapp rebuild amortized`.")
            count = int(arrays["counts"][row])
            steps = arrays["steps"][row, :count].astype(np.float32)
            found.append(arrays["codes"][row, :count] * steps[:, None])
        return found

    def nearest(self, vector: Vectors, k: int) -> list[tuple[int, float]]:
        """The k entries whose keys are most like a unit vector, with their cosines; ties by passage."""
        if not self._places:
            return []
        passages, keys = self._with_keys()
        scores = keys @ np.asarray(vector, np.float32)
        best = np.argpartition(-scores, min(k, len(scores)) - 1)[:k]
        ranked = sorted(best.tolist(), key=lambda row: (-scores[row], passages[row]))
        return [(int(passages[row]), float(scores[row])) for row in ranked]

    def flush(self) -> None:
        """Makes what was put and forgotten survive a failure of the power."""
        for arrays in self._files:
            for array in arrays.values():
                if isinstance(array, np.memmap):
                    array.flush()

    def clear(self) -> None:
        """Removes everything, files too."""
        self._files, self._places, self._free, self._changed, self._seen = [], {}, [], True, ()
        remove(self.folder)

    def _with_keys(self) -> tuple[NDArray[np.int64], Vectors]:
        if self._changed:
            known, keys = self._keyed
            passages = np.sort(np.fromiter(self._places, np.int64, len(self._places)))
            new = np.setdiff1d(passages, known, assume_unique=True)
            kept = np.isin(known, passages, assume_unique=True)
            parts = [keys[kept], np.asarray(self._keys_of(new.tolist()), np.float32)]
            together = np.concatenate([part for part in parts if len(part)])
            self._keyed = passages, together[np.argsort(np.concatenate([known[kept], new]))]
            self._changed = False
        return self._keyed

    def _room(self) -> tuple[int, int]:
        if not self._free:
            path = self.folder / f"bank-{len(self._files):05d}.safetensors"
            _begin(path, self.form)
            self._files.append(_opened(path, self.form))
            self._free = [(len(self._files) - 1, row) for row in range(ROWS - 1, -1, -1)]
        return self._free.pop()


def remove(folder: Path) -> None:
    """Removes the files of a folder, and what a kill left half begun."""
    for path in folder.glob(f"{_FILES}*"):
        path.unlink(missing_ok=True)


def of_living(folder: Path, alive: Callable[[], set[int]]) -> set[Path]:
    """Wipes the entries of what does not live, whichever model they are for; the files that may then stay."""
    paths = sorted(folder.glob(_FILES))
    if not paths:
        return set()
    try:
        bank = Bank(folder, _form(paths[0]), _unasked)
    except StatesMismatch:
        return set()
    bank.forget(set(bank.passages) - alive())
    bank.flush()
    stamp = folder / STAMP
    return {*paths, stamp, stamp.with_suffix(".json")}


def _unasked(_: Sequence[int]) -> Vectors:
    raise AssertionError("nothing is looked for")


def coded(soft: Vectors) -> tuple[NDArray[np.float16], NDArray[np.int8]]:
    """Soft tokens in 8 bits: a step for each, shape (n,), and how many of it each component is, shape (n, width)."""
    largest = np.abs(soft).max(axis=1)
    # Rounded up to a half-precision number, so that no component falls beyond the last step.
    steps = np.nextafter(np.maximum(largest / 127, 1e-7).astype(np.float16), np.float16(np.inf))
    return steps, np.rint(soft / steps.astype(np.float32)[:, None]).astype(np.int8)


def _sum(arrays: dict[str, NDArray[Any]], row: int, passage: int) -> int:
    """What tells a damaged entry from a whole one."""
    start = zlib.crc32(f"{passage} {int(arrays['counts'][row])}".encode())
    return zlib.crc32(arrays["steps"][row].tobytes(), zlib.crc32(arrays["codes"][row].tobytes(), start))


# Files


def _tensors(form: Form) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        "passages": ("I64", (ROWS,)),
        "writes": ("I64", (1,)),
        "counts": ("I32", (ROWS,)),
        "codes": ("I8", (ROWS, form.tokens, form.width)),
        "steps": ("F16", (ROWS, form.tokens)),
        "sums": ("U32", (ROWS,)),
    }


def _form(path: Path) -> Form:
    """The form of a file. Raises StatesMismatch when it is not whole."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        text = file.read(min(size, path.stat().st_size))
    try:
        described = json.loads(text)
        _, tokens, width = described["codes"]["shape"]
        return Form(str(described["__metadata__"]["identity"]), int(tokens), int(width))
    except (ValueError, KeyError, TypeError) as error:
        raise StatesMismatch(f"{path} is not a bank.", "Run `memapp rebuild amortized` to make it anew.") from error


def _header(form: Form) -> tuple[bytes, dict[str, int]]:
    """The file's beginning and where each tensor starts in the file."""
    described: dict[str, Any] = {"__metadata__": {"identity": form.identity, "kind": "memapp bank"}}
    offsets: dict[str, int] = {}
    at = 0
    for name, (kind, shape) in _tensors(form).items():
        size = int(np.prod(shape)) * np.dtype(_KINDS[kind]).itemsize
        described[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + size]}
        offsets[name] = at
        at += size
    text = json.dumps(described).encode()
    text += b" " * (-(8 + len(text)) % 64)
    start = 8 + len(text)
    return len(text).to_bytes(8, "little") + text, {name: start + at for name, at in offsets.items()} | {"": start + at}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time, where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _begin(path: Path, form: Form) -> None:
    """Writes an empty file, whole or not at all; its rows take no room on the disk until they are used."""
    head, offsets = _header(form)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".safetensors.part")
    with part.open("wb") as file:
        file.write(head)
        file.seek(offsets["passages"])
        file.write(np.full(ROWS, _EMPTY, np.int64).tobytes())
        file.truncate(offsets[""])
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _opened(path: Path, form: Form) -> dict[str, NDArray[Any]]:
    """The file's tensors, mapped so that what is written to them is written to it."""
    head, offsets = _header(form)
    with path.open("rb") as file:
        if file.read(len(head)) != head or path.stat().st_size != offsets[""]:
            raise StatesMismatch(
                f"{path} is not a bank of this model, or not whole.", "Run `memapp rebuild amortized` to make it anew."
            )
    return {
        name: np.memmap(path, _KINDS[kind], "r+", offsets[name], shape)
        for name, (kind, shape) in _tensors(form).items()
    }
