"""SubRip subtitles for memapp: cues joined into paragraphs, a section for every five minutes.

It does not read other subtitle formats, and it does not translate times into frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from memapp.errors import Malformed
from memapp.read.clean import readable, scrub
from memapp.read.draft import Draft
from memapp.read.encoding import decode
from memapp.types import Document, Failure

__all__ = ["SrtReader"]

PAUSE = 2.0
"""Seconds of silence that end a paragraph."""
SECTION = 300.0
"""Seconds that one section spans."""

_CLOCK = r"(\d+):(\d{1,2}):(\d{1,2})(?:[,.](\d{1,3}))?"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}.*")
_STYLE = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
_BLANK = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Cue:
    """Words shown from `start` to `end`, in seconds."""

    start: float
    end: float
    words: str


@dataclass(frozen=True, slots=True)
class SrtReader:
    """One document for each file, titled by the file's name."""

    name: ClassVar[str] = "srt"
    suffixes: ClassVar[frozenset[str]] = frozenset({".srt"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """A Failure for each block without times, then the subtitles as one document.

        Raises Malformed when there is not one cue.
        """
        cues: list[Cue] = []
        for number, block in enumerate(_blocks(decode(path.read_bytes())), 1):
            cue = parse(block)
            if cue is None:
                yield Failure(f"{source}:{number}", "The cue has no line with its times. Correct it.")
            elif cue.words:
                cues.append(cue)
        if not cues:
            raise Malformed("It holds no subtitles.", "Check that it is a SubRip file.")
        known = {"time": clock(cues[0].start), "ends": clock(max(cue.end for cue in cues))}
        yield join(cues).document(source, readable(source), media_type="application/x-subrip", known=known)


def _blocks(text: str) -> Iterator[str]:
    for block in _BLANK.split(scrub(text)):
        if block.strip():
            yield block.strip()


def parse(block: str) -> Cue | None:
    """The cue that a block of lines stands for; None when it has no times."""
    rows = block.split("\n")
    for index, row in enumerate(rows[:2]):
        if match := _TIMES.fullmatch(row):
            words = " ".join(_STYLE.sub("", " ".join(rows[index + 1 :])).split())
            return Cue(_seconds(match.groups()[:4]), _seconds(match.groups()[4:]), words)
    return None


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction or 0}")


def join(cues: list[Cue]) -> Draft:
    """Paragraphs parted by pauses, sections by time."""
    draft = Draft()
    paragraph: list[str] = []
    opened = last = float("-inf")
    for cue in sorted(cues, key=lambda cue: cue.start):
        new_section = cue.start >= opened + SECTION
        if paragraph and (cue.start - last > PAUSE or new_section):
            draft.add(" ".join(paragraph))
            paragraph = []
        if new_section:
            opened = cue.start
            draft.section(clock(opened))
        paragraph.append(cue.words)
        last = cue.end
    draft.add(" ".join(paragraph))
    return draft


def clock(seconds: float) -> str:
    """Seconds as hours:minutes:seconds."""
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
