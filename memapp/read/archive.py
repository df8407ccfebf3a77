"""ZIP containers (DOCX, EPUB) opened with suspicion: encryption, damage and zip bombs are refused."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memapp.errors import Encrypted, Malformed, TooLarge
from memapp.read.bounded import MB, tree_bytes
from memapp.settings import Settings

MOST_MEMBERS = 20_000
_BOMB_RATIO = 200
"""Written text packs to a tenth or so; what packs this much better is padding."""
_PACKED_WELL = 16 * MB
_BLOCK = 1 << 18


class Archive:
    """The members of an open archive. What all reads together unpack is bounded."""

    def __init__(self, file: zipfile.ZipFile, settings: Settings) -> None:
        self._file = file
        self._left = settings.max_expanded_mb * MB
        self._part = tree_bytes(settings.max_record_mb)
        self._members = {posixpath.normpath(info.filename): info for info in file.infolist() if not info.is_dir()}

    def __contains__(self, name: str) -> bool:
        return posixpath.normpath(name) in self._members

    def names(self) -> list[str]:
        """The members' names, in the archive's order."""
        return list(self._members)

    def member(self, name: str) -> bytes:
        """The bytes of one member. Raises Malformed when it is missing, TooLarge when it is a bomb."""
        info = self._members.get(posixpath.normpath(name))
        if info is None:
            raise Malformed(f"The archive has no part {name}.", "Get a whole copy of it.")
        self._judge(info)
        parts: list[bytes] = []
        with self._file.open(info) as stream:
            while block := stream.read(_BLOCK):
                self._left -= len(block)
                if self._left < 0:
                    raise _bomb()
                parts.append(block)
        return b"".join(parts)

    def _judge(self, info: zipfile.ZipInfo) -> None:
        packed_too_well = info.file_size > _PACKED_WELL and info.file_size > _BOMB_RATIO * max(1, info.compress_size)
        if info.file_size > self._part or packed_too_well:
            raise _bomb()


@contextmanager
def unpacked(path: Path, settings: Settings) -> Iterator[Archive]:
    """The archive at a path.

    Raises Encrypted, TooLarge when it declares more than the settings allow, and zipfile's errors when it is damaged.
    """
    with zipfile.ZipFile(path) as file:
        members = file.infolist()
        if any(info.flag_bits & 1 for info in members):
            raise Encrypted("The archive is encrypted.", "Save it without a password and ingest it again.")
        if len(members) > MOST_MEMBERS or sum(info.file_size for info in members) > settings.max_expanded_mb * MB:
            raise _bomb()
        yield Archive(file, settings)


def xml(data: bytes) -> Any:
    """The root of an XML part, with no network, no DTD and no entity expanded."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False)
    return etree.fromstring(data, parser=parser)


def _bomb() -> TooLarge:
    return TooLarge("It unpacks to more than the settings allow.", "If you trust it, raise max_expanded_mb.")
