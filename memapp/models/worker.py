"""One thread that owns a resource; calls from other threads queue for it. Knows nothing of models."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from memapp.errors import UsageError

Result = TypeVar("Result")


class Worker:
    """Runs functions one after another in a thread of its own, which starts with the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Queues the function; the future has its result or its exception. Raises UsageError once closed."""
        future: Future[Result] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller, who gets it from the future
                future.set_exception(error)

        with self._lock:
            if self._closed:
                raise UsageError("The model was closed.", "Open it again.")
            self._start()
            self._jobs.put(job)
        return future

    def _start(self) -> None:
        if self._thread is None:
            # A daemon: an engine that nobody closed must not keep the process from ending.
            self._thread = threading.Thread(target=_run, args=(self._jobs,), name=self._name, daemon=True)
            self._thread.start()

    def close(self, last: Callable[[], None]) -> None:
        """Runs `last` in the thread after all that is queued, then ends the thread; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._thread is None:
                return
            self._jobs.put(last)
            self._jobs.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join()


def _run(jobs: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while True:
        job = jobs.get()
        if job is None:
            return
        job()
        del job  # while it waits, the thread must not keep alive what the last job belonged to
