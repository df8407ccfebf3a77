"""Writes a session as a Markdown file. It reads no store: turns come in, text goes out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from memapp.errors import UsageError
from memapp.tui.text import count, one_line, plain
from memapp.types import Citation, StoredTurn


def markdown_of(session: str, turns: Sequence[StoredTurn]) -> str:
    """The whole session as Markdown: each question a heading, its answer, then the sources that the answer cites."""
    lines = [f"# {one_line(session)}", "", f"{count(len(turns), 'question')}.", ""]
    for turn in turns:
        lines += [f"## {one_line(turn.question, 500)}", "", f"*{plain(turn.at)}*", ""]
        lines += [plain(turn.answer).strip() if not turn.erased else "*(erased with a forgotten document)*", ""]
        if turn.citations:
            lines += [*map(_source_line, _first_of_each(turn.citations)), ""]
    return "\n".join(lines)


def default_path(session: str) -> Path:
    """The file that an export goes to when nobody names one: the session's name in the working folder."""
    stem = re.sub(r"[^\w.-]+", "-", plain(session)).strip("-.") or "session"
    return Path(f"{stem[:80]}.md")


def target(argument: str, session: str) -> Path:
    """Where an export goes: the named file, into the named folder, or the default."""
    path = Path(argument).expanduser() if argument else default_path(session)
    return path / default_path(session) if path.is_dir() else path


def write(path: Path, text: str) -> None:
    """Writes the file whole or not at all. Raises UsageError when the file system refuses."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.", "Name another path.") from error


def _first_of_each(citations: Sequence[Citation]) -> list[Citation]:
    return list({citation.n: citation for citation in reversed(citations)}.values())[::-1]


def _source_line(citation: Citation) -> str:
    place = " · ".join(
        part for part in (citation.source, f"p. {citation.page}" if citation.page is not None else "") if part
    )
    where = f" ({one_line(place)})" if place else ""
    return f"- [{citation.n}] {one_line(citation.title or citation.document)}{where}: “{one_line(citation.text, 300)}”"
