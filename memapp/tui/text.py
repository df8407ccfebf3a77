"""Makes text of models, documents and people safe to draw. It knows nothing of widgets or of markup."""

from __future__ import annotations

import re
from datetime import datetime

_NEWLINE = re.compile("\r\n?|[\x0b\x0c\u2028\u2029]")
_DROPPED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\U000e0000-\U000e007f]")
_SHOWN = re.compile("[\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text without anything that a terminal would obey.

    Keeps newline and tab. Control codes (C0, C1, with them every escape sequence's introducer) and invisible
    tag characters go; what would reorder the line, and lone surrogates, become U+FFFD.
    """
    text = _NEWLINE.sub("\n", text)
    return _SHOWN.sub("\ufffd", _DROPPED.sub("", text))


def one_line(text: str, limit: int = 200) -> str:
    """The text as one line of at most `limit` characters, with an ellipsis where it was cut."""
    line = " ".join(plain(text[: limit * 8]).split())
    cut = len(line) > limit or len(text) > limit * 8
    return f"{line[: limit - 1].rstrip()}…" if cut else line


def local_time(at: str, now: datetime | None = None) -> str:
    """ISO 8601 as hours and minutes here, with the date when it is not today's; what cannot be read stays as it is."""
    try:
        moment = datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError, OSError):
        return one_line(at, 32)
    today = (now or datetime.now()).astimezone()
    if moment.date() == today.date():
        return f"{moment:%H:%M}"
    return f"{moment:%d %b %H:%M}" if moment.year == today.year else f"{moment:%d %b %Y}"


def count(number: int, noun: str) -> str:
    """`1 document`, `2 documents`, `1,200 documents`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
