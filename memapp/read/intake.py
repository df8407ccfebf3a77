"""From a file to its documents: admits it, picks its reader, and turns everything that goes wrong into a Failure."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from memapp.errors import Malformed, TooLarge, Unreadable, UsageError
from memapp.protocols import Reader
from memapp.read.bounded import DEFAULTS, MB
from memapp.read.fault import explain
from memapp.read.sniff import sniff
from memapp.settings import Settings
from memapp.types import Document, Failure


def readers(settings: Settings = DEFAULTS, extra: Iterable[Reader] = ()) -> dict[str, Reader]:
    """The readers by name, built-in ones first; an extra one of the same name takes its place."""
    from memapp.read.formats import BUILT_IN

    known: dict[str, Reader] = {kind.name: kind(settings) for kind in BUILT_IN}
    known.update((reader.name, reader) for reader in extra)
    return known


def read(
    path: Path,
    source: str,
    format: str | None = None,
    settings: Settings = DEFAULTS,
    extra: Iterable[Reader] = (),
) -> Iterator[Document | Failure]:
    """The documents of a file, and a Failure for each thing in it that cannot be read. Never raises for content.

    Raises UsageError at once for a format that no reader has.
    """
    known = readers(settings, extra)
    if format is not None and format not in known:
        raise UsageError(f"There is no format '{format}'.", f"Known: {', '.join(known)}.")
    return _read(path, source, format, settings, known)


def _read(
    path: Path, source: str, name: str | None, settings: Settings, known: dict[str, Reader]
) -> Iterator[Document | Failure]:
    try:
        before = _admitted(path, settings)
        reader = known[name or _by_suffix(path, known) or sniff(path, path.suffix.lower())]
        nothing = True
        for item in reader.read(path, source):
            # What was read while the file changed is neither its old nor its new content.
            _unchanged(path, before)
            nothing = False
            yield item
        _unchanged(path, before)
        if nothing:
            raise Malformed("It holds no text.", "There is nothing to remember in it.")
    except Exception as error:  # noqa: BLE001 - parsers and plugins fail in many ways, and the other files must go in
        yield Failure(source, str(explain(error)))


def _by_suffix(path: Path, known: dict[str, Reader]) -> str | None:
    """The last reader that claims the suffix, so that plugins win."""
    suffix = path.suffix.lower()
    return next((name for name, reader in reversed(known.items()) if suffix in reader.suffixes), None)


def _admitted(path: Path, settings: Settings) -> os.stat_result:
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise Unreadable("It is a folder.", "Name the files in it.")
    if not stat.S_ISREG(state.st_mode):
        raise Unreadable("It is a pipe, socket or device.", "Copy what it gives into a file, or pass it as '-'.")
    if state.st_size == 0:
        raise Malformed("The file is empty.", "There is nothing to remember in it.")
    if state.st_size > settings.max_file_mb * MB:
        raise TooLarge(
            f"It has {state.st_size / MB:.0f} MB, more than the limit of {settings.max_file_mb}.",
            "Split it, or raise max_file_mb.",
        )
    return state


def _unchanged(path: Path, before: os.stat_result) -> None:
    now = path.stat()
    if (now.st_mtime_ns, now.st_size, now.st_ino) != (before.st_mtime_ns, before.st_size, before.st_ino):
        raise Unreadable("It changed while it was read.", "Ingest it again.")
