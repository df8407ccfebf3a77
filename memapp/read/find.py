"""Which files an ingest takes: paths and folders to a sorted list of files, each with a source that can be printed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from memapp.errors import TooLarge, Unreadable
from memapp.read.bounded import MB
from memapp.read.fault import explain
from memapp.settings import Settings
from memapp.types import Failure


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read and the name that its documents carry."""

    path: Path
    source: str


def source_of(path: str | Path) -> str:
    """The path as it is stored and printed.

    Two different paths never look the same: control characters and bytes that are not UTF-8 become \\x escapes, and
    where folders are not parted by backslashes, a backslash in a name is doubled.
    """
    text = os.fsencode(Path(path)).decode("utf-8", errors="backslashreplace" if os.sep == "\\" else "surrogateescape")
    if os.sep != "\\":
        text = text.replace("\\", "\\\\")
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def find(paths: Iterable[str | Path]) -> Iterator[Found | Failure]:
    """The files that the paths name, folders walked in sorted order, each file once.

    In folders hidden files are left out, and a link that leads out of the folder, back up, or to nothing is a
    Failure. A path that is named itself is always taken.
    """
    seen: set[str] = set()
    for given in paths:
        path = Path(given)
        if not str(given):
            yield Failure("", str(Unreadable("The path is empty.", "Name a file or a folder.")))
            continue
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:
            yield Failure(source_of(path), str(explain(error)))
            continue
        for found in _walk(path) if stat.S_ISDIR(mode) else (Found(path, source_of(path)),):
            if isinstance(found, Found):
                real = os.path.realpath(found.path)
                if real in seen:
                    continue
                seen.add(real)
            yield found


def _walk(root: Path) -> Iterator[Found | Failure]:
    top = os.path.realpath(root)
    waiting: list[Path] = [root]
    links: list[Path] = []
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted((entry for entry in entries if not entry.name.startswith(".")), key=_by_name)
                folders = {entry.name for entry in listed if entry.is_dir(follow_symlinks=False)}
                linked = {entry.name for entry in listed if entry.is_symlink()}
        except OSError as error:
            yield Failure(source_of(folder), str(explain(error)))
            continue
        for entry in listed:
            path = folder / entry.name
            if entry.name in linked:
                links.append(path)
            elif entry.name not in folders:
                yield Found(path, source_of(path))
        waiting.extend(folder / name for name in sorted(folders, reverse=True))
    # Links come last, so that a file is taken under its own name where it has one in the folder.
    for link in links:
        yield from _follow(link, top)


def _by_name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _follow(link: Path, top: str) -> Iterator[Found | Failure]:
    source = source_of(link)
    try:
        target = os.path.realpath(link, strict=True)
    except OSError:
        yield Failure(source, str(Unreadable("The link leads nowhere or in a circle.", "Mend or remove the link.")))
        return
    if target != top and not target.startswith(top.rstrip(os.sep) + os.sep):
        yield Failure(
            source, str(Unreadable("The link leads out of the folder.", "Name the file itself to ingest it."))
        )
    elif not Path(target).is_dir():
        yield Found(link, source)
    elif Path(os.path.realpath(link.parent)).is_relative_to(target):
        yield Failure(source, str(Unreadable("The link leads back to a folder around it.", "Remove the link.")))


@contextmanager
def spool(stream: BinaryIO, settings: Settings) -> Iterator[Path]:
    """A temporary file with all that a stream (standard input) holds, removed at the end.

    Raises TooLarge beyond max_file_mb.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="memapp-") as folder:
        path = Path(folder) / "stdin"
        left = settings.max_file_mb * MB
        with path.open("wb") as file:
            while chunk := stream.read(MB):
                left -= len(chunk)
                if left < 0:
                    raise TooLarge(f"The input is larger than {settings.max_file_mb} MB.", "Raise max_file_mb.")
                file.write(chunk)
        yield path
