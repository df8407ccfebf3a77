"""Text as the store keeps it: one kind of newline, no control characters, valid Unicode.

It does not rewrap, re-spell or normalise characters: offsets into the result are what citations point at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from memapp.errors import Malformed

_DROPPED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]")
_NEWLINES = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_UNDERSCORES = re.compile(r"[_\s]+")
_HYPHENS = re.compile(r"(?<=[^\W\d])-(?=[^\W\d])")

LONGEST_TITLE = 300
DEEPEST_METADATA = 16


def scrub(text: str) -> str:
    """The text with newlines as \\n and without control characters, lone surrogates and byte-order marks."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _DROPPED.sub("", _NEWLINES.sub("\n", text))


def clean(text: str) -> str:
    """The scrubbed text without white space around it."""
    return scrub(text).strip()


def line(text: str, longest: int = LONGEST_TITLE) -> str:
    """The text as one line of at most `longest` characters, fit for a title."""
    flat = " ".join(scrub(text).split())
    return flat if len(flat) <= longest else flat[: longest - 1].rstrip() + "…"


def readable(source: str) -> str:
    """A title made of a file's name: no folder, no suffix, words apart."""
    stem = PurePath(source).stem
    return line(_HYPHENS.sub(" ", _UNDERSCORES.sub(" ", stem)))


def metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that JSON can hold: scrubbed strings, empty values left out.

    Raises Malformed when it is nested more than 16 levels deep.
    """
    cleaned = {line(str(key)): _value(value, 0) for key, value in values.items()}
    return {key: value for key, value in cleaned.items() if value not in (None, "", [], {})}


def _value(value: Any, depth: int) -> Any:
    if depth > DEEPEST_METADATA:
        raise Malformed("Its metadata is nested too deeply.", f"At most {DEEPEST_METADATA} levels are kept.")
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {line(str(key)): _value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(item, depth + 1) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return clean(str(value))
