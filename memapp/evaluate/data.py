"""Data sets for measuring: read from files that the user names, nothing is shipped or downloaded.

Three forms are known: a JSON list of questions with a corpus beside it, conversations in the form of LoCoMo (Maharana
et al., 2024), and a folder with the Cranfield collection (Cleverdon, 1967).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from memapp.errors import Malformed, Unreadable, UsageError

T = TypeVar("T")

UNANSWERABLE = 5
"""LoCoMo's category of questions whose answer was never said."""
_GRADES = {1: 4, 2: 3, 3: 2, 4: 1}
"""Cranfield counts relevance downwards from 1; 5 and -1 are of no interest."""


@dataclass(frozen=True, slots=True)
class Record:
    """One text of a collection, ingested as one document."""

    id: str
    title: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what is right."""

    id: str
    text: str
    answers: tuple[str, ...]
    gold: Mapping[str, int]
    """Grade of each record that helps, by the record's id; the higher the better, all above 0."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Records, and the questions on them. A data set is one or more, each a memory of its own."""

    name: str
    records: tuple[Record, ...]
    questions: tuple[Question, ...]


def load(questions: Path, corpus: Path | None = None) -> tuple[Collection, ...]:
    """The collections of a data set.

    Raises UsageError when a file is missing, Unreadable when it cannot be opened, Malformed when it has another
    form.
    """
    if questions.is_dir():
        return (reading(questions, _cranfield),)
    value = reading(questions, _json)
    if isinstance(value, list) and value and isinstance(value[0], dict) and "sessions" in value[0]:
        return tuple(reading(questions, lambda _: [_conversation(one) for one in value]))
    if corpus is None:
        raise UsageError(f"{questions.name} needs a corpus.", "Name it with --corpus.")
    records = load_corpus(corpus)
    return (reading(questions, lambda path: Collection(path.stem, records, tuple(_questions(value, records)))),)


def load_corpus(path: Path) -> tuple[Record, ...]:
    """The records of a JSON list of {"title", "text"}; the same title and text again is the same record."""

    def read(path: Path) -> tuple[Record, ...]:
        pairs = dict.fromkeys((one["title"], one["text"]) for one in _json(path))
        return tuple(Record(f"{path.stem}:{n}", title, text) for n, (title, text) in enumerate(pairs))

    return reading(path, read)


def reading(path: Path, read: Callable[[Path], T]) -> T:
    """The boundary at which a bad file becomes an error of ours."""
    if not path.exists():
        raise UsageError(f"There is no {path}.", "Name a file or folder that exists.")
    try:
        return read(path)
    except OSError as error:
        raise Unreadable(f"{path} cannot be opened: {error.strerror}.", "Check its permissions.") from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise Malformed(
            f"{path} is not a data set that memapp knows: {type(error).__name__} {error}.",
            "It must be a list of questions, conversations in LoCoMo's form, or the folder of Cranfield.",
        ) from error


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _questions(value: Any, records: tuple[Record, ...]) -> Iterator[Question]:
    ids = {(record.title, record.text): record.id for record in records}
    for number, one in enumerate(value):
        gold = {ids[title, text]: 1 for title, text in one["gold"]}
        yield Question(str(one.get("id", number)), one["question"], tuple(map(str, one["answers"])), gold)


def _conversation(value: Mapping[str, Any]) -> Collection:
    """Each turn is a record; a question's gold are the turns that it rests on."""
    records = tuple(
        Record(
            f"{value['id']}:{turn['id']}",
            "",
            f"{turn['speaker']}: {turn['text']}" + (f" [{turn['caption']}]" if turn.get("caption") else ""),
            {"session": str(session["session"]), "time": session["time"], "speaker": turn["speaker"]},
        )
        for session in value["sessions"]
        for turn in session["turns"]
    )
    known = {record.id for record in records}
    questions = []
    for number, one in enumerate(value["questions"]):
        gold = {id: 1 for turn in one["evidence"] if (id := f"{value['id']}:{turn}") in known}
        if gold and one["category"] != UNANSWERABLE:
            answers = (str(one["answer"]),)
            questions.append(Question(f"{value['id']}:q{number}", one["question"], answers, gold))
    return Collection(str(value["id"]), records, tuple(questions))


def _cranfield(folder: Path) -> Collection:
    records = []
    for id, fields in _smart(folder / "cran.all.1400"):
        title, text = fields.get("T", ""), fields.get("W", "")
        if title or text:
            records.append(Record(str(id), title.rstrip(" ."), text.removeprefix(title).strip() or title))
    gold: dict[int, dict[str, int]] = {}
    for line in (folder / "cranqrel").read_text().splitlines():
        if line.strip():
            query, document, code = map(int, line.split()[:3])
            if code in _GRADES:
                gold.setdefault(query, {})[str(document)] = _GRADES[code]
    questions = [
        Question(str(number), fields["W"], (), gold[number])
        for number, (_, fields) in enumerate(_smart(folder / "cran.qry"), 1)
        if number in gold
    ]
    return Collection(folder.name, tuple(records), tuple(questions))


def _smart(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Entries of a file in SMART's format: a line with a dot and a letter begins a field."""
    for entry in re.split(r"^\.I ", path.read_text(encoding="latin-1"), flags=re.MULTILINE)[1:]:
        id, _, body = entry.partition("\n")
        parts = re.split(r"^\.([A-Z])\n", body, flags=re.MULTILINE)
        yield int(id), {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
