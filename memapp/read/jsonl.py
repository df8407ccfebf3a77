"""JSONL: one record a line, one document a record. A bad line is reported and passed over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from memapp.errors import Malformed, ReadError, TooLarge
from memapp.read.bounded import DEFAULTS, MB, text_lines
from memapp.read.clean import clean, line, metadata, scrub
from memapp.settings import Settings
from memapp.types import Document, Failure

EXAMPLE = 'A record is like {"id": "a1", "title": "Optional", "text": "The text", "metadata": {}}.'


@dataclass(frozen=True, slots=True)
class JsonlReader:
    """A document for each record {"id"?, "title"?, "text", "metadata"?}."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[frozenset[str]] = frozenset({".jsonl", ".ndjson", ".jsonlines"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The records in order; what is wrong with a line is a Failure of `source:line`."""
        for number, row in text_lines(path, self.settings.max_record_mb * MB, utf8=True):
            try:
                if row is None:
                    raise too_long(self.settings.max_record_mb)
                if row.strip():
                    yield record(parse(row), source)
            except ReadError as error:
                yield Failure(f"{source}:{number}", str(error))


def too_long(megabytes: int) -> TooLarge:
    """The error for a record over the limit."""
    return TooLarge(f"The record is longer than {megabytes} MB.", "Split it, or raise max_record_mb.")


def parse(text: str) -> Any:
    """The JSON value that a text holds. Raises Malformed."""
    try:
        text.encode()
        return json.loads(text, parse_constant=_refuse)
    except UnicodeEncodeError as error:
        raise Malformed("It is not UTF-8.", "Save the file as UTF-8.") from error
    except RecursionError as error:
        raise Malformed("It is nested too deeply.", "Flatten it.") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"It is not JSON: {error.msg} at character {error.pos + 1}.", "Correct it.") from error
    except ValueError as error:
        raise Malformed(f"It is not JSON: {error}.", "Correct it.") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def record(value: Any, source: str) -> Document:
    """The document that a record stands for. Raises Malformed, saying which field is wrong."""
    if not isinstance(value, Mapping):
        raise Malformed("It is not a JSON object.", EXAMPLE)
    text = value.get("text")
    if not isinstance(text, str):
        raise Malformed('It has no "text".' if text is None else 'Its "text" is not a string.', EXAMPLE)
    text = clean(text)
    if not text:
        raise Malformed('Its "text" is empty.', EXAMPLE)
    title = value.get("title")
    if title is not None and not isinstance(title, str):
        raise Malformed('Its "title" is not a string.', EXAMPLE)
    title = line(title or "")
    known = value.get("metadata")
    if known is not None and not isinstance(known, Mapping):
        raise Malformed('Its "metadata" is not an object.', EXAMPLE)
    return Document(
        id=_identifier(value.get("id"), title, text),
        title=title,
        text=text,
        source=source,
        media_type="application/json",
        metadata=metadata(known or {}),
    )


def _identifier(given: Any, title: str, text: str) -> str:
    if given is None or given == "":
        return content_id(title, text)
    if isinstance(given, bool) or not isinstance(given, (str, int)):
        raise Malformed('Its "id" is neither a string nor a whole number.', EXAMPLE)
    identifier = str(given)
    if identifier != scrub(identifier) or "\n" in identifier:
        raise Malformed('Its "id" holds control characters.', "Give it an id that can be printed.")
    return identifier


def content_id(title: str, text: str) -> str:
    """An id for a record that has none: it changes with the title and the text, and with nothing else."""
    return "sha256:" + hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:16]
