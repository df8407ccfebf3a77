"""A document's text as it grows block by block, with the exact offsets of its sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memapp.errors import Malformed
from memapp.read.clean import line, metadata, readable, scrub
from memapp.types import Document, Section


class Draft:
    """Blocks of text, cleaned as they come, and the headings and pages among them."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._sections: list[Section] = []
        self._opening: tuple[str, int | None] | None = None

    @property
    def first_heading(self) -> str:
        """The first heading that is not empty; empty where there is none."""
        return next((section.heading for section in self._sections if section.heading), "")

    def section(self, heading: str = "", page: int | None = None) -> None:
        """Opens a section at the next block."""
        self._opening = (line(heading), page)

    def add(self, block: str, tight: bool = False) -> None:
        """Appends a block, a blank line before it; a tight one begins on the next line."""
        block = scrub(block).strip("\n").rstrip()
        block = block if self._parts else block.lstrip()
        if not block:
            return
        if self._parts:
            gap = "\n" if tight and self._opening is None else "\n\n"
            self._parts.append(gap)
            self._length += len(gap)
        if self._opening is not None:
            self._sections.append(Section(self._length, *self._opening))
            self._opening = None
        self._parts.append(block)
        self._length += len(block)

    def document(
        self,
        source: str,
        title: str = "",
        media_type: str = "text/plain",
        known: Mapping[str, Any] | None = None,
        id: str = "",
    ) -> Document:
        """The finished document. Raises Malformed when no text came."""
        if not self._parts:
            raise Malformed("It holds no text.", "There is nothing to remember in it.")
        return Document(
            id=id or source,
            title=line(title) or self.first_heading or readable(source),
            text="".join(self._parts),
            source=source,
            media_type=media_type,
            metadata=metadata(known or {}),
            sections=tuple(self._sections),
        )
