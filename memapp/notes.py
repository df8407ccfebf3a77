"""Notes: what a person told memapp in a chat and wants it to remember. Each is a turn of theirs, a document of its own.

Nothing is remembered silently: the setting `remember` says whether notes are proposed (ask), kept and shown (on), or
neither (off). A note is edited by keeping other words under its id, and goes as every document does, by `forget`.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Sequence

from memapp.errors import UsageError
from memapp.extract.worth import judged
from memapp.read.times import dated, spoken_moment
from memapp.store import content
from memapp.store.log import Store
from memapp.store.terms import stems
from memapp.types import Document, Hit, Note

SPEAKER = "user"
MODES = ("off", "ask", "on")
_KIND = "note"
_SELF = frozenset(stems("i me my mine we our ours us am is are was s m"))
_NEAR = 5
"""Passages near a statement that may say the same."""


def mode(value: str) -> str:
    """The setting `remember`. Raises UsageError for a value that is none."""
    if value not in MODES:
        raise UsageError(f"remember is set to '{value}'.", f"Use one of: {', '.join(MODES)}.")
    return value


def worthy(message: str, near: Callable[[str], Sequence[Hit]]) -> list[Note]:
    """The statements of a message that are worth remembering and that memory does not hold yet.

    `near` finds the passages nearest to a text.
    """
    found: list[Note] = []
    seen: list[frozenset[str]] = []
    for verdict in judged(message):
        said = _gist(verdict.text)
        if not verdict.keep or not said or any(said <= other for other in seen):
            continue
        seen.append(said)
        if not any(said <= _gist(hit.passage.text) for hit in near(verdict.text)[:_NEAR]):
            found.append(Note("", verdict.text, reason=verdict.reason))
    return found


def document(text: str, session: str, now: datetime.datetime, id: str | None = None) -> Document:
    """The document of a note. Raises UsageError when there is nothing to keep."""
    words = " ".join(text.split())
    if not words:
        raise UsageError("There is nothing to remember.", "Give a statement.")
    name = id or f"note:{hashlib.sha256(words.casefold().encode()).hexdigest()[:12]}"
    known = {
        "kind": _KIND,
        "speaker": SPEAKER,
        "session": session or "notes",
        "time": now.isoformat(timespec="minutes"),
        "note": words,
    }
    told = f"{SPEAKER} ({spoken_moment(now)}): {dated(words, now.date())}"
    return Document(name, "", told, metadata=known)


def kept(store: Store) -> list[Note]:
    """The notes, newest first."""
    found = [info for info in content.infos(store) if info.metadata.get("kind") == _KIND]
    return [
        Note(info.id, str(info.metadata.get("note", "")), str(info.metadata.get("time", "")))
        for info in reversed(found)
    ]


def _gist(text: str) -> frozenset[str]:
    return frozenset(stems(text)) - _SELF
