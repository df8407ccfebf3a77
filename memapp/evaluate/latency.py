"""`memapp bench latency`: how long a search and the first word of an answer take."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memapp.errors import StoreError, UsageError
from memapp.evaluate import workspace
from memapp.evaluate.data import Record, load, load_corpus
from memapp.evaluate.report import Report
from memapp.memory import Memory
from memapp.protocols import Embedder
from memapp.types import Done, Token

_WARM_UP = 20
_COLD_RUNS = 7
_FIRST = ("first_p50_ms", "first_p95_ms", "prompt_tokens")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument(
        "--corpus", type=Path, required=True, help="NAME_corpus.json; passages are made of its sentences"
    )
    parser.add_argument("--set", type=Path, help="NAME.json with questions on it; else titles are asked for")
    parser.add_argument("--sizes", default="1000,10000,100000", help="passages, by commas (1000,10000,100000)")
    parser.add_argument("--questions", type=int, default=200, help="how many are asked (200)")
    parser.add_argument("--answers", type=int, default=0, help="so many questions are answered too (0)")
    parser.add_argument("--real", type=int, default=1000, help="up to so many passages are ingested as usual (1000)")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError for a bad corpus or sizes."""
    try:
        sizes = [int(size) for size in arguments.sizes.split(",")]
    except ValueError as error:
        raise UsageError(f"--sizes is {arguments.sizes!r}.", "Give numbers, as in 1000,10000.") from error
    records = load_corpus(arguments.corpus)
    questions = _questions(records, arguments)
    embedder = workspace.new_embedder(workspace.settings())
    figures = {"memapp --help": {"cold_s": _cold(["--help"])}}
    rows: list[tuple[str | float, ...]] = []
    for size in sizes:
        with workspace.folder() as place:
            store = place / "memory.db"
            workspace.note(f"Making a store of {size:,} passages.")
            _fill(store, list(workspace.recombined(records, size)), embedder, size <= arguments.real)
            measured = _measure(store, questions, embedder)
            if arguments.answers:
                measured |= _answered(store, questions[: arguments.answers], embedder)
        figures[str(size)] = measured
        parts = ", ".join(f"{name} {ms:.1f}" for name, ms in measured["parts_ms"].items())
        told = ("p50_ms", "p95_ms", "max_ms", "cold_s", *(_FIRST if arguments.answers else ()))
        rows.append((f"{size:,}", *(measured[key] for key in told), parts))
    answers = ("first word of an answer p50 ms", "p95 ms", "tokens of its prompt") if arguments.answers else ()
    columns = ("passages", "p50 ms", "p95 ms", "slowest ms", "cold process s", *answers, "parts, median ms")
    notes = (
        f"{len(questions)} questions, each with its embedding, over all layers. Passages are sentences of the corpus"
        f" put together anew; above {arguments.real:,} their vectors are real ones moved by noise. A cold process is"
        f" `memapp search`, median of {_COLD_RUNS}; `memapp --help` takes {figures['memapp --help']['cold_s']:.2f} s.",
        *([f"{arguments.answers} questions are answered, no two the same."] if arguments.answers else []),
    )
    return Report(f"latency: {arguments.corpus.stem}", columns, tuple(rows), figures, notes)


def _questions(records: Sequence[Record], arguments: argparse.Namespace) -> list[str]:
    if arguments.set:
        asked = [one.text for collection in load(arguments.set, arguments.corpus) for one in collection.questions]
    else:
        asked = list(dict.fromkeys(f"What is known of {record.title}?" for record in records if record.title))
    if not asked:
        raise UsageError("There are no questions.", "Name some with --set.")
    return [asked[number % len(asked)] for number in range(arguments.questions)]


def _fill(store: Path, records: list[Record], embedder: Embedder, real: bool) -> None:
    if not real:
        workspace.put(store, records, embedder)
    with Memory.open(store, embedder=embedder) as memory:
        if real:
            workspace.ingested(memory, records, store.parent)
        memory.stats()


def _measure(store: Path, questions: Sequence[str], embedder: Embedder) -> dict[str, Any]:
    times: list[float] = []
    parts: dict[str, list[float]] = {}
    with Memory.open(store, embedder=embedder) as memory:
        for question in questions[:_WARM_UP]:
            memory.search(question)
        for question in questions:
            began = time.perf_counter()
            found = memory.search(question)
            times.append((time.perf_counter() - began) * 1000)
            for name, ms in found.timing_ms.items():
                parts.setdefault(name, []).append(ms)
    parts.pop("total", None)
    return {
        "p50_ms": float(np.quantile(times, 0.5)),
        "p95_ms": float(np.quantile(times, 0.95)),
        "max_ms": max(times),
        "parts_ms": {name: statistics.median(each) for name, each in parts.items()},
        "cold_s": _cold(["--store", str(store), "search", questions[0], "--json"]),
    }


def _answered(store: Path, questions: Sequence[str], embedder: Embedder) -> dict[str, Any]:
    """How long the first word of an answer takes, search included."""
    times, tokens = [], []
    with Memory.open(store, embedder=embedder, settings=workspace.settings()) as memory:
        memory.ask(questions[-1])
        for question in questions:
            began, first_word = time.perf_counter(), 0.0
            for event in memory.stream(question):
                if isinstance(event, Token):
                    first_word = first_word or time.perf_counter() - began
                elif isinstance(event, Done):
                    tokens.append(event.answer.tokens.prompt)
            times.append(first_word * 1000)
    first = {name: float(np.quantile(times, part)) for name, part in zip(_FIRST, (0.5, 0.95), strict=False)}
    return {**first, "prompt_tokens": statistics.median(tokens)}


def _cold(arguments: Sequence[str]) -> float:
    """Median seconds of a `memapp` process from start to end. Raises StoreError when it fails."""
    times = []
    for _ in range(_COLD_RUNS):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "memapp", *arguments], capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - began)
        if done.returncode:
            raise StoreError(f"memapp ended with {done.returncode}: {done.stderr.strip()[-300:]}", "Run it by hand.")
    return statistics.median(times)
