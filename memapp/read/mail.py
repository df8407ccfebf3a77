"""E-mail: one document a message, its headers first. Attachments are named, not read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from memapp.errors import Encrypted, Malformed, ReadError
from memapp.read import html
from memapp.read.bounded import DEFAULTS, MB, byte_lines, load, tree_bytes
from memapp.read.clean import line
from memapp.read.draft import Draft
from memapp.read.encoding import decode
from memapp.read.fault import explain
from memapp.read.jsonl import content_id, too_long
from memapp.settings import Settings
from memapp.types import Document, Failure

if TYPE_CHECKING:
    from email.message import EmailMessage

_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADERS = ("From", "To", "Cc", "Date", "Subject")


@dataclass(frozen=True, slots=True)
class EmlReader:
    """One message, titled by its subject."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "eml"
    suffixes: ClassVar[frozenset[str]] = frozenset({".eml"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The file as one document. Raises Encrypted, TooLarge, or Malformed when it is not a message."""
        yield message(load(path, tree_bytes(self.settings.max_record_mb)), source, source)


@dataclass(frozen=True, slots=True)
class MboxReader:
    """A document for each message of a mailbox, named by its Message-ID."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "mbox"
    suffixes: ClassVar[frozenset[str]] = frozenset({".mbox", ".mbx"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The messages in order; what is wrong with one is a Failure of `source:line`."""
        for number, data in _messages(path, tree_bytes(self.settings.max_record_mb)):
            try:
                if data is None:
                    raise too_long(tree_bytes(self.settings.max_record_mb) // MB)
                yield message(data, source)
            except Exception as error:  # noqa: BLE001 - the e-mail parser fails in many ways on broken headers
                yield Failure(f"{source}:{number}", str(explain(error)))


def _messages(path: Path, longest: int) -> Iterator[tuple[int, bytes | None]]:
    """The bytes of each message and the line that it begins at; None for one that is too long."""
    parts: list[bytes] = []
    size, number, start, blank, whole = 0, 0, 0, True, True
    for row in byte_lines(path, MB):
        number += whole
        if whole and blank and row.startswith(b"From "):
            if start:
                yield start, _joined(parts) if size <= longest else None
            parts, size, start = [], 0, number
        elif not start:
            raise Malformed("It is not a mailbox: it does not begin with a From line.", "Name its --format.")
        else:
            size += len(row)
            if size <= longest:
                parts.append(row)
            else:
                parts.clear()
        blank, whole = whole and row in (b"\n", b"\r\n"), row.endswith(b"\n")
    if start:
        yield start, _joined(parts) if size <= longest else None


def _joined(parts: list[bytes]) -> bytes:
    return _QUOTED_FROM.sub(rb"\1", b"".join(parts))


def message(data: bytes, source: str, identifier: str = "") -> Document:
    """The document that a message stands for; without `identifier` its Message-ID names it, else its content.

    Raises Encrypted, or Malformed when there are no headers or no text.
    """
    from email import message_from_bytes, policy

    mail: EmailMessage = message_from_bytes(data, policy=policy.default)
    headers = {name: line(str(mail.get(name, ""))) for name in _HEADERS}
    if not any(headers.values()):
        raise Malformed("It has no mail headers.", "Name its --format if it is something else.")
    if mail.get_content_type() == "multipart/encrypted" or "pkcs7-mime" in mail.get_content_type():
        raise Encrypted("The message is encrypted.", "Save it decrypted and ingest it again.")
    draft = Draft()
    for name, value in headers.items():
        draft.add(f"{name}: {value}" if value else "", tight=True)
    _add_body(draft, mail)
    known = {
        "author": headers["From"],
        "to": headers["To"],
        "time": _time(headers["Date"]),
        "attachments": [line(part.get_filename() or "") for part in mail.iter_attachments()]
        if mail.is_multipart()
        else [],
    }
    identifier = identifier or line(str(mail.get("Message-ID", ""))).strip("<>")
    document = draft.document(source, headers["Subject"], "message/rfc822", known, identifier)
    if identifier:
        return document
    return draft.document(
        source, headers["Subject"], "message/rfc822", known, content_id(document.title, document.text)
    )


def _add_body(draft: Draft, mail: EmailMessage) -> None:
    body = mail.get_body(preferencelist=("plain", "html"))
    if body is None:
        return
    payload = body.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    if body.get_content_type() == "text/html":
        try:
            html.pour(html.parse(data), draft)
        except ReadError as error:
            raise Malformed("Its HTML body cannot be read.", str(error)) from error
    else:
        draft.add(decode(data, body.get_content_charset() or ""))


def _time(date: str) -> str:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).isoformat()
    except (ValueError, TypeError, IndexError):
        return ""
