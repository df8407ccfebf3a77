"""`memapp bench ingest`: passages a second, end to end, against what the embedder alone can do and against txtai.

All are measured in the same run, taking turns, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import memapp
from memapp.errors import ModelError, UsageError
from memapp.evaluate import workspace
from memapp.evaluate.data import Record, load_corpus
from memapp.evaluate.report import Report
from memapp.memory import Memory
from memapp.protocols import Embedder
from memapp.settings import Settings

_SCRIPT = Path("bench") / "txtai_index.py"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--limit", type=int, help="only the first records")
    parser.add_argument("--repeats", type=int, default=3, help="turns that each contestant takes (3)")
    parser.add_argument("--txtai", metavar="PYTHON", help="an interpreter that has txtai, to compare with")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError for a bad corpus, ModelError when txtai cannot be run."""
    records = load_corpus(arguments.corpus)[: arguments.limit]
    settings = workspace.settings()
    plain = replace(settings, layers=("lexical", "dense"), extract=False)
    embedder = workspace.new_embedder(settings)
    contents = _passages(records, embedder)
    runs: dict[str, Callable[[], float]] = {
        "embedder alone": lambda: _embed(contents, embedder),
        "memapp ingest": lambda: _ingest(records, embedder, settings),
        "memapp ingest, no graph": lambda: _ingest(records, embedder, plain),
    }
    if arguments.txtai:
        runs["txtai, hybrid"] = lambda: _txtai(arguments.txtai, contents)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(arguments.repeats):
        for name, measure in runs.items():
            workspace.note(f"Turn {turn + 1} of {arguments.repeats}: {name}.")
            seconds[name].append(measure())
    return _report(arguments.corpus.stem, len(records), len(contents), seconds)


def _passages(records: tuple[Record, ...], embedder: Embedder) -> list[str]:
    """What memapp embeds of the records; making them also warms everything up."""
    with workspace.folder() as place, Memory.open(place / "memory.db", embedder=embedder) as memory:
        workspace.ingested(memory, records, place)
        return [one.content for record in records for one in memory.passages(record.id)]


def _embed(contents: list[str], embedder: Embedder) -> float:
    began = time.perf_counter()
    embedder.embed(contents)
    return time.perf_counter() - began


def _ingest(records: tuple[Record, ...], embedder: Embedder, settings: Settings) -> float:
    """Seconds from a JSONL file to a committed store with its layers caught up."""
    with workspace.folder() as place, Memory.open(place / "memory.db", embedder=embedder, settings=settings) as memory:
        path = workspace.write_jsonl(place / "corpus.jsonl", records)
        began = time.perf_counter()
        memory.ingest([path], format="jsonl")
        memory.stats()
        return time.perf_counter() - began


def _txtai(python: str, contents: list[str]) -> float:
    """Seconds that txtai takes to index the same passages with the same model, without loading it."""
    from memapp.models import minilm

    script = Path(memapp.__file__).parents[1] / _SCRIPT
    if not script.is_file():
        raise UsageError(f"{_SCRIPT} is not there.", "Compare with txtai from a checkout of memapp.")
    with workspace.folder() as place:
        passages = place / "passages.json"
        passages.write_text(json.dumps(contents), encoding="utf-8")
        command = [python, str(script), str(passages), str(minilm.locate().weights.parent)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "") or str(error)
            raise ModelError(
                f"txtai could not be run: {said.strip()[-500:]}", "Name an interpreter with it."
            ) from error
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def _report(name: str, records: int, passages: int, seconds: dict[str, list[float]]) -> Report:
    rates = {contestant: [passages / each for each in times] for contestant, times in seconds.items()}
    ours = rates["memapp ingest"]
    rows = []
    figures = {}
    for contestant, each in rates.items():
        ratio = statistics.median(mine / other for mine, other in zip(ours, each, strict=True))
        rows.append((contestant, statistics.median(each), min(each), max(each), f"{ratio:.2f}"))
        figures[contestant] = {"passages_per_second": each, "memapp_ratio": ratio}
    columns = ("contestant", "passages/s, median", "slowest", "fastest", "memapp / this")
    note = (
        f"{records:,} records, {passages:,} passages; memapp's time is from the file to a committed store with layers"
        " that can be asked, the model loaded before."
    )
    return Report(f"ingest: {name}", columns, tuple(rows), {"passages": passages, **figures}, (note,))
