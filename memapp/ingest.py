"""The story of remembering: find, read, split, embed, extract, commit, and let the layers catch up.

Reading and committing run in threads of their own, so that the embedder never waits for a disk. What
is committed stays, whatever happens afterwards; a document is committed whole or not at all.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from memapp.protocols import Embedder, Extractor, Reader
from memapp.read import Found, find, read, source_of, split_all, spool
from memapp.settings import Settings
from memapp.store import erase
from memapp.store.extractions import TAGGER
from memapp.store.log import Entry, Store, content_hash
from memapp.types import Document, Extraction, Failure, IngestReport, Item, ItemState, Passage, Progress, Span, Vectors

_BATCH_PASSAGES = 256
"""Passages that are embedded and committed together."""
_BATCH_CHARACTERS = 200_000
_END = object()


@dataclass
class _Ledger:
    """What became of each item so far, and where the time went."""

    items: list[Item] = field(default_factory=list)
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("read", "split", "embed", "extract", "commit"), 0.0)
    )
    passages: int = 0
    progress: Callable[[Progress], None] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Items are noted from two threads, and whoever shows the progress should not have to care."""

    def note(self, item: Item) -> None:
        with self.lock:
            self.items.append(item)
            self.passages += item.passages

    def committed(self) -> None:
        with self.lock:
            if self.progress:
                self.progress(Progress("embed", self.passages, None))

    def spent(self, stage: str, since: float) -> None:
        self.seconds[stage] += time.perf_counter() - since


@dataclass(frozen=True, slots=True)
class Models:
    """What reads the passages: vectors and token states by the one, phrases by the other if any is wanted."""

    embedder: Embedder
    extractor: Extractor | None = None


def ingest(
    documents: Iterable[Document | Failure],
    store: Store,
    models: Models,
    settings: Settings,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
) -> IngestReport:
    """Remembers documents; one that is known already, word for word, is left alone.

    Ends early when `cancel` is set or at KeyboardInterrupt: the report is then marked interrupted.
    Raises StoreError or ModelError when it cannot go on; what was committed before stays.
    """
    began = time.perf_counter()
    ledger = _Ledger(progress=progress)
    stop = cancel or threading.Event()
    reading = _Stage(_timed(documents, ledger), stop)
    writing = _Writer(store, models.embedder, ledger)
    interrupted = False
    try:
        for batch in _batches(reading, ledger):
            for entries in _made_ready(batch, store, models, settings, ledger):
                writing.put(entries)
            if stop.is_set():
                break
        writing.close()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        reading.close()
        writing.close()
    writing.check()
    interrupted = interrupted or stop.is_set()
    if not interrupted:
        erase.scrub(store.database, settings.busy_seconds)
    ledger.seconds["total"] = time.perf_counter() - began
    return IngestReport(tuple(ledger.items), ledger.seconds, interrupted)


def from_paths(
    paths: Iterable[str | Path],
    settings: Settings,
    format: str | None = None,
    extra: Iterable[Reader] = (),
    *,
    skip: Collection[Path] = (),
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Document | Failure]:
    """The documents of files and folders, each with the absolute path as its source, and how many bytes are read.

    Files to `skip` (the store's own) are passed over in silence.
    """
    readers = tuple(extra)
    found = [one for one in find(Path(path).expanduser().absolute() for path in paths) if not _skipped(one, skip)]
    sizes = [_size(one) for one in found]
    done, total = 0, sum(sizes)
    for one, size in zip(found, sizes, strict=True):
        characters = 0
        for item in read(one.path, one.source, format, settings, readers) if isinstance(one, Found) else (one,):
            yield item
            characters += len(item.text) if isinstance(item, Document) else 0
            if progress:
                progress(Progress("read", done + min(characters, size), total, one.source))
        done += size
        if progress:
            progress(Progress("read", done, total, one.source))


def _skipped(found: Found | Failure, skip: Collection[Path]) -> bool:
    return isinstance(found, Found) and found.path.resolve() in skip


def _size(found: Found | Failure) -> int:
    try:
        return found.path.stat().st_size if isinstance(found, Found) else 0
    except OSError:
        return 0


def from_stdin(
    stack: contextlib.ExitStack,
    stream: BinaryIO,
    settings: Settings,
    format: str | None = None,
    extra: Iterable[Reader] = (),
) -> Iterator[Document | Failure]:
    """The documents of a stream, kept in a temporary file for as long as `stack` is open."""
    path = stack.enter_context(spool(stream, settings))
    return read(path, "-", format, settings, tuple(extra))


def source_name(path: str | Path) -> str:
    """How the source of a file is stored."""
    return source_of(Path(path).expanduser().absolute())


def _timed(documents: Iterable[Document | Failure], ledger: _Ledger) -> Iterator[Document | Failure]:
    iterator = iter(documents)
    while True:
        began = time.perf_counter()
        item = next(iterator, None)
        ledger.spent("read", began)
        if item is None:
            return
        yield item


