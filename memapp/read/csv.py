"""CSV and TSV: one document a row, read row by row. The delimiter and whether there is a header are told by looking."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar

from memapp.errors import Malformed, ReadError
from memapp.read.bounded import DEFAULTS, MB, text_lines
from memapp.read.clean import clean, line, metadata
from memapp.read.jsonl import content_id, too_long
from memapp.settings import Settings
from memapp.types import Document, Failure

_TEXT = ("text", "content", "body")
_TITLE = ("title", "name", "subject", "headline")
_NUMBER = re.compile(r"[-+$€£%\d.,:/ ]*\d[-+$€£%\d.,:/ ]*")
_PEEKED = 20


@dataclass(frozen=True, slots=True)
class CsvReader:
    """A document for each row: its text column, or all columns as "column: value" lines."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "csv"
    suffixes: ClassVar[frozenset[str]] = frozenset({".csv", ".tsv"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The rows in order; what is wrong with one is a Failure of `source:line`."""
        longest = self.settings.max_record_mb * MB
        # The limit belongs to the whole process; the default of 128 kB refuses articles.
        csv.field_size_limit(max(csv.field_size_limit(), longest))
        header: list[str] | None = None
        for number, row in _rows(path, longest, self.settings.max_record_mb):
            if header is None and not isinstance(row, ReadError):
                header = _header(row)
                if header == row:
                    continue
            try:
                if isinstance(row, ReadError):
                    raise row
                yield _document(header or [], row, source)
            except ReadError as error:
                yield Failure(f"{source}:{number}", str(error))


def _rows(path: Path, longest: int, megabytes: int) -> Iterator[tuple[int, list[str] | ReadError]]:
    """The rows that are not empty, each with the number of its last line."""
    skipped: list[int] = []

    def lines() -> Iterator[str]:
        for number, text in text_lines(path, longest):
            if text is None:
                skipped.append(number)
            yield "\n" if text is None else text

    text = lines()
    head = list(islice(text, _PEEKED))
    reader = csv.reader(chain(head, text), delimiter=_delimiter(head))
    while True:
        row: list[str] | ReadError | None
        try:
            row = next(reader, None)
        except csv.Error as error:
            row = Malformed(f"The row cannot be told apart: {error}.", "Check its quotes.")
        while skipped:
            yield skipped.pop(0), too_long(megabytes)
        if row is None:
            return
        if isinstance(row, ReadError) or any(cell.strip() for cell in row):
            yield reader.line_num, row


def _delimiter(head: Sequence[str]) -> str:
    """The delimiter that gives the first lines the most columns, and the same number in each."""

    def columns(delimiter: str) -> tuple[bool, int]:
        counts = [len(row) for row in csv.reader(head[:-1] or head, delimiter=delimiter) if row]
        return len(set(counts)) == 1 and counts[0] > 1, max(counts, default=0)

    return max(",\t;|", key=columns)


def _header(row: list[str]) -> list[str]:
    """The row itself when it reads like column names, else names made up."""
    names = [cell.strip() for cell in row]
    like_names = all(name and len(name) <= 60 and not _NUMBER.fullmatch(name) for name in names)
    if like_names and len({name.lower() for name in names}) == len(names):
        return row
    return [f"column {number}" for number in range(1, len(row) + 1)]


def _document(header: Sequence[str], row: Sequence[str], source: str) -> Document:
    if len(row) > len(header):
        raise Malformed(f"The row has {len(row)} cells, the header {len(header)}.", "Check its quotes.")
    cells = {name.strip(): clean(cell) for name, cell in zip(header, row, strict=False)}
    by_name = {name.lower(): name for name in cells}
    title_name = _first(_TITLE, by_name)
    title = line(cells.get(title_name, ""))
    text_name = _first(_TEXT, by_name)
    if text_name:
        text = cells[text_name]
        if not text:
            raise Malformed(f'Its column "{text_name}" is empty.', "There is nothing to remember in it.")
    else:
        text = "\n".join(f"{name}: {cell}" for name, cell in cells.items() if cell)
    number = line(cells.get(by_name.get("id", ""), ""))
    used = {text_name, title_name, by_name.get("id", "")}
    return Document(
        # Rows are numbered anew in every table, so the table's name belongs to the id.
        id=f"{source}#{number}" if number else content_id(title, text),
        title=title,
        text=text,
        source=source,
        media_type="text/csv",
        metadata=metadata({name: cell for name, cell in cells.items() if name not in used} if text_name else {}),
    )


def _first(wanted: Sequence[str], by_name: Mapping[str, str]) -> str:
    return next((by_name[name] for name in wanted if name in by_name), "")
