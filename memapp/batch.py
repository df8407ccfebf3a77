"""Many questions from a file, each answered in its turn; a run that was broken off is taken up again.

Answers are written in the order of the questions, one line each, so the whole lines of the output tell
how far an earlier run came. Their ids must be those of the questions, or nothing is touched.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from memapp.errors import ModelError, UsageError
from memapp.types import BatchReport, Progress

Ask = Callable[[str], dict[str, Any]]
"""A question to its record; raises MemappError."""
_EXAMPLE = 'Write {"id": ..., "question": ...}.'
_BEGINNING = b'{"id": '
"""Of every record that is written here."""


def run(
    questions: Path,
    out: Path,
    ask: Ask,
    *,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
) -> BatchReport:
    """Answers every line of `questions` into `out`; a bad line becomes a record with an `error`.

    Raises UsageError when a file cannot be read or written, when `out` exists and `resume` is off,
    or when it holds answers to other questions; StoreError and ModelError end the run, since every
    further question would fail alike.
    """
    total = sum(1 for _ in _lines(questions))
    if not resume and out.exists():
        raise UsageError(f"{out} exists already.", "Take it up again with --resume, or name another file.")
    skipped = _answered_before(questions, out) if resume else 0
    done = failed = 0
    interrupted = False
    try:
        with out.open("a", encoding="utf-8") as file:
            for number, line in enumerate(_lines(questions)):
                if number < skipped:
                    continue
                if cancel is not None and cancel.is_set():
                    interrupted = True
                    break
                record = _answered(line, number + 1, ask)
                if record.get("finish") == "cancelled":
                    # What was cut short is asked again, not kept.
                    interrupted = True
                    break
                file.write(_line(record))
                file.flush()
                done += 1
                failed += "error" in record
                if progress:
                    progress(Progress("answer", number + 1, total, str(record.get("id", ""))))
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.", "Name another file.") from error
    except KeyboardInterrupt:
        interrupted = True
    return BatchReport(done, failed, skipped, interrupted)


def _answered(line: bytes, number: int, ask: Ask) -> dict[str, Any]:
    record: dict[str, Any] = {"id": None}
    try:
        given = _parsed(line)
    except (ValueError, RecursionError) as error:
        return record | {"error": f"Line {number} is not JSON: {error}"}
    if not isinstance(given, dict):
        return record | {"error": f"Line {number} is not a JSON object. {_EXAMPLE}"}
    record["id"] = given.get("id")
    question = given.get("question")
    if not isinstance(question, str) or not question.strip():
        return record | {"error": f"Line {number} has no question. {_EXAMPLE}"}
    try:
        return record | ask(question)
    except ModelError as error:
        if not error.per_question:
            raise
        return record | {"error": str(error)}


def _parsed(line: bytes) -> Any:
    return json.loads(line, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _line(record: dict[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(record)
    return text + "\n"


def _lines(path: Path) -> Iterator[bytes]:
    """The lines that are not blank."""
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Name a JSONL file of questions.") from error


def _answered_before(questions: Path, out: Path) -> int:
    """Finished records in `out`; a torn last line, left by a kill, is cut off. Raises UsageError for another's file."""
    try:
        if not out.exists():
            return 0
        whole, end = _compared(questions, out)
        with out.open("rb+") as file:
            file.truncate(end)
    except OSError as error:
        raise UsageError(f"{out} cannot be read: {error.strerror}.", "Name another file.") from error
    return whole


def _compared(questions: Path, out: Path) -> tuple[int, int]:
    """Number and bytes of the whole records, each of which must answer the question in its place."""
    whole = end = 0
    asked = _lines(questions)
    with out.open("rb") as file:
        for line in file:
            torn = not line.endswith(b"\n")
            question = next(asked, None)
            same = line.startswith(_BEGINNING[: len(line)]) if torn else _key(line, None) == _key(question or b"", {})
            if question is None or not same or out.samefile(questions):
                raise UsageError(
                    f"Line {whole + 1} of {out} answers other questions than those of {questions}.",
                    "Resume with the same questions, or name another file for the answers.",
                )
            if not torn:
                whole += 1
                end += len(line)
    return whole, end


def _key(line: bytes, default: Any) -> str | None:
    """The id of a question or answer as JSON, so that 1 and true differ; of what is no record, that of `default`."""
    try:
        record = _parsed(line)
    except (ValueError, RecursionError):
        record = default
    if not isinstance(record, dict):
        record = default
    return None if record is None else json.dumps(record.get("id"), sort_keys=True)
