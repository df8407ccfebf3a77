"""Plain text, and source code read as such."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from memapp.read.bounded import DEFAULTS, MB, load_lines
from memapp.read.draft import Draft
from memapp.read.encoding import decode
from memapp.settings import Settings
from memapp.types import Document, Failure

_PROSE = (".txt", ".text", ".log", ".rst", ".adoc", ".org", ".tex")
_CODE = (".py", ".rs", ".go", ".c", ".h", ".cpp", ".hpp", ".java", ".kt", ".js", ".ts", ".rb", ".sh", ".sql", ".css")
_CONFIG = (".toml", ".yaml", ".yml", ".ini", ".cfg", ".conf", ".xml")


@dataclass(frozen=True, slots=True)
class TextReader:
    """One document, titled by the file's name."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "text"
    suffixes: ClassVar[frozenset[str]] = frozenset(_PROSE + _CODE + _CONFIG)

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The file as one document. Raises UnsupportedFormat when it is binary, TooLarge for an endless line."""
        draft = Draft()
        draft.add(decode(load_lines(path, self.settings.max_record_mb * MB)))
        yield draft.document(source)
