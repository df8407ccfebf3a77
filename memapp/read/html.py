"""HTML: the words a reader would see, block by block, without scripts, styles and navigation. Nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from memapp.errors import Malformed
from memapp.read.bounded import DEFAULTS, load, tree_bytes
from memapp.read.draft import Draft
from memapp.read.encoding import decode
from memapp.settings import Settings
from memapp.types import Document, Failure

_SPACE = re.compile(r"[ \t\n\r\f\u00a0]+")
_LINE_ENDS = re.compile(r" *\n *")
_CHARSET = re.compile(rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_UNSEEN = "script style template noscript head nav svg math iframe object canvas audio video select button"
_SKIPPED = frozenset(_UNSEEN.split())
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_PARTED = """
    address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer
    form header hr html li main ol p pre section summary table tbody tfoot thead tr ul
"""
_BLOCKS = _HEADINGS | frozenset(_PARTED.split())
_IN_CELL = ("p", "div", "table", "ul", "ol", *_HEADINGS)
_KNOWN = {
    "author": "author",
    "description": "description",
    "date": "date",
    "dc.date": "date",
    "dc.creator": "author",
    "article:published_time": "date",
}


@dataclass(frozen=True, slots=True)
class HtmlReader:
    """One document, titled by its title element, else its first heading, else the file's name."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "html"
    suffixes: ClassVar[frozenset[str]] = frozenset({".html", ".htm", ".xhtml"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The page as one document. Raises Malformed when it holds no text or nests too deeply, TooLarge."""
        root = parse(load(path, tree_bytes(self.settings.max_record_mb)))
        draft = Draft()
        pour(root, draft)
        known = {_KNOWN[key]: value for key, value in _meta(root) if key in _KNOWN}
        known["language"] = root.get("lang") or ""
        yield draft.document(source, title(root), "text/html", known)


def parse(data: bytes) -> Any:
    """The root element of a page. Raises Malformed when it is empty or nests too deeply."""
    from lxml import etree, html

    match = _CHARSET.search(data[:4096])
    text = decode(data, match[1].decode("ascii").lower() if match else "")
    # The size is bounded by the caller; huge_tree only lifts the nesting limit from 256 to 2048.
    parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(text.encode("utf-8", errors="replace"), parser=parser)
    except etree.LxmlError as error:
        raise Malformed("The page is empty or is not HTML.", "Check the file.") from error
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise Malformed("It is nested too deeply.", "Flatten it, or leave it out.")
    return root


def title(root: Any) -> str:
    """The page's title; empty where it has none."""
    found = root.find(".//title")
    return (found.text_content() if found is not None else "") or dict(_meta(root)).get("og:title", "")


def _meta(root: Any) -> Iterator[tuple[str, str]]:
    for element in root.iter("meta"):
        key = element.get("name") or element.get("property") or ""
        yield key.lower(), element.get("content") or ""


def pour(root: Any, draft: Draft) -> None:
    """Adds the visible text of an element to the draft, its headings as sections."""
    from lxml import etree

    walk = etree.iterwalk(root, events=("start", "end"))
    flow = _Flow(draft)
    for event, element in walk:
        tag = element.tag.lower() if isinstance(element.tag, str) else ""
        if event == "start":
            if _is_hidden(element, tag):
                walk.skip_subtree()
            else:
                flow.open(element, tag)
        else:
            if not _is_hidden(element, tag):
                flow.close(tag)
            if element is not root:
                flow.words(element.tail)
    flow.flush()


def _is_hidden(element: Any, tag: str) -> bool:
    return not tag or tag in _SKIPPED or "hidden" in element.attrib or element.get("aria-hidden") == "true"


class _Flow:
    """Gathers inline text and hands it to the draft at every block's edge."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._buffer: list[str] = []
        self._mark = ""
        self._lists: list[int | None] = []
        self._tight = False
        self._kept = 0
        self._row = False

    def open(self, element: Any, tag: str) -> None:
        if tag == "tr":
            self.flush()
            self._row = next(element.iter(*_IN_CELL), None) is None
        elif tag in _BLOCKS:
            self.flush()
        if tag in ("ul", "ol"):
            self._tight = bool(self._lists)
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._mark_item()
        elif tag == "br":
            self._buffer.append("\n")
        elif tag == "pre":
            self._kept += 1
        elif tag in ("td", "th"):
            self._open_cell()
        self.words(element.text)

    def close(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._draft.section(self._text())
            self._tight = False
        if tag in _BLOCKS:
            self.flush()
        if tag in ("tr", "li"):
            self._tight = True
        elif tag in ("ul", "ol"):
            self._lists.pop()
        if tag in ("table", "ul", "ol"):
            self._tight = bool(self._lists)
        elif tag == "tr":
            self._row = False
        elif tag == "pre":
            self._kept -= 1

    def words(self, text: str | None) -> None:
        if text:
            self._buffer.append(text if self._kept else _SPACE.sub(" ", text))

    def flush(self) -> None:
        if text := self._text():
            self._draft.add(self._mark + text, tight=self._tight)
            self._tight, self._mark = False, ""
        self._buffer.clear()

    def _text(self) -> str:
        text = "".join(self._buffer)
        if self._kept:
            return text.rstrip()
        return _LINE_ENDS.sub("\n", re.sub(" {2,}", " ", text)).strip()

    def _mark_item(self) -> None:
        number = self._lists[-1] if self._lists else None
        if number is None:
            self._mark = "- "
        else:
            self._lists[-1] = number + 1
            self._mark = f"{number + 1}. "

    def _open_cell(self) -> None:
        if not self._row:
            self.flush()
        elif self._text():
            self._buffer.append(" | ")
