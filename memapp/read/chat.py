"""JSON files: chat exports, lists of records, and anything else as the text that it is.

A turn is a section of its session's document: "speaker (time): words", with the date behind words such as "yesterday",
so that whoever reads the turn alone knows when it was.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from memapp.errors import ReadError
from memapp.read.bounded import DEFAULTS, load, tree_bytes
from memapp.read.clean import clean, line, readable
from memapp.read.draft import Draft
from memapp.read.encoding import decode
from memapp.read.jsonl import JsonlReader, parse, record
from memapp.read.times import dated, moment, spoken_moment
from memapp.settings import Settings
from memapp.types import TURN_MARK, Document, Failure

_SPEAKER = ("speaker", "author", "role", "name", "from", "sender", "user")
_SAID = ("content", "text", "message", "body")
_TIME = ("time", "timestamp", "date", "create_time", "created_at", "ts")
_TURNS = ("messages", "turns", "conversation", "chat")
_SESSIONS = "sessions"
_SHOWN = "caption"
Turn = tuple[str, str, str, str]
"""Session, time, speaker, words."""


@dataclass(frozen=True, slots=True)
class ChatReader:
    """A document for each conversation and session; a list of records {"text"} is read as JSONL would be."""

    settings: Settings = DEFAULTS
    name: ClassVar[str] = "chat"
    suffixes: ClassVar[frozenset[str]] = frozenset({".json"})

    def read(self, path: Path, source: str) -> Iterator[Document | Failure]:
        """The conversations in order. Raises Malformed when it is not JSON, TooLarge."""
        text = decode(load(path, tree_bytes(self.settings.max_record_mb)))
        if _is_jsonl(text):
            yield from JsonlReader(self.settings).read(path, source)
            return
        value = parse(text)
        if conversations := list(_conversations(value)):
            for number, (title, turns) in enumerate(conversations, 1):
                yield from _sessions(turns, title, source, number if len(conversations) > 1 else 0)
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) and "text" in item for item in value):
            yield from _records(value, source)
        else:
            draft = Draft()
            draft.add(text)
            yield draft.document(source, _title(value), "application/json")


def _is_jsonl(text: str) -> bool:
    """True for several lines of which the first is a whole object."""
    first, _, rest = text.strip().partition("\n")
    return first.startswith("{") and first.rstrip().endswith("}") and rest.lstrip().startswith("{")


def _records(values: Sequence[Any], source: str) -> Iterator[Document | Failure]:
    for number, value in enumerate(values, 1):
        try:
            yield record(value, source)
        except ReadError as error:
            yield Failure(f"{source}:{number}", str(error))


def _title(value: Any) -> str:
    return str(value["title"]) if isinstance(value, Mapping) and isinstance(value.get("title"), str) else ""


def _conversations(value: Any) -> Iterator[tuple[str, list[Turn]]]:
    """Title and turns of each conversation: one list of turns, an object that holds one, or a list of such objects."""
    if turns := _turns(value):
        yield "", turns
        return
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            turns = _turns(_of_sessions(item.get(_SESSIONS))) or _turns_in(item)
            if turns:
                yield _title(item), turns


def _turns_in(value: Mapping[str, Any]) -> list[Turn]:
    return next((found for key in _TURNS if (found := _turns(value.get(key)))), [])


def _of_sessions(value: Any) -> list[Mapping[str, Any]]:
    """The turns of a list of sessions, which tell for their turns what session it is and when it began."""
    turns: list[Mapping[str, Any]] = []
    for number, session in enumerate(value if isinstance(value, list) else (), 1):
        if not isinstance(session, Mapping):
            return []
        known = {"session": _first(session, ("session", "id")) or number, "time": _first(session, _TIME)}
        items: list[Any] = next((session[key] for key in _TURNS if isinstance(session.get(key), list)), [])
        turns += [{**known, **item} for item in items if isinstance(item, Mapping)]
    return turns


def _turns(value: Any) -> list[Turn]:
    """The turns of a list in which every item has a speaker and words; else none."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        return []
    turns: list[Turn] = []
    for item in value:
        speaker, said = _first(item, _SPEAKER), _words(_first(item, _SAID))
        if isinstance(speaker, Mapping):
            speaker = _first(speaker, ("name", "role"))
        if not isinstance(speaker, str) or said is None:
            return []
        if said and isinstance(item.get(_SHOWN), str):
            said += f" [{line(item[_SHOWN])}]"
        if said:
            turns.append((line(str(item.get("session") or "")), _time(_first(item, _TIME)), line(speaker), said))
    return turns


def _first(item: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _words(value: Any) -> str | None:
    """What was said: a string, or the text of a list of parts."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        parts = [part if isinstance(part, str) else part.get("text") for part in value if isinstance(part, (str, dict))]
        return clean("\n".join(part for part in parts if isinstance(part, str)))
    return None


def _time(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = value / 1000 if value > 1e11 else value
        try:
            return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
        except (OverflowError, ValueError, OSError):
            return ""
    return line(value) if isinstance(value, str) else ""


def _sessions(turns: Sequence[Turn], title: str, source: str, number: int) -> Iterator[Document]:
    for session, group in groupby(turns, key=lambda turn: turn[0]):
        draft, said = Draft(), list(group)
        for _, time, speaker, words in said:
            when = moment(time) if time else None
            stamp = when.isoformat(timespec="minutes") if when else time
            draft.section(f"{speaker}{TURN_MARK}{stamp}" if stamp else speaker)
            told = dated(words, when.date()) if when else words
            draft.add(f"{speaker} ({spoken_moment(when) if when else time}): {told}" if time else f"{speaker}: {told}")
        speakers = list(dict.fromkeys(speaker for _, _, speaker, _ in said))
        known = {"session": session, "time": said[0][1], "speakers": speakers}
        known["speaker"] = speakers[0] if len(speakers) == 1 else ""
        mark = "#".join(part for part in (source, str(number) if number else "", session) if part)
        yield draft.document(source, title or readable(source), "application/json", known, mark)
