"""Reading with a bound: whole files, and single lines without ever holding one that is too long."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from memapp.errors import TooLarge
from memapp.read.encoding import SAMPLE, controls, detect
from memapp.settings import Settings

DEFAULTS = Settings()
MB = 1 << 20
_CHUNK = 1 << 16
_TREE_RECORDS = 4
"""A document that becomes a tree in memory may be as long as this many records."""


def tree_bytes(record_mb: int) -> int:
    """The largest XML, HTML or JSON text that is parsed whole."""
    return record_mb * MB * _TREE_RECORDS


def load(path: Path, longest: int) -> bytes:
    """The bytes of a file. Raises TooLarge beyond `longest`, without reading further."""
    with path.open("rb") as file:
        data = file.read(longest + 1) if path.stat().st_size <= longest else None
    if data is None or len(data) > longest:
        raise TooLarge(
            f"It is larger than {longest // MB} MB, the limit for a document of this format.",
            "Split it, or raise max_record_mb.",
        )
    return data


def load_lines(path: Path, longest: int) -> bytes:
    """The bytes of a file whose every line keeps to `longest` bytes. Raises TooLarge for one that does not."""
    chunks: list[bytes] = []
    length = 0
    with path.open("rb") as file:
        while chunk := file.read(MB):
            first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
            if length + (first if first >= 0 else len(chunk)) > longest:
                raise TooLarge(
                    f"It has a line of more than {longest // MB} MB: this is data rather than text.",
                    "Break the line, or raise max_record_mb.",
                )
            length = len(chunk) - last - 1 if last >= 0 else length + len(chunk)
            chunks.append(chunk)
    return b"".join(chunks)


def text_lines(path: Path, longest: int, utf8: bool = False) -> Iterator[tuple[int, str | None]]:
    """The lines of a text file with their numbers from 1; None stands for one of more than `longest` characters.

    With `utf8` only UTF-8, and UTF-16 or UTF-32 with a mark, are expected: a wrong byte becomes a lone surrogate.
    Raises UnsupportedFormat for binary content.
    """
    with path.open("rb") as file:
        name = _encoding(file.read(SAMPLE), utf8)
        file.seek(0)
        text = io.TextIOWrapper(
            file, encoding=name, errors="surrogateescape" if utf8 else "replace", newline="\n" if utf8 else None
        )
        number = 0
        while line := text.readline(longest + 1):
            number += 1
            yield number, line if len(line) <= longest or line.endswith("\n") else None
            while not line.endswith("\n") and (line := text.readline(_CHUNK)):
                pass


def _encoding(head: bytes, utf8: bool) -> str:
    # A few bad bytes spoil their lines only; many are the mark of a binary file, or of UTF-16.
    if utf8 and controls(head) < 0.05 and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-8-sig"
    return detect(head)


def byte_lines(path: Path, longest: int) -> Iterator[bytes]:
    """The lines of a file, newlines kept; one of more than `longest` bytes comes in several pieces."""
    with path.open("rb") as file:
        while line := file.readline(longest):
            yield line