def _batches(items: Iterable[Document | Failure], ledger: _Ledger) -> Iterator[list[Document]]:
    """Documents in groups of about _BATCH_CHARACTERS; failures are noted on the way."""
    batch: list[Document] = []
    characters = 0
    for item in items:
        if isinstance(item, Failure):
            ledger.note(Item(item.source, "failed", reason=item.reason))
            continue
        batch.append(item)
        characters += len(item.text)
        if characters >= _BATCH_CHARACTERS or len(batch) >= _BATCH_PASSAGES:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _made_ready(
    batch: list[Document], store: Store, models: Models, settings: Settings, ledger: _Ledger
) -> Iterator[list[Entry]]:
    """Splits and embeds the documents that are new; the others are noted as unchanged."""
    known = store.hashes(document.id for document in batch)
    fresh: list[Document] = []
    changed: set[str] = set()
    for document in batch:
        if document.id not in changed and known.get(document.id) == content_hash(document):
            ledger.note(Item(document.source or document.id, "unchanged", document.id))
        else:
            fresh.append(document)
            changed.add(document.id)
    began = time.perf_counter()
    split = split_all(
        fresh, settings.passage_tokens, lambda texts: models.embedder.count(list(texts)), settings.record_tokens
    )
    ledger.spent("split", began)
    ready: list[tuple[Document, list[Span]]] = []
    waiting = 0
    for document, spans in zip(fresh, split, strict=True):
        if not spans:
            ledger.note(Item(document.source, "failed", document.id, reason="It holds no text."))
            continue
        ready.append((document, spans))
        waiting += len(spans)
        if waiting >= _BATCH_PASSAGES:
            yield _embedded(ready, models, ledger)
            ready, waiting = [], 0
    if ready:
        yield _embedded(ready, models, ledger)


def _embedded(ready: list[tuple[Document, list[Span]]], models: Models, ledger: _Ledger) -> list[Entry]:
    passages = [
        Passage(0, document.id, document.title, document.text[span.start : span.end], span.start, span.end)
        for document, spans in ready
        for span in spans
    ]
    vectors, extractions = _in_steps(passages, models, ledger)
    entries, at = [], 0
    for document, spans in ready:
        stretch = slice(at, at + len(spans))
        entries.append(Entry(document, tuple(spans), vectors[stretch], tuple(extractions[stretch]), TAGGER))
        at += len(spans)
    return entries


def _in_steps(passages: list[Passage], models: Models, ledger: _Ledger) -> tuple[Vectors, list[Extraction]]:
    """Embeds a long document in steps, so that memory stays bounded."""
    import numpy as np

    vectors: list[Vectors] = []
    extractions: list[Extraction] = []
    for start in range(0, len(passages), _BATCH_PASSAGES):
        step = passages[start : start + _BATCH_PASSAGES]
        contents = [passage.content for passage in step]
        began = time.perf_counter()
        if models.extractor is None:
            vectors.append(models.embedder.embed(contents))
        else:
            made, states = models.embedder.encode(contents)
            vectors.append(made)
            ledger.spent("embed", began)
            began = time.perf_counter()
            extractions += models.extractor.extract(step, states)
        ledger.spent("extract" if models.extractor else "embed", began)
    return np.concatenate(vectors), extractions


class _Stage:
    """An iterable that is worked off in a thread ahead of the one who reads it."""

    def __init__(self, items: Iterable[Any], stop: threading.Event) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=2 * _BATCH_PASSAGES)
        self._stop = stop
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(items,), name="memapp-read", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Any]:
        while (item := self._queue.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """Ends the thread, whatever it has left to do."""
        self._closed.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue

    def _run(self, items: Iterable[Any]) -> None:
        end: object = _END
        try:
            for item in items:
                if self._closed.is_set() or self._stop.is_set():
                    break
                self._queue.put(item)
        except BaseException as error:  # noqa: BLE001 - handed to the reader's thread, which raises it
            end = error
        self._queue.put(end)
        if end is not _END:
            self._queue.put(_END)


class _Writer:
    """Commits batches in a thread, in order. A failure ends it and is raised by the next call."""

    def __init__(self, store: Store, embedder: Embedder, ledger: _Ledger) -> None:
        self._store, self._embedder, self._ledger = store, embedder, ledger
        self._queue: queue.Queue[list[Entry] | None] = queue.Queue(maxsize=2)
        self._error: BaseException | None = None
        self._closed = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memapp-commit", daemon=True)
        self._thread.start()

    def put(self, entries: list[Entry]) -> None:
        self.check()
        self._queue.put(entries)

    def close(self) -> None:
        """Waits until all is committed; safe to call twice."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        # A join that Ctrl-C breaks off takes the thread for ended.
        self._ended.wait()
        self._thread.join()

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (entries := self._queue.get()) is not None:
            if self._error is not None:
                continue
            try:
                self._commit(entries)
            except BaseException as error:  # noqa: BLE001 - raised by the next call of the one who writes
                self._error = error
        self._ended.set()

    def _commit(self, entries: list[Entry]) -> None:
        began = time.perf_counter()
        states = self._store.put(entries, self._embedder.identity)
        self._ledger.spent("commit", began)
        for entry, state in zip(entries, states, strict=True):
            self._ledger.note(_item(entry, state))
        self._ledger.committed()


def _item(entry: Entry, state: ItemState) -> Item:
    document = entry.document
    passages = len(entry.spans) if state != "unchanged" else 0
    return Item(document.source or document.id, state, document.id, passages)
