"""`memapp bench waiting`: what it costs that threads wait for each other, alone and beside other programs."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace

from memapp import device
from memapp.evaluate import workspace
from memapp.evaluate.report import Cell, Report
from memapp.models.catalog import Catalog
from memapp.models.native import Context, Model, Options
from memapp.models.opening import READER, placed
from memapp.models.reading import TEXT
from memapp.settings import shipped

IN_USE = "spin for a moment (in use)"
WAYS: Mapping[str, Mapping[str, str]] = {
    "sleep at once": {"OMP_WAIT_POLICY": "passive"},
    IN_USE: {},
    "spin for long": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "10000"},
}
BATCHES = (1, 8, 32, 256)
"""Tokens computed at once: one that is written, a step of a search, a sentence, a part of a prompt."""
_BEFORE = 600


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--repeats", type=int, default=5, help="how often each batch is computed (5)")


def run(arguments: argparse.Namespace) -> Report:
    """Measures."""
    cores = device.threads().value
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, dict[str, float]] = {}
    for busy in sorted({0, 1, cores}):
        with _busy(busy):
            for way, said in WAYS.items():
                workspace.note(f"{way}, beside {busy} busy programs.")
                taken = _taken(said, arguments.repeats)
                figures[f"{way}, {busy} busy"] = taken
                rows.append((way, busy, *taken.values()))
    columns = ("a thread that waits", "busy programs", *(f"{size} tokens, ms" for size in BATCHES))
    note = (
        f"Batches behind {_BEFORE} tokens, with the reader's adapter, medians of {arguments.repeats}, on "
        f"{cores} threads; each way in a process of its own. The last is OpenMP's GOMP_SPINCOUNT at 10,000."
    )
    return Report("waiting", columns, tuple(rows), figures, (note,))


@contextmanager
def _busy(count: int) -> Iterator[None]:
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def _taken(said: Mapping[str, str], repeats: int) -> dict[str, float]:
    """Milliseconds of each batch in a process to which this is said."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-m", __name__, str(repeats)]
    done = subprocess.run(command, env={**clean, **said}, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measured(repeats: int) -> dict[str, float]:
    settings, catalog = workspace.settings(), Catalog()
    wanted = Options(context_tokens=1024, threads=device.threads().value)
    path, options = placed(catalog.resolve(settings.model), wanted, 0, catalog.prepared_directory)
    with (
        closing(Model(path, options)) as model,
        closing(model.context(replace(options, context_tokens=1024))) as context,
    ):
        context.adapt(model.adapter(shipped(READER)))
        tokens = model.tokenize(TEXT * 2, special=False)
        context.extend(tokens[:_BEFORE], lambda: False)
        return {str(size): statistics.median(_once(context, tokens, size) for _ in range(repeats)) for size in BATCHES}


def _once(context: Context, tokens: list[int], size: int) -> float:
    context.keep(_BEFORE)
    began = time.perf_counter()
    context.extend(tokens[_BEFORE : _BEFORE + size], lambda: False)
    context.logits()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measured(int(sys.argv[1]))))
