"""Markdown, kept as it is written: it reads well. Headings become sections, front matter becomes metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from memapp.errors import Malformed
from memapp.read.bounded import DEFAULTS, MB, load_lines
from memapp.read.clean import clean, line, metadata, readable
from memapp.read.encoding import decode
from memapp.settings import Settings
from memapp.types import Document, Failure, Section

_FRONT = re.compile(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_FIELD = re.compile(r"^([A-Za-z][\w-]*):[ \t]*(.*(?:\n[ \t]*-[ \t].*)*)", re.MULTILINE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_PLAIN = re.compile(r" {0,3}[^\s>#|`~*+=-]")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*{1,3}|_{2,3}|`+)(\S(?:.*?\S)?)\1")


@dataclass(frozen=True, slots=True)
class MarkdownReader:
    """One document, titled by its front matter, else its first top heading, else the file's name."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "markdown"
    suffixes: ClassVar[frozenset[str]] = frozenset({".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The file as one document. Raises UnsupportedFormat when it is binary, TooLarge for an endless line."""
        text = clean(decode(load_lines(path, self.settings.max_record_mb * MB)))
        known, text = front_matter(text)
        if not text:
            raise Malformed("It holds no text.", "There is nothing to remember in it.")
        found = list(headings(text))
        first = next((heading for _, level, heading in found if level == 1), found[0][2] if found else "")
        yield Document(
            id=source,
            title=line(str(known.pop("title", ""))) or first or readable(source),
            text=text,
            source=source,
            media_type="text/markdown",
            metadata=metadata(known),
            sections=tuple(Section(start, heading) for start, _, heading in found),
        )


def front_matter(text: str) -> tuple[dict[str, object], str]:
    """The fields of the front matter (a string each, or a list of them) and the text behind it."""
    match = _FRONT.match(text)
    if match is None or not _FIELD.search(match[1]):
        return {}, text
    return {key.lower(): _field(value) for key, value in _FIELD.findall(match[1])}, text[match.end() :].strip()


def _field(value: str) -> object:
    if "\n" in value and not value.split("\n")[0].strip():
        return [_unquoted(item.strip()[1:]) for item in value.split("\n")[1:]]
    if value.startswith("[") and value.rstrip().endswith("]"):
        return [_unquoted(item) for item in value.strip()[1:-1].split(",")]
    return _unquoted(value)


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Offset, level from 1 and wording of each heading outside code blocks."""
    fence, start = "", 0
    before, before_start = "", 0
    for row in text.split("\n"):
        mark = _FENCE.match(row)
        if fence:
            if mark and mark[1][0] == fence[0] and len(mark[1]) >= len(fence) and not row[mark.end() :].strip():
                fence = ""
            row_text = ""
        elif mark:
            fence, row_text = mark[1], ""
        else:
            row_text = row
            if (atx := _ATX.match(row)) and atx[2]:
                yield start, len(atx[1]), plain(atx[2])
            elif _PLAIN.match(before) and (under := _UNDERLINE.match(row)):
                yield before_start, 1 if under[1][0] == "=" else 2, plain(before)
        before, before_start = row_text, start
        start += len(row) + 1


def plain(heading: str) -> str:
    """A heading's words without links and emphasis."""
    return line(_EMPHASIS.sub(r"\2", _LINK.sub(r"\1", heading)))
