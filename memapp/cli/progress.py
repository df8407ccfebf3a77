"""A progress bar with rate and time left, on standard error, for people only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from memapp.cli.options import Options
from memapp.cli.output import one_line, size
from memapp.types import Progress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

_WORDS = {
    "answer": "Answering",
    "download": "Downloading",
    "embed": "Embedding",
    "embedder": "Embedder",
    "export": "Exporting",
    "extract": "Extracting",
    "import": "Importing",
    "layers": "Indexing",
    "model": "Model",
    "passages": "Model reading",
    "read": "Reading",
    "rebuild": "Rebuilding",
    "steps": "Learning",
}
_BYTES = {"download", "read"}
"""Stages that count bytes."""


@contextmanager
def bar(options: Options) -> Iterator[Callable[[Progress], None] | None]:
    """A function that draws progress; None where nobody would see it (no terminal, or --quiet)."""
    if options.quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    with Bars(*_layout(), console=console, transient=True) as bars:
        tasks = {}

        def show(progress: Progress) -> None:
            stage = progress.stage
            if stage not in tasks:
                words, in_bytes = _WORDS.get(stage, one_line(stage)), stage in _BYTES
                tasks[stage] = bars.add_task(words, total=progress.total, item="", in_bytes=in_bytes)
            item = one_line(progress.item)[-40:]
            bars.update(tasks[stage], completed=progress.done, total=progress.total, item=item)

        yield show


def _layout() -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    def amount(task: Task, count: float) -> str:
        return size(int(count)) if task.fields["in_bytes"] else f"{count:,.0f}"

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            done = amount(task, task.completed)
            return Text(done if task.total is None else f"{done}/{amount(task, task.total)}")

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{amount(task, speed)}/s")

    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        Count(),
        Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[item]}", markup=False),
    )
