"""Bytes to text: byte-order marks, UTF-8, UTF-16 without a mark, then a guess. Binary content is refused."""

from __future__ import annotations

import codecs
import re

from memapp.errors import Malformed, UnsupportedFormat

SAMPLE = 1 << 18
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\v\x08\x1b")) + b"\x7f"
_HIGH = bytes(range(128, 256))
_WESTERN = re.compile("[\x00-\x7f\xa0¡§©«®°±·»¿À-ÖØ-öø-ÿŒœŠšŽžŸƒ‘’‚“”„–—…•™€‹›]*")
_MISPLACED = re.compile(r"[^\W\d_][¿¡§©®°±·»«ƒ•™€£][^\W\d_]|[À-ÿ]{4}")


def decode(data: bytes, declared: str = "") -> str:
    """The text that the bytes stand for; `declared` is the encoding that the format names, tried after UTF-8.

    Raises UnsupportedFormat for binary content, Malformed when no encoding fits.
    """
    name = detect(data[:SAMPLE], declared)
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        # Cut short in the middle of a character, or a stray byte far behind the sample.
        return data.decode(name, errors="replace")


def detect(head: bytes, declared: str = "") -> str:
    """The name of the encoding that a text begins with.

    Raises UnsupportedFormat for binary content, Malformed when no encoding fits.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if b"\0" in head:
        return _wide(head)
    if controls(head) > 0.02:
        raise UnsupportedFormat("The content is binary, not text.", "Name its --format, or leave the file out.")
    if declared.lower().startswith("iso-2022") and _fits(head, declared):
        # Seven-bit encodings look like ASCII.
        return declared
    if _is_utf8(head):
        return "utf-8"
    if declared and _fits(head, declared):
        # What calls itself Latin-1 or ASCII is in practice written in its superset.
        return "cp1252" if codecs.lookup(declared).name in ("iso8859-1", "ascii") else declared
    return _guess(head)


def controls(head: bytes) -> float:
    """The share of bytes that text does not have."""
    return 1 - len(head.translate(None, _CONTROLS)) / len(head) if head else 0.0


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=False)
    except UnicodeDecodeError:
        text = head.decode("utf-8", errors="replace")
        broken = text.count("\ufffd")
        # One stray byte among many good characters does not make the text something else than UTF-8.
        return sum(not character.isascii() for character in text) > 20 * broken
    return True


def _fits(head: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(head, final=False)
    except (LookupError, UnicodeError):
        return False
    return codecs.lookup(name)._is_text_encoding


def _wide(head: bytes) -> str:
    """UTF-16 shows itself by zero bytes on one side: every line break and ASCII character has one."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    name = "utf-16-le" if odd > even else "utf-16-be"
    if min(even, odd) <= max(even, odd) * 0.05 and _fits(head, name):
        sample = codecs.getincrementaldecoder(name)().decode(head[:8192], final=False)
        good = sum(character.isprintable() or character in "\n\r\t\f" for character in sample)
        if sample and good >= 0.95 * len(sample):
            return name
    raise UnsupportedFormat("The content is binary, not text.", "Name its --format, or leave the file out.")


def _guess(head: bytes) -> str:
    if _is_western(head):
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(head[: 1 << 16]).best()
    if best is None:
        raise Malformed("The encoding of the text cannot be told.", "Save the file as UTF-8 and ingest it again.")
    return best.encoding


def _is_western(head: bytes) -> bool:
    """True for mostly ASCII text with some Western letters, which detectors take for Central European."""
    if len(head) - len(head.translate(None, _HIGH)) > 0.35 * len(head):
        return False
    try:
        text = head.decode("cp1252")
    except UnicodeDecodeError:
        return False
    return _WESTERN.fullmatch(text) is not None and _MISPLACED.search(text) is None
