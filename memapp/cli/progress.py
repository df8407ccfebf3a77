"""A progress bar with rate and time left, on standard error, for people only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from memapp.cli.options import Options
from memapp.cli.output import one_line
from memapp.types import Progress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

_WORDS = {"read": "Reading", "embed": "Embedding", "layers": "Indexing", "embedder": "Embedder", "model": "Model"}


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
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(
                    _WORDS.get(progress.stage, progress.stage), total=progress.total, item=""
                )
            item = one_line(progress.item)[-40:]
            bars.update(tasks[progress.stage], completed=progress.done, total=progress.total, item=item)

        yield show


def _layout() -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.0f}/s")

    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[item]}", markup=False),
    )
