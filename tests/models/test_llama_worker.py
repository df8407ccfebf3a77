"""The thread that owns a model."""

from __future__ import annotations

import threading

import pytest

from memapp.errors import UsageError
from memapp.models.worker import Worker


def test_runs_in_one_thread_in_order_and_ends() -> None:
    worker, seen = Worker("w"), list[tuple[int, int]]()
    futures = [worker.submit(lambda n=n: seen.append((n, threading.get_ident()))) for n in range(5)]
    for future in futures:
        future.result()
    last = list[int]()
    worker.close(lambda: last.append(threading.get_ident()))
    assert [n for n, _ in seen] == list(range(5))
    assert {thread for _, thread in seen} == set(last) != {threading.get_ident()}
    worker.close(lambda: last.append(0))
    assert len(last) == 1
    with pytest.raises(UsageError):
        worker.submit(list)


def test_an_error_reaches_its_caller_and_no_other() -> None:
    worker = Worker("w")
    failing = worker.submit(lambda: 1 // 0)
    assert worker.submit(lambda: 7).result() == 7
    with pytest.raises(ZeroDivisionError):
        failing.result()
    worker.close(lambda: None)


def test_what_is_queued_can_be_cancelled() -> None:
    worker, gate, ran = Worker("w"), threading.Event(), list[int]()
    first = worker.submit(gate.wait)
    second = worker.submit(lambda: ran.append(1))
    assert second.cancel()
    gate.set()
    first.result()
    worker.close(lambda: None)
    assert ran == []
