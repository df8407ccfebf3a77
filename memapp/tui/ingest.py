"""The bar that shows an ingest: it runs the work in a thread, can stop it, and says how it went."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from memapp.tui.text import count, one_line
from memapp.types import IngestReport, Progress

if TYPE_CHECKING:
    from memapp.memory import Memory

SHOWN_FAILURES = 8


class IngestBar(Static):
    """Hidden while nothing is read in. A click asks to stop."""

    class Advanced(Message):
        """Progress, from the thread that does the work."""

        def __init__(self, progress: Progress) -> None:
            super().__init__()
            self.progress = progress

    class Finished(Message):
        """An ingest came to its end; `error` is set when it broke off."""

        def __init__(self, report: IngestReport | None, error: BaseException | None = None) -> None:
            super().__init__()
            self.report = report
            self.error = error

    class StopWanted(Message):
        """The bar was clicked."""

    def __init__(self) -> None:
        super().__init__("", markup=False, id="ingest")
        self._cancel = threading.Event()
        self._started = 0.0
        self._seen: dict[str, Progress] = {}
        self.running = False

    def on_mount(self) -> None:
        """Begins hidden."""
        self.display = False

    def on_unmount(self) -> None:
        """Lets the thread end."""
        self._cancel.set()

    def on_click(self) -> None:
        """Asks to stop."""
        self.post_message(self.StopWanted())

    def start(self, memory: Memory, paths: Sequence[str]) -> None:
        """Begins to remember the paths."""
        self._cancel = threading.Event()
        self._started = time.monotonic()
        self._seen = {}
        self.running = self.display = True
        self.update("Reading…")
        self._ingest(memory, list(paths), self._cancel)

    def stop(self) -> None:
        """Ends it after the document at hand; what is committed stays."""
        self._cancel.set()
        self.update("Stopping…")

    @work(thread=True, exclusive=True, group="ingest", exit_on_error=False)
    def _ingest(self, memory: Memory, paths: list[str], cancel: threading.Event) -> IngestReport:
        last: dict[str, float] = {}

        def advance(progress: Progress) -> None:
            now = time.monotonic()
            if now - last.get(progress.stage, 0.0) >= 0.1:
                last[progress.stage] = now
                self.post_message(self.Advanced(progress))

        return memory.ingest(paths, progress=advance, cancel=cancel)

    @on(Advanced)
    def _advance(self, message: Advanced) -> None:
        message.stop()
        if self.running and not self._cancel.is_set():
            self._seen[message.progress.stage] = message.progress
            self.update(progress_line(self._seen, time.monotonic() - self._started))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Hides the bar and hands on the report."""
        if event.worker.is_finished:
            self.running = self.display = False
            failed = event.state == WorkerState.ERROR
            self.post_message(self.Finished(None if failed else event.worker.result, event.worker.error))


def progress_line(seen: dict[str, Progress], seconds: float) -> str:
    """One line on how far an ingest has come."""
    read, embedded = seen.get("read"), seen.get("embed")
    parts = ["Remembering"]
    if read is not None and read.total:
        parts.append(f"{100 * read.done // read.total} % read")
    if embedded is not None:
        rate = f" ({embedded.done / seconds:.0f}/s)" if seconds > 0.5 else ""
        parts.append(f"{count(embedded.done, 'passage')}{rate}")
    if "layers" in seen:
        parts.append("indexing")
    latest = read.item if read is not None else ""
    return " · ".join([*parts, *([one_line(latest, 48)] if latest else []), "Esc stops"])


def report_text(report: IngestReport) -> str:
    """What an ingest did, with the first failures."""
    passages = sum(item.passages for item in report.added)
    seconds = report.seconds.get("total", 0.0)
    head = f"Remembered {count(len(report.added), 'document')}, {count(passages, 'passage')}"
    parts = [
        f"{head} in {seconds:.1f} s" if seconds else head,
        f"{len(report.unchanged):,} unchanged" if report.unchanged else "",
        f"{len(report.failed):,} failed" if report.failed else "",
        "stopped early; what is committed stays" if report.interrupted else "",
    ]
    lines = [" · ".join(part for part in parts if part)]
    lines += [f"✗ {one_line(item.source, 80)}: {one_line(item.reason, 160)}" for item in report.failed[:SHOWN_FAILURES]]
    rest = len(report.failed) - SHOWN_FAILURES
    return "\n".join([*lines, *([f"… and {rest:,} more"] if rest > 0 else [])])
