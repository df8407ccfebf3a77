"""What the commands print: safe text, JSON, columns, snippets.

Answers go to standard output, everything else to standard error. Text of documents and models is
never trusted: control characters are taken out before a person sees it. Progress bars are not
made here; see progress.py.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TextIO

from memapp.types import Check

_CSI = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")
"""Colours and movements: taken out whole, since they hold no text."""
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_BREAKS = dict.fromkeys((0x85, 0x2028, 0x2029, 0x0B, 0x0C), "\n")
_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0), *_BIDI) if code not in (0x09, 0x0A)} | _BREAKS


def plain(text: str) -> str:
    """The text without what could steer a terminal: C0 and C1 controls, bidirectional overrides.

    Tabs and line breaks stay; every kind of line break becomes a newline.
    """
    text = _CSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_CONTROLS)


def one_line(text: str) -> str:
    """The text made plain, with each run of white space as one blank."""
    return " ".join(plain(text).split())


def steady_streams() -> None:
    """Characters that the terminal's encoding lacks are printed as '?', instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def out(text: str = "", *, end: bool = True) -> None:
    """Prints a part of the answer on standard output."""
    _write(sys.stdout, text + "\n" if end else text)


def err(text: str, *, end: bool = True) -> None:
    """Prints a line on standard error."""
    _write(sys.stderr, text + "\n" if end else text)


def _write(stream: TextIO | None, text: str) -> None:
    """Writes at once; a stream that the shell closed (None) takes nothing."""
    if stream is not None:
        stream.write(text)
        stream.flush()


def out_json(value: Any) -> None:
    """Prints one JSON document, in letters where the output can carry them, else in escapes."""
    text = json.dumps(record(value), ensure_ascii=False, indent=2)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(record(value), indent=2)
    out(text)


def record(value: Any) -> Any:
    """Dataclasses as objects, sequences as lists, what JSON does not know as its text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: record(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): record(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [record(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def columns(rows: Iterable[Sequence[str]]) -> None:
    """Prints rows in columns as wide as their widest cell; the last column takes what is left."""
    table = [[one_line(cell) for cell in row] for row in rows]
    if not table:
        return
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        out("  ".join([*cells, row[-1]]).rstrip())


def print_checks(checks: Iterable[Check]) -> None:
    """Prints a line a check, and the remedy under each that failed."""
    for check in checks:
        out(f"{'ok  ' if check.ok else 'FAIL'}  {one_line(check.name)}: {one_line(check.message)}")
        if not check.ok and check.remedy:
            out(f"      {one_line(check.remedy)}")


def paragraph(text: str, *, indent: int = 0) -> str:
    """The text wrapped to the terminal's width (80 where there is none)."""
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    margin = " " * indent
    return textwrap.fill(text, width=max(width, 40), initial_indent=margin, subsequent_indent=margin)


def size(count: int) -> str:
    """A number of bytes as a person reads it: 512 B, 3.4 MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def plural(count: int, noun: str) -> str:
    """1 passage, 2 passages."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def milliseconds(timing: Mapping[str, float]) -> str:
    """The parts of a timing in one line, the total left out."""
    return ", ".join(f"{name} {value:.0f}" for name, value in timing.items() if name != "total")


def colourful() -> bool:
    """True when standard output is a terminal that nobody asked to be plain."""
    return (
        sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def snippet(text: str, question: str, length: int = 280) -> str:
    """The stretch of the text with most of the question's words, on one line, at most about `length` long."""
    flat = one_line(text)
    if len(flat) <= length:
        return flat
    found = [(match.start(), match.group()[:4].casefold()) for match in _words(question).finditer(flat)]
    best, start = 0, 0
    for place, _ in found:
        distinct = len({word for at, word in found if place <= at < place + length - 40})
        if distinct > best:
            best, start = distinct, place
    start = 0 if start < length // 2 else flat.rfind(" ", 0, start - 30) + 1
    cut = flat[start : start + length]
    if start + length < len(flat):
        cut = cut.rsplit(" ", 1)[0] + " ..."
    return f"... {cut}" if start else cut


def emphasised(text: str, question: str) -> str:
    """The text with the question's words in bold, for a terminal."""
    return _words(question).sub(lambda match: f"\x1b[1m{match.group()}\x1b[0m", text)


def dimmed(text: str) -> str:
    """The text as what does not count yet, where the terminal has colours."""
    return f"\x1b[2m{text}\x1b[0m" if colourful() else text


_COMMON = re.compile(
    "an?|and|are|as|at|be|by|did|do|does|for|from|had|has|have|how|in|is|its?|of|on|or|that|the|their|they|this|to|"
    "was|were|what|when|where|which|who|whom|whose|why|will|with"
)


def _words(question: str) -> re.Pattern[str]:
    words = {word for word in re.findall(r"\w+", question.casefold()) if not _COMMON.fullmatch(word)}
    # the last two letters of a long word are left open: 'painted' also finds 'painter'
    stems = sorted({re.escape(word[:-2] if len(word) > 5 else word) for word in words}, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(stems)})\w*" if stems else r"(?!)", re.IGNORECASE)
