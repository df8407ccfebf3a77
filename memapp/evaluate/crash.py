"""`memapp bench crash`: a process is killed at random moments, again and again; what it had reported must be there.

The same store goes through all kills. The killed process ingests, replaces and forgets documents whose
text follows from their name and version, and says what it begins and what it has done.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memapp.evaluate import workspace
from memapp.evaluate.forget import marker
from memapp.evaluate.report import Report
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder
from memapp.store import erase

_NAMES = 60
"""Documents that come and go."""
_AT_ONCE = 12
_ROUNDS = 4
"""Ingests, each followed by a forget, in the time within which a process is killed."""
_SKIPPED = 4
"""Letters of a marker that the full-text index may keep with its neighbour."""

Versions = dict[str, int]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--kills", type=int, default=200, help="how often (200)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of what is done (0)")


def run(arguments: argparse.Namespace) -> Report:
    """Kills so many times."""
    began = time.perf_counter()
    with workspace.folder() as place:
        outcome = crash(place / "memory.db", arguments.kills, arguments.seed)
    columns = ("kills", *sorted(outcome.during), "documents reported", "lost or half", "traces", "checks failed")
    row = (
        outcome.kills,
        *(outcome.during[step] for step in sorted(outcome.during)),
        outcome.reported,
        len(outcome.wrong),
        len(outcome.traces),
        len(outcome.failed),
    )
    figures = dict(zip(columns, row, strict=True)) | {"seconds": round(time.perf_counter() - began, 1)}
    notes = (
        "SIGKILL at moments spread evenly over a process's life, on one store; after each kill it is searched for"
        " what was reported as gone, reopened, verified, and every document read and compared.",
        *(f"{what}" for what in (*outcome.wrong, *outcome.traces, *outcome.failed)),
    )
    return Report("crash: SIGKILL during ingest and forget", columns, (row,), figures, notes)


@dataclass
class Outcome:
    """What came of the kills so far; the last three lists should stay empty."""

    kills: int = 0
    reported: int = 0
    during: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass
class Account:
    """What the processes said: what there is, what came before it, and what was under way at the kill."""

    alive: Versions = field(default_factory=dict)
    gone: set[tuple[str, int]] = field(default_factory=set)
    pending: Mapping[str, int | None] = field(default_factory=dict)
    """New versions, None for a forget."""

    def settle(self, changes: Mapping[str, int | None]) -> None:
        """Takes these changes as done."""
        for name, version in changes.items():
            before = self.alive.pop(name, None)
            if before is not None and before != version:
                self.gone.add((name, before))
            if version is not None:
                self.alive[name] = version


def crash(store: Path, kills: int, seed: int = 0) -> Outcome:
    """Kills a working process so often, and looks after each kill; every process goes on where the last one ended."""
    chance = random.Random(seed)
    outcome, account = Outcome(), Account()
    lifetime = _live(store, seed, account, None, outcome)
    _inspect(store, account, outcome)
    for life in range(1, kills + 1):
        _live(store, seed + life, account, chance.uniform(0, lifetime), outcome)
        _inspect(store, account, outcome)
    return outcome


def _live(store: Path, seed: int, account: Account, seconds: float | None, outcome: Outcome) -> float:
    """Lets a process work until it is killed after so many seconds, or for _ROUNDS; returns how long it worked."""
    rounds = _ROUNDS if seconds is None else 1 << 30
    command = [sys.executable, "-m", __name__, str(store), str(seed), str(rounds), json.dumps(account.alive)]
    during, account.pending = "opening", {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        began = time.perf_counter()
        alarm = threading.Timer(600 if seconds is None else seconds, child.kill)
        alarm.start()
        for line in child.stdout:
            # The last line of a killed process may be cut.
            if line.endswith("\n"):
                during, account.pending = _heard(json.loads(line), account, outcome)
        alarm.cancel()
    if child.returncode != (0 if seconds is None else -signal.SIGKILL):
        raise RuntimeError(f"The process ended by itself, with {child.returncode}.")
    if seconds is not None:
        outcome.kills += 1
        outcome.during[f"during {during}"] += 1
    return time.perf_counter() - began


def _heard(said: Mapping[str, Any], account: Account, outcome: Outcome) -> tuple[str, Mapping[str, int | None]]:
    if "begins" in said:
        return said["begins"], said["changes"]
    account.settle(account.pending)
    outcome.reported += sum(version is not None for version in account.pending.values())
    return "between", {}


def _inspect(store: Path, account: Account, outcome: Outcome) -> None:
    """Searches the files as the kill left them, then opens the store and compares it with what was said."""
    outcome.traces += _traces(store, account.gone)
    with Memory.open(store, embedder=ScriptedEmbedder()) as memory:
        outcome.failed += [f"{check.name}: {check.message}" for check in memory.verify() if not check.ok]
        found = {info.id: memory.document(info.id) for info in memory.documents()}
    for name in sorted({*found, *account.alive, *account.pending}):
        versions = {account.alive.get(name), account.pending.get(name, account.alive.get(name))}
        there = found[name].text if name in found else None
        fits = [version for version in versions if there == (None if version is None else text(name, version))]
        if not fits:
            outcome.wrong.append(f"{name}: neither of versions {versions}, but {there!r:.80}")
        else:
            account.settle({name: fits[0]})
            account.gone |= {(name, version) for version in versions if version is not None and version not in fits}
    outcome.traces += _traces(store, account.gone)


def _traces(store: Path, gone: set[tuple[str, int]]) -> list[str]:
    needles = [mark[_SKIPPED:].encode() for name, version in gone for mark in marks(name, version)]
    return [
        f"{trace.decode()} in {path.name}"
        for path in erase.files([store.parent])
        for trace in erase.traces(path, needles)
    ]


# What the killed process does


def marks(name: str, version: int) -> list[str]:
    """Words that only this version of a document holds."""
    return [marker(f"{name} {version} {number}") for number in range(1 + (version + len(name)) % 7)]


def text(name: str, version: int) -> str:
    """The text of a document: a few or very many sentences around its marks."""
    length = random.Random(f"{name} {version}").choice((1, 3, 30, 200))
    parts = [f"In version {version} of {name}, part {number} goes on for a while." for number in range(length)]
    return " ".join([*marks(name, version), *parts, *reversed(marks(name, version))])


def work(store: Path, seed: int, rounds: int, alive: Versions) -> None:
    """Ingests, replaces, forgets, asks; tells on stdout what it begins and what it has done."""
    from memapp import ingest
    from memapp.layers import dense

    dense.SAVE_FROM = 20
    ingest._BATCH_PASSAGES = 8
    chance = random.Random(seed)
    _say({"ready": True})
    with Memory.open(store, embedder=ScriptedEmbedder()) as memory:
        for begins, changes in _plan(chance, rounds, alive):
            _say({"begins": begins, "changes": changes})
            _carry_out(memory, store, changes)
            _say({"done": begins})
            if chance.random() < 0.5:
                memory.recall("version part")


def _plan(chance: random.Random, rounds: int, alive: Versions) -> Iterator[tuple[str, dict[str, int | None]]]:
    names = [f"document-{number}" for number in range(_NAMES)]
    for _ in range(rounds):
        versions: dict[str, int | None] = {name: chance.randrange(1 << 30) for name in chance.sample(names, _AT_ONCE)}
        yield "ingest", versions
        alive.update({name: version for name, version in versions.items() if version is not None})
        gone = chance.sample(sorted(alive), chance.randrange(1, len(alive) // 2))
        yield "forget", dict.fromkeys(gone)
        for name in gone:
            del alive[name]


def _carry_out(memory: Memory, store: Path, changes: Mapping[str, int | None]) -> None:
    come = {name: version for name, version in changes.items() if version is not None}
    if not come:
        memory.forget(*changes)
        return
    file = store.parent.parent / f"{store.parent.name}.jsonl"
    records = [{"id": name, "title": name, "text": text(name, version)} for name, version in come.items()]
    file.write_text("\n".join(map(json.dumps, records)))
    memory.ingest([file])
    file.unlink()


def _say(what: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    """The process that is killed."""
    work(Path(arguments[0]), int(arguments[1]), int(arguments[2]), json.loads(arguments[3]))


if __name__ == "__main__":
    main(sys.argv[1:])
