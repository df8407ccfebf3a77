"""EPUB: the chapters in reading order, their headings as sections. Books with copy protection are refused."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

from memapp.errors import Encrypted, Malformed
from memapp.read import html
from memapp.read.archive import Archive, unpacked, xml
from memapp.read.bounded import DEFAULTS
from memapp.read.draft import Draft
from memapp.settings import Settings
from memapp.types import Document, Failure

_CONTAINER = "META-INF/container.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/xml"})
_KNOWN = {"creator": "author", "date": "date", "language": "language", "publisher": "publisher"}


@dataclass(frozen=True, slots=True)
class EpubReader:
    """One document, titled by the book's metadata."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "epub"
    suffixes: ClassVar[frozenset[str]] = frozenset({".epub"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The book as one document. Raises Encrypted, TooLarge, or Malformed when it is damaged or holds no text."""
        with unpacked(path, self.settings) as archive:
            package_path = _package_path(archive)
            package = xml(archive.member(package_path))
            protected = _protected(archive)
            draft = Draft()
            for name in _chapters(package, posixpath.dirname(package_path)):
                if name in protected:
                    raise Encrypted("The book is copy-protected.", "Only books without protection can be read.")
                if name in archive and (page := archive.member(name)).strip():
                    html.pour(html.parse(page), draft)
        known = _known(package)
        yield draft.document(source, known.pop("title", ""), "application/epub+zip", known)


def _package_path(archive: Archive) -> str:
    for element in xml(archive.member(_CONTAINER)).iter("{*}rootfile"):
        if path := element.get("full-path"):
            return unquote(path)
    raise Malformed("The book does not say where its contents are.", "Get a whole copy of it.")


def _protected(archive: Archive) -> set[str]:
    """Names of the members that are encrypted; fonts often are, and do not matter."""
    if "META-INF/encryption.xml" not in archive:
        return set()
    found = xml(archive.member("META-INF/encryption.xml")).iter("{*}CipherReference")
    return {posixpath.normpath(unquote(element.get("URI", ""))) for element in found}


def _chapters(package: Any, folder: str) -> Iterator[str]:
    pages = {
        item.get("id"): item.get("href", "")
        for item in package.iter("{*}item")
        if item.get("media-type") in _PAGES and "nav" not in item.get("properties", "").split()
    }
    for reference in package.iter("{*}itemref"):
        if href := pages.get(reference.get("idref")):
            yield posixpath.normpath(posixpath.join(folder, unquote(href)))


def _known(package: Any) -> dict[str, str]:
    known: dict[str, str] = {}
    for element in package.iter("{http://purl.org/dc/elements/1.1/}*"):
        key = element.tag.rpartition("}")[2]
        if key == "title" or key in _KNOWN:
            known.setdefault(_KNOWN.get(key, key), " ".join("".join(element.itertext()).split()))
    return known
