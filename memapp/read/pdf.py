"""PDF: the text layer, page by page, its lines joined into paragraphs. It does not recognise scanned text.

PDFium is not thread-safe: one lock serialises every call to it in this process.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from memapp.errors import Encrypted, Malformed
from memapp.read.bounded import DEFAULTS
from memapp.read.clean import scrub
from memapp.read.draft import Draft
from memapp.settings import Settings
from memapp.types import Document, Failure

_pdfium = threading.Lock()
_PASSWORD = 4
"""PDFium's error code for a missing or wrong password."""

_LINE_HYPHEN = re.compile("[\ufffe\x02](?:\r?\n)?|\u00ad\r?\n")
"""PDFium writes one of these for a hyphen and the line break after it."""
_COMPOUND = re.compile(r"\b[^\W\d_]+-[^\W\d_]+\b")
_BROKEN = re.compile(r"(\b[^\W\d_]+)-\n([^\W\d_]+)")
_ENDS = re.compile(r"[.!?:;。！？؟।…][\"'”’»)\]]*$")
_ITEM = re.compile(r"(?:[-•‣▪◦*–—]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s")
_NUMBER = re.compile(r"\W*(?:page|seite|p\.)?\s*\d{1,4}\s*(?:(?:of|/|von)\s*\d{1,4})?\W*", re.IGNORECASE)
_DATE = re.compile(r"D:(\d{4})(\d{2})?(\d{2})?")


@dataclass(frozen=True, slots=True)
class PdfReader:
    """One document with a section for each page; headings are those of the outline."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "pdf"
    suffixes: ClassVar[frozenset[str]] = frozenset({".pdf"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The file as one document. Raises Encrypted, or Malformed when it is damaged or has no text layer."""
        pages, known, outline = _extract(path)
        if not any(page.strip() for page in pages):
            raise Malformed(
                "It has no text layer: its pages are pictures.",
                "Run text recognition (OCR) over it and ingest the result.",
            )
        compounds = {word.lower() for page in pages for word in _COMPOUND.findall(page)}
        draft = Draft()
        for number, page in enumerate(_without_margins(pages), 1):
            draft.section(outline.get(number, ""), number)
            draft.add(paragraphs(page, compounds))
        yield draft.document(source, known.pop("title", ""), "application/pdf", {**known, "pages": len(pages)})


def _extract(path: Path) -> tuple[list[str], dict[str, str], dict[int, str]]:
    """Raw text of each page, metadata, and the outline's heading in force at each page."""
    import pypdfium2

    with _pdfium:
        try:
            document = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError as error:
            if getattr(error, "err_code", None) == _PASSWORD:
                raise Encrypted("It needs a password.", "Save it without a password and ingest it again.") from error
            raise Malformed("It is damaged, cut short or not a PDF.", "Get a whole copy of it.") from error
        with closing(document):
            try:
                pages = [_page_text(document, index) for index in range(len(document))]
            except pypdfium2.PdfiumError as error:
                raise Malformed("One of its pages is damaged.", "Get a whole copy of it.") from error
            return pages, _known(document), _outline(document, len(pages))


def _page_text(document: Any, index: int) -> str:
    with closing(document[index]) as page, closing(page.get_textpage()) as text:
        found: str = text.get_text_range()
    return scrub(_LINE_HYPHEN.sub("-\n", found).replace("\u00ad", ""))


def _known(document: Any) -> dict[str, str]:
    fields = document.get_metadata_dict(skip_empty=True)
    known = {"title": fields.get("Title", ""), "author": fields.get("Author", "")}
    if match := _DATE.match(fields.get("CreationDate", "")):
        known["date"] = "-".join(part for part in match.groups() if part)
    return known


def _outline(document: Any, pages: int) -> dict[int, str]:
    starts: dict[int, str] = {}
    for mark in document.get_toc(max_depth=3):
        target = mark.get_dest()
        index = target.get_index() if target else None
        if index is not None:
            starts.setdefault(index + 1, mark.get_title())
    heading, in_force = "", {}
    for number in range(1, pages + 1):
        heading = starts.get(number, heading)
        in_force[number] = heading
    return in_force


def _without_margins(pages: Sequence[str]) -> list[str]:
    """Pages without page numbers, and without a first or last line that most of them share."""
    rows = [[row.strip() for row in page.strip().split("\n")] for page in pages]
    edges = Counter(edge for page in rows for edge in {page[0], page[-1]} if edge)
    running = {edge for edge, times in edges.items() if times >= 3 and times > len(pages) / 2}
    kept = []
    for page in rows:
        first, last = 0, len(page)
        while first < last and last - first > 1 and _is_margin(page[first], running):
            first += 1
        while last - first > 1 and _is_margin(page[last - 1], running):
            last -= 1
        kept.append("\n".join(page[first:last]))
    return kept


def _is_margin(row: str, running: set[str]) -> bool:
    return not row or row in running or _NUMBER.fullmatch(row) is not None


def paragraphs(page: str, compounds: set[str]) -> str:
    """The page with its lines joined into paragraphs, which a blank line parts.

    A word broken by a hyphen is made whole, unless it is one of the `compounds` that the document spells with one.
    """
    rows = [row.strip() for row in _mended(page, compounds).split("\n")]
    lengths = sorted(len(row) for row in rows if row)
    full = lengths[int(len(lengths) * 0.8)] if lengths else 0
    built: list[str] = []
    opens = True
    for row in rows:
        if not row:
            opens = True
            continue
        if opens or _ITEM.match(row):
            built.append(row)
        else:
            built[-1] += f" {row}"
        # Only a line that stops well before the margin says that its paragraph is over.
        opens = (len(row) < 0.85 * full and bool(_ENDS.search(row))) or len(row) < 0.5 * full
    return "\n\n".join(built)


def _mended(page: str, compounds: set[str]) -> str:
    def joined(match: re.Match[str]) -> str:
        compound = f"{match[1]}-{match[2]}"
        keeps = compound.lower() in compounds or not match[2][0].islower()
        return compound if keeps else match[1] + match[2]

    return _BROKEN.sub(joined, page)
