"""`memapp bench notes`: how well questions on folders of everyday notes are answered, from ingest to abstention."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memapp.answer import cite
from memapp.errors import UsageError
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import reading
from memapp.evaluate.report import Cell, Report
from memapp.memory import Memory
from memapp.models import open_engine
from memapp.types import Answer

QUESTIONS = "questions.jsonl"
"""In the folder, beside the notes; it is not remembered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on the notes of a folder."""

    text: str
    answers: tuple[str, ...]
    """None where the notes do not tell."""


@dataclass(slots=True)
class Values:
    """Of the questions of a folder, in order."""

    f1: list[float] = field(default_factory=list)
    """Of those that the notes answer; what is withheld is wrong."""
    right: list[float] = field(default_factory=list)
    """Whether a right answer stands in what is said, of the same."""
    withheld: list[float] = field(default_factory=list)
    """Of those that they do not."""
    unsure_right: list[float] = field(default_factory=list)
    """Whether a right answer is said not to be sure."""
    unsure: list[float] = field(default_factory=list)
    """Whether what the notes do not tell is withheld or said not to be sure."""
    seconds: list[float] = field(default_factory=list)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    told = f"folders of notes, each with {QUESTIONS}"
    parser.add_argument("folders", nargs="*", type=Path, help=f"{told} (those beside this bench)")
    parser.add_argument("--wrong", action="store_true", help="also tell what was answered wrongly")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad folder."""
    folders = arguments.folders or sorted(path.parent for path in Path("bench/notes").glob(f"*/{QUESTIONS}"))
    if not folders:
        raise UsageError("There are no folders of notes here.", "Name some.")
    asked = {folder: load(folder) for folder in folders}
    settings, found = workspace.settings(), dict[str, Values]()
    embedder = workspace.new_embedder(settings)
    with open_engine(settings) as engine, workspace.folder() as place:
        engine.prepare()
        for folder, questions in asked.items():
            name = folder.resolve().name
            with Memory.open(
                place / "memory.db", namespace=name, settings=settings, embedder=embedder, engine=engine
            ) as memory:
                memory.ingest([path for path in sorted(folder.iterdir()) if path.name != QUESTIONS])
                workspace.note(f"Asking {len(questions):,} questions of {name}.")
                for one in questions:
                    began = time.perf_counter()
                    answer = memory.ask(one.text)
                    found.setdefault(name, Values()).seconds.append(time.perf_counter() - began)
                    if not _score(found[name], one, answer) and arguments.wrong:
                        workspace.note(f"  {one.text} {answer.text} ({answer.confidence:.2f}); right: {one.answers}")
    return _report(found)


def load(folder: Path) -> tuple[Asked, ...]:
    """The questions of a folder. Raises UsageError, Unreadable, Malformed."""

    def read(path: Path) -> Iterator[Asked]:
        for line in path.read_text(encoding="utf-8").splitlines():
            value: Any = json.loads(line)
            yield Asked(value["question"], tuple(value["answers"]))

    return reading(folder / QUESTIONS, lambda path: tuple(read(path)))


def _score(values: Values, asked: Asked, answer: Answer) -> bool:
    """Takes an answer in; whether it is right."""
    if not asked.answers:
        values.withheld.append(float(answer.abstained))
        values.unsure.append(float(answer.abstained or answer.unsure))
        return answer.abstained
    said = "" if answer.abstained else cite.unmarked(answer.text)
    values.f1.append(metrics.f1(said, asked.answers))
    right = bool(metrics.contains(said, asked.answers))
    values.right.append(float(right))
    if right:
        values.unsure_right.append(float(answer.unsure))
    return right


def _report(found: dict[str, Values]) -> Report:
    whole = Values()
    for values in found.values():
        for name in ("f1", "right", "withheld", "unsure_right", "unsure", "seconds"):
            getattr(whole, name).extend(getattr(values, name))
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, object] = {}
    for name, values in {**found, "all": whole}.items():
        f1, right = metrics.interval(values.f1), metrics.interval(values.right)
        withheld, unsure = _mean(values.withheld), _mean(values.unsure)
        between = f"[{right.low:.3f}, {right.high:.3f}]"
        median = f"{statistics.median(values.seconds):.2f} s"
        told = (name, len(values.f1), right.mean, between, _mean(values.unsure_right), f1.mean)
        rows.append((*told, len(values.withheld), withheld, unsure, median))
        figures[name] = {"right": right.mean, "F1": f1.mean, "withheld": withheld, "withheld or not sure": unsure}
    notes = (
        "Right: one of the right answers stands in what is said. What is withheld counts as wrong, for F1 too. "
        "Not sure: given with a confidence below 0.5.",
    )
    columns = (
        "notes",
        "told",
        "right",
        "95 %",
        "right but not sure",
        "F1",
        "not told",
        "withheld",
        "or not sure",
        "a question",
    )
    return Report("notes", columns, tuple(rows), figures, notes)


def _mean(values: list[float]) -> Cell:
    return statistics.fmean(values) if values else ""
