"""Many questions from a file, each answered in its turn; a run that was broken off is taken up again.

Answers are written in the order of the questions, one line each, so the number of whole lines in the
output is how far an earlier run came.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from memapp.errors import MemappError, ModelError, StoreError, UsageError
from memapp.types import BatchReport, Progress

Ask = Callable[[str], dict[str, Any]]
"""A question to its record; raises MemappError."""


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

    Raises UsageError when a file cannot be read or written, or when `out` exists and `resume` is
    off; StoreError and ModelError end the run, since every further question would fail alike.
    """
    total = sum(1 for line in _lines(questions) if line.strip())
    skipped = _whole_lines(out) if resume else 0
    if not resume and out.exists():
        raise UsageError(f"{out} exists already.", "Take it up again with --resume, or name another file.")
    done = failed = 0
    interrupted = False
    try:
        with out.open("a", encoding="utf-8") as file:
            for number, line in enumerate(line for line in _lines(questions) if line.strip()):
                if number < skipped:
                    continue
                if cancel is not None and cancel.is_set():
                    interrupted = True
                    break
                record = _answered(line, number + 1, ask)
                file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")
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
        given = json.loads(line)
        if not isinstance(given, dict):
            raise UsageError(f"Line {number} is not a JSON object.", 'Write {"id": ..., "question": ...}.')
        record["id"] = given.get("id")
        question = given.get("question")
        if not isinstance(question, str) or not question.strip():
            raise UsageError(f"Line {number} has no question.", 'Write {"id": ..., "question": ...}.')
        record.update(ask(question))
    except (ValueError, RecursionError) as error:
        record["error"] = f"Line {number} is not JSON: {error}"
    except StoreError:
        raise
    except MemappError as error:
        if isinstance(error, ModelError) and not error.per_question:
            raise
        record["error"] = str(error)
    return record


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", "Name a JSONL file of questions.") from error


def _whole_lines(out: Path) -> int:
    """Finished records in `out`; a torn last line, left by a kill, is cut off."""
    if not out.exists():
        return 0
    whole = end = 0
    with out.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += 1
            end += len(line)
        file.truncate(end)
    return whole
