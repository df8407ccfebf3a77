"""Consolidates the parametric memory while nobody asks anything, where the settings allow it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.widget import Widget
from textual.worker import Worker, WorkerState

if TYPE_CHECKING:
    from memapp.memory import Memory

_LOOK_SECONDS = 1.0
"""How often the clock is looked at."""


class Idle(Widget):
    """An unseen node that waits, works in a thread, and leaves off as soon as somebody stirs."""

    class Began(Message):
        """The chat model reads and learns now."""

    class Ended(Message):
        """It does not any more; `error` says why when it broke off by itself."""

        def __init__(self, error: BaseException | None) -> None:
            super().__init__()
            self.error = error

    def __init__(self) -> None:
        super().__init__(id="idle")
        self._memory: Memory | None = None
        self._stirred = time.monotonic()
        self._stop: threading.Event | None = None
        self._learned = -1
        """How many changes the log had when all of it was last learned."""

    def attend(self, memory: Memory) -> None:
        """Begins to wait, if the memory's settings say for how long."""
        if self._memory is None and memory.settings.train_idle_minutes > 0:
            self._memory = memory
            self.set_interval(_LOOK_SECONDS, self._look)

    def stir(self) -> None:
        """Somebody does something: what runs stops, and the waiting begins again."""
        self._stirred = time.monotonic()
        if self._stop is not None:
            self._stop.set()

    def _look(self) -> None:
        memory = self._memory
        if memory is None or self._stop is not None:
            return
        if time.monotonic() - self._stirred >= 60 * memory.settings.train_idle_minutes:
            self._stop = threading.Event()
            self._consolidate(memory, self._stop)

    @work(thread=True, exclusive=True, group="idle", exit_on_error=False)
    def _consolidate(self, memory: Memory, stop: threading.Event) -> None:
        changes = memory.stats().changes
        if changes == self._learned or not memory.documents(limit=1):
            return
        self.post_message(self.Began())
        _, learned = memory.consolidate(cancel=stop)
        if learned is not None and not learned.interrupted:
            # Reading is logged too, so what is learned now is what the log holds now.
            self._learned = memory.stats().changes

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Lets the next one begin."""
        if event.worker.is_finished:
            self._stop = None
            self._stirred = time.monotonic()
            self.post_message(self.Ended(event.worker.error if event.state == WorkerState.ERROR else None))
