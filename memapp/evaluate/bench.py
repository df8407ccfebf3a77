"""The commands of `memapp bench`: their names, their options, and what happens to a report."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from memapp.evaluate.report import Report, circumstances, record, table, write_json

_HOMES = {
    "recall": "memapp.evaluate.recall",
    "qa": "memapp.evaluate.qa",
    "ingest": "memapp.evaluate.ingest",
    "latency": "memapp.evaluate.latency",
    "forget": "memapp.evaluate.forget",
    "engine": "memapp.evaluate.engine",
    "waiting": "memapp.evaluate.waiting",
    "graph": "memapp.evaluate.graph",
    "crash": "memapp.evaluate.crash",
    "concurrency": "memapp.evaluate.concurrency",
    "pagerank": "memapp.evaluate.pagerank",
    "extraction": "memapp.evaluate.extraction",
    "facts": "memapp.evaluate.facts",
    "hipporag": "memapp.evaluate.hipporag",
    "synonyms": "memapp.evaluate.synonyms",
    "parametric": "memapp.evaluate.parametric",
    "parametric-keys": "memapp.evaluate.parametric_keys",
    "parametric-speed": "memapp.evaluate.parametric_speed",
    "parametric-qa": "memapp.evaluate.parametric_qa",
    "injections": "memapp.evaluate.injections",
    "reader": "memapp.evaluate.reader",
    "context": "memapp.evaluate.context",
    "amortized": "memapp.evaluate.amortized",
    "chat": "memapp.evaluate.chat",
    "order": "memapp.evaluate.order",
    "clues": "memapp.evaluate.clues",
    "rerank": "memapp.evaluate.rerank",
    "summary": "memapp.evaluate.summary",
    "notes": "memapp.evaluate.notes",
}
RESULTS = Path("bench") / "RESULTS.md"


class Bench(Protocol):
    """What each module of a bench offers."""

    __doc__: str | None
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Report]


def names() -> list[str]:
    """The benches there are."""
    return list(_HOMES)


def run(name: str, arguments: list[str]) -> int:
    """Measures, prints the table, and writes what `--json` and `--record` ask for; the exit code.

    Raises KeyError for a name that is not in `names()`, and what the bench raises.
    """
    bench = cast(Bench, importlib.import_module(_HOMES[name]))
    parser = argparse.ArgumentParser(f"memapp bench {name}", description=(bench.__doc__ or "").partition("\n")[0])
    bench.add_options(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", nargs="?", const=RESULTS, help=f"keep the table there ({RESULTS})"
    )
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    report = bench.run(options)
    when = circumstances(["memapp", "bench", name, *arguments])
    sys.stdout.write("\n".join([report.title, when.machine, when.date, "", table(report), *report.notes]) + "\n")
    if options.json:
        write_json(options.json, report, when)
    if options.record:
        record(options.record, report, when)
    return 0
