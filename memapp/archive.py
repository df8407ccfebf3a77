"""Export and import: whole documents as lines of JSON, so that memory never depends on this program."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from memapp.errors import UsageError
from memapp.settings import Settings
from memapp.types import Document, Failure, Progress, Section


def write(path: Path, documents: Iterable[Document], progress: Callable[[Progress], None]) -> int:
    """Writes one line a document; the file appears whole or not at all. Returns the number of documents."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    count = 0
    try:
        part.touch(mode=0o600)
        with part.open("w", encoding="utf-8") as file:
            for document in documents:
                file.write(_line(_record(document)))
                count += 1
                progress(Progress("export", count, None, document.title))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", "Name another file.") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def read(path: Path, settings: Settings) -> Iterator[Document | Failure]:
    """The documents of an export; a line that is not one becomes a Failure. Raises UsageError for no file."""
    if not path.is_file():
        raise UsageError(f"There is no export at {path}.", "Name a file that `memapp export` wrote.")
    return _read(path)


def _read(path: Path) -> Iterator[Document | Failure]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield _document(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                yield Failure(f"{path}:{number}", f"The line is not an exported document: {error!r}.")


def _record(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "title": document.title,
        "text": document.text,
        "source": document.source,
        "media_type": document.media_type,
        "metadata": dict(document.metadata),
        "sections": [[section.start, section.heading, section.page] for section in document.sections],
    }


def _line(record: dict[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(record)
    return text + "\n"


def _document(record: dict[str, Any]) -> Document:
    id, text = _text(record["id"]), _text(record["text"])
    if not id or not text.strip():
        raise ValueError("it has no id or no text")
    return Document(
        id,
        _text(record.get("title", "")),
        text,
        _text(record.get("source", "")),
        _text(record.get("media_type", "text/plain")),
        dict(record.get("metadata", {})),
        tuple(_section(*section) for section in record.get("sections", ())),
    )


def _section(start: Any, heading: Any, page: Any) -> Section:
    if not isinstance(start, int) or not isinstance(page, int | None):
        raise TypeError("a section's place is no whole number")
    return Section(start, _text(heading), page)


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise TypeError(f"{value!r:.40} is no text")
    value.encode()
    return value
