"""`memapp bench concurrency`: writing and reading processes on one store at once; nothing is locked out, lost or half.

Writers add, replace and forget documents whose text follows from their name and version; readers ask,
list and read, and compare every text that they get with what it must be.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memapp.errors import MemappError, UsageError
from memapp.evaluate import workspace
from memapp.evaluate.crash import Versions, text
from memapp.evaluate.report import Report
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--writers", type=int, default=2, help="writing processes (2)")
    parser.add_argument("--readers", type=int, default=4, help="reading processes (4)")


def run(arguments: argparse.Namespace) -> Report:
    """Lets them work."""
    with workspace.folder() as place:
        outcome = contend(place / "memory.db", arguments.seconds, arguments.writers, arguments.readers)
    columns = (
        "seconds",
        "writers",
        "readers",
        "writes",
        "reads",
        "documents",
        "errors",
        "lost or wrong",
        "checks failed",
    )
    row = (
        arguments.seconds,
        arguments.writers,
        arguments.readers,
        outcome.writes,
        outcome.reads,
        outcome.documents,
        len(outcome.errors),
        len(outcome.wrong),
        len(outcome.failed),
    )
    notes = (
        "A write adds, replaces or forgets a document and is durable when it is counted; a read asks, lists or reads.",
        *outcome.errors,
        *outcome.wrong,
        *outcome.failed,
    )
    return Report(
        "concurrency: one store, several processes", columns, (row,), dict(zip(columns, row, strict=True)), notes
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What they did; the last three should be empty."""

    writes: int
    reads: int
    documents: int
    errors: tuple[str, ...]
    wrong: tuple[str, ...]
    failed: tuple[str, ...]


def contend(store: Path, seconds: float, writers: int, readers: int) -> Outcome:
    """Starts the processes, waits for them, and compares the store with what the writers say that it holds."""
    Memory.open(store).close()
    roles = [*(("write", n) for n in range(writers)), *(("read", n) for n in range(readers))]
    children = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, role, str(store), str(number), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for role, number in roles
    ]
    said = [_said(role, child) for (role, _), child in zip(roles, children, strict=True)]
    expected: Versions = {name: version for one in said for name, version in one["alive"].items()}
    with Memory.open(store, embedder=ScriptedEmbedder()) as memory:
        failed = tuple(f"{check.name}: {check.message}" for check in memory.verify() if not check.ok)
        found = [info.id for info in memory.documents()]
        wrong = [f"{name} is missing or too much" for name in sorted(set(found) ^ set(expected))]
        wrong += [f"{name} is there {found.count(name)} times" for name in set(found) if found.count(name) > 1]
        wrong += [
            f"{name} is not as written" for name in found if name in expected and not _right(memory, name, expected)
        ]
    return Outcome(
        sum(one["done"] for one in said if one["role"] == "write"),
        sum(one["done"] for one in said if one["role"] == "read"),
        len(found),
        tuple(error for one in said for error in one["errors"]),
        tuple(wrong + [what for one in said for what in one["wrong"]]),
        failed,
    )


def _said(role: str, child: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = child.communicate()
    if child.returncode:
        return {"role": role, "alive": {}, "done": 0, "errors": [err.strip().splitlines()[-1]], "wrong": []}
    said: dict[str, Any] = json.loads(out)
    return said


def _right(memory: Memory, name: str, expected: Versions) -> bool:
    return memory.document(name).text == text(name, expected[name])


# What the processes do


def write(store: Path, number: int, seconds: float) -> dict[str, Any]:
    """Adds, replaces and forgets documents of its own."""
    chance = random.Random(number)
    alive: Versions = {}
    errors: list[str] = []
    done = 0
    until = time.monotonic() + seconds
    with Memory.open(store, embedder=ScriptedEmbedder()) as memory:
        while time.monotonic() < until:
            name, version = f"document-{number}-{chance.randrange(40)}", chance.randrange(1 << 30)
            try:
                if name in alive and chance.random() < 0.4:
                    memory.forget(name)
                    del alive[name]
                else:
                    memory.add(text(name, version), id=name, metadata={"version": version})
                    alive[name] = version
                done += 1
            except MemappError as error:
                errors.append(f"writer: {type(error).__name__}: {error}")
    return {"role": "write", "alive": alive, "done": done, "errors": errors, "wrong": []}


def read(store: Path, number: int, seconds: float) -> dict[str, Any]:
    """Asks, lists and reads; a document that went in between is no fault."""
    chance = random.Random(number)
    wrong: list[str] = []
    errors: list[str] = []
    done = 0
    until = time.monotonic() + seconds
    with Memory.open(store, embedder=ScriptedEmbedder()) as memory:
        while time.monotonic() < until:
            try:
                wrong += _looked(memory, chance)
                done += 1
            except UsageError:
                done += 1
            except MemappError as error:
                errors.append(f"reader: {type(error).__name__}: {error}")
    return {"role": "read", "alive": {}, "done": done, "errors": errors, "wrong": wrong}


def _looked(memory: Memory, chance: random.Random) -> list[str]:
    """What was wrong with what one look at the store saw."""
    if chance.random() < 0.7:
        hits = memory.recall(f"version {chance.randrange(100)} of document part goes on", 5)
        passages = [hit.passage for hit in hits]
        return [
            f"a passage of {one.document} is not of its text"
            for one in passages
            if one.text not in text(one.document, one.metadata["version"])
        ]
    infos = memory.documents()
    if not infos:
        return []
    document = memory.document(chance.choice(infos).id)
    whole = document.text == text(document.id, document.metadata["version"])
    return [] if whole else [f"{document.id} is half there"]


def main(arguments: Sequence[str]) -> None:
    """One of the processes."""
    role, store, number, seconds = arguments
    said = {"write": write, "read": read}[role](Path(store), int(number), float(seconds))
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
