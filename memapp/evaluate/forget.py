"""`memapp bench forget`: how long forgetting takes, and whether a byte of what was forgotten is left."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from memapp.evaluate import workspace
from memapp.evaluate.data import Record, load_corpus
from memapp.evaluate.report import Report
from memapp.memory import Memory
from memapp.store import content
from memapp.store.log import Store

_SKIPPED = 3
"""Letters of a marker that a search leaves out: an index may keep the beginning of a word with its neighbour."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument(
        "--corpus", type=Path, required=True, help="NAME_corpus.json; documents are made of its sentences"
    )
    parser.add_argument("--documents", type=int, default=10_000, help="in the store (10000)")
    parser.add_argument("--forget", type=int, default=1_000, help="of them (1000)")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError for a bad corpus."""
    made = workspace.recombined(load_corpus(arguments.corpus), arguments.documents)
    records = [replace(record, text=f"{record.text} {marker(record.id)}") for record in made]
    step = max(1, len(records) // max(1, arguments.forget))
    chosen = records[::step][: arguments.forget]
    names = {record.id for record in chosen}
    others = [record for record in records if record.id not in names]
    embedder = workspace.new_embedder(workspace.settings())
    with workspace.folder() as place:
        store = place / "memory.db"
        workspace.note(f"Making a store of {len(records):,} documents.")
        workspace.put(store, records, embedder)
        vectors = _vectors(store, [record.id for record in chosen], embedder.identity.dimension)
        with Memory.open(store, embedder=embedder) as memory:
            memory.stats()
            needles = [_needle(record) for record in chosen] + vectors
            before = found(place, needles)
            workspace.note(f"Forgetting {len(chosen):,}.")
            began = time.perf_counter()
            report = memory.forget(*(record.id for record in chosen))
            seconds = time.perf_counter() - began
            open_left = found(place, needles)
            checks = memory.verify()
        left = found(place, needles)
        kept = len(found(place, [_needle(record) for record in others]))
    failed = [check.name for check in checks if not check.ok]
    row = (len(report.documents), seconds, len(before), len(open_left), len(left), ", ".join(failed) or "all pass")
    columns = ("forgotten", "seconds", "traces before", "traces after", "traces after closing", "verify")
    notes = (
        f"Of {len(records):,} documents in all; {kept:,} of the {len(others):,} others are still there."
        " A trace is a document's marker word or a vector's bytes in any file of the store's folder.",
    )
    figures = dict(zip(columns, row, strict=True)) | {"documents": len(records), "kept": kept}
    return Report(f"forget: {arguments.corpus.stem}", columns, (row,), figures, notes)


def marker(id: str) -> str:
    """A word that stands in one document only."""
    return "".join(chr(ord("a") + byte % 26) for byte in sha256(id.encode()).digest()[:24])


def found(place: Path, needles: Iterable[bytes]) -> set[bytes]:
    """Those of these byte strings that stand in some file under `place`."""
    contents = [path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()]
    return {needle for needle in needles if any(needle in each for each in contents)}


def _needle(record: Record) -> bytes:
    return marker(record.id)[_SKIPPED:].encode()


def _vectors(path: Path, ids: Sequence[str], dimension: int) -> list[bytes]:
    """The first bytes of these documents' vectors, as the store keeps them."""
    store = Store(path, "default")
    try:
        ranges = [(one.id, one.id) for id in ids for one in content.passages_of(store, id)]
        _, rows = content.stretches(store, ranges, dimension)
    finally:
        store.close()
    return [np.asarray(row, "<f2").tobytes()[:32] for row in rows]
