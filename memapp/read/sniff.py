"""Which format a file has, when its name does not tell."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from memapp.errors import Malformed, UnsupportedFormat
from memapp.read.encoding import SAMPLE, detect

_CONVERT = {
    ".doc": "Save it as DOCX.",
    ".rtf": "Save it as DOCX.",
    ".odt": "Save it as DOCX.",
    ".pages": "Save it as DOCX.",
    ".ppt": "Save it as PDF.",
    ".pptx": "Save it as PDF.",
    ".odp": "Save it as PDF.",
    ".xls": "Save it as CSV.",
    ".xlsx": "Save it as CSV.",
    ".ods": "Save it as CSV.",
    ".mobi": "Convert it to EPUB.",
    ".azw3": "Convert it to EPUB.",
    ".djvu": "Convert it to PDF.",
    ".zip": "Unpack it and ingest the folder.",
    ".gz": "Unpack it and ingest the result.",
    ".tar": "Unpack it and ingest the folder.",
    ".7z": "Unpack it and ingest the folder.",
}
_HTML = re.compile(r"(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_MAIL = re.compile(r"(?:(?:[A-Z][\w-]*:[^\n]*|[ \t][^\n]*)\n)+", re.ASCII)
_MAIL_HEADERS = re.compile(r"^(?:From|Received|Return-Path|Message-ID|Subject):", re.M)
_RECORD = re.compile(r"\s*\{.*\}\s*")


def sniff(path: Path, suffix: str) -> str:
    """The name of the built-in format that the content shows. Raises UnsupportedFormat with what to do instead."""
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    if head.lstrip()[:5] == b"%PDF-":
        return "pdf"
    if suffix in _CONVERT:
        raise UnsupportedFormat(f"Files of type {suffix} cannot be read.", _CONVERT[suffix])
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    try:
        return _textual(head.decode(detect(head), errors="replace").lstrip("\ufeff"))
    except (UnsupportedFormat, Malformed) as error:
        raise UnsupportedFormat(
            "It is binary and of no known format.", "Convert it to one that is, or name its --format."
        ) from error


def _archive(path: Path) -> str:
    with zipfile.ZipFile(path) as file:
        names = set(file.namelist())
    if "word/document.xml" in names:
        return "docx"
    if "META-INF/container.xml" in names:
        return "epub"
    raise UnsupportedFormat("It is an archive.", "Unpack it and ingest the folder.")


def _textual(text: str) -> str:
    stripped = text.lstrip()
    if _HTML.match(stripped):
        return "html"
    if text.startswith("From ") and _MAIL_HEADERS.search(text[:4096]):
        return "mbox"
    if (headers := _MAIL.match(text)) and len(_MAIL_HEADERS.findall(headers[0])) >= 2:
        return "eml"
    if stripped.startswith("{") and _RECORD.fullmatch(stripped.partition("\n")[0]):
        return "jsonl"
    if stripped.startswith(("{", "[")) and re.match(r'[\[{]\s*["{\[]', stripped):
        return "chat"
    if text.startswith("---\n") or re.search(r"^#{1,6} \S", text[:4096], re.M):
        return "markdown"
    return "text"
