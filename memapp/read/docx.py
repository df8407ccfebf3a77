"""DOCX: paragraphs, lists and tables in their order. Headers, footers, comments and pictures are left out."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from memapp.errors import Encrypted, Malformed
from memapp.read.archive import Archive, unpacked
from memapp.read.bounded import DEFAULTS
from memapp.read.draft import Draft
from memapp.settings import Settings
from memapp.types import Document, Failure

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SAID = {f"{_W}t": "", f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-", f"{_W}p": "\n"}
_HEADING = re.compile(r"(?:heading|überschrift|titre|título) ?\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DocxReader:
    """One document, titled by its properties or its title paragraph, else its first heading, else the file's name."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "docx"
    suffixes: ClassVar[frozenset[str]] = frozenset({".docx", ".docm"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The file as one document. Raises Encrypted, TooLarge, or Malformed when it is damaged or holds no text."""
        import docx
        import docx.table
        import docx.text.paragraph

        with path.open("rb") as file:
            if file.read(len(_OLE)) == _OLE:
                raise Encrypted("It is encrypted, or an old DOC file.", "Save it as DOCX without a password.")
        with unpacked(path, self.settings) as archive:
            if "word/document.xml" not in archive:
                raise Malformed("It is an archive, but not a DOCX.", "Name its --format, or unpack it.")
            word = docx.Document(_lean(archive))
        draft = Draft()
        title = word.core_properties.title or ""
        style = ""
        for element in _blocks(word.element.body):
            if element.tag == f"{_W}tbl":
                style = ""
                _add_table(draft, docx.table.Table(element, word))
            elif text := _words(element).strip():
                before, style = style, _style(docx.text.paragraph.Paragraph(element, word._body))
                _add_paragraph(draft, text, style, before)
                title = title or (text if style == "Title" else "")
        yield draft.document(source, title, f"application/vnd.{_TYPE}", _known(word.core_properties))


_TYPE = "openxmlformats-officedocument.wordprocessingml.document"


def _lean(archive: Archive) -> io.BytesIO:
    """A copy of the archive whose parts are bounded and whose pictures and embedded files are empty."""
    lean = io.BytesIO()
    with zipfile.ZipFile(lean, "w") as copy:
        for name in archive.names():
            wanted = name.endswith((".xml", ".rels"))
            copy.writestr(name, archive.member(name) if wanted else b"")
    lean.seek(0)
    return lean


def _blocks(parent: Any) -> Iterator[Any]:
    """The paragraphs and tables of an element, also those that stand in content controls."""
    for child in parent:
        if child.tag in (f"{_W}p", f"{_W}tbl"):
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
            yield from _blocks(child)


def _words(element: Any) -> str:
    """All text in an element: links, tracked insertions and text boxes too, what was struck out not."""
    parts: list[str] = []
    for node in element.iter(*_SAID):
        # A text box comes twice, once for programs that do not know it; tab stops are no tabs.
        if node.tag == f"{_W}tab" and node.getparent().tag == f"{_W}tabs":
            continue
        if next(node.iterancestors(_FALLBACK), None) is None:
            parts.append(_SAID[node.tag] or node.text or "")
    return "".join(parts)


def _style(paragraph: Any) -> str:
    return (paragraph.style.name if paragraph.style is not None else "") or ""


def _add_paragraph(draft: Draft, text: str, style: str, before: str) -> None:
    """Adds a paragraph as its style, and that of the paragraph before it, ask for."""
    if _HEADING.match(style):
        draft.section(text)
    if style.startswith("List"):
        draft.add(f"- {text}", tight=before.startswith("List"))
    else:
        draft.add(text)


def _add_table(draft: Draft, table: Any) -> None:
    for number, row in enumerate(table.rows):
        cells: list[str] = []
        seen: set[int] = set()
        for cell in row.cells:
            # A merged cell is listed once for every column that it spans.
            if id(cell._tc) not in seen:
                seen.add(id(cell._tc))
                cells.append(" ".join(_words(cell._tc).split()))
        draft.add(" | ".join(cells).strip(" |"), tight=number > 0)


def _known(properties: Any) -> dict[str, Any]:
    date = properties.created or properties.modified
    return {
        "author": properties.author or "",
        "date": date.date().isoformat() if date else "",
        "language": properties.language or "",
        "keywords": properties.keywords or "",
    }
