"""The facade. Everything that memapp does is a call on `Memory`; every front end is thin over it."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from memapp import ask as asking
from memapp import care
from memapp import complete as completing
from memapp import ingest as ingesting
from memapp import notes as noting
from memapp import search as finding
from memapp.errors import UsageError
from memapp.kept import Kept
from memapp.opened import PARAMETRIC, Report
from memapp.protocols import Embedder, Engine, Extractor
from memapp.settings import Settings, default_store, load
from memapp.store import chats, content, erase, extractions, states
from memapp.store.log import Store, now
from memapp.types import (
    Answer,
    BatchReport,
    Check,
    Completion,
    Document,
    DocumentInfo,
    Done,
    EncodeReport,
    Event,
    FactsReport,
    Failure,
    ForgetReport,
    Hit,
    ImportReport,
    IngestReport,
    LayerStats,
    LearnReport,
    Likelihood,
    Note,
    OriginStats,
    Progress,
    ReadReport,
    SearchResult,
    Summary,
    Turn,
)

if TYPE_CHECKING:
    from typing import Self


class Memory(Kept):
    """One namespace of a store: feed it, ask it, make it forget. Safe to use from several threads."""

    @classmethod
    def open(
        cls,
        store: str | Path | None = None,
        *,
        namespace: str = "default",
        settings: Settings | None = None,
        embedder: Embedder | None = None,
        engine: Engine | None = None,
        extractor: Extractor | None = None,
        create: bool = True,
    ) -> Memory:
        """Opens a store, a file's path or a SQLAlchemy URL; models are loaded when they are first needed.

        An engine that is given may serve several memories: who made it closes it.
        Raises StoreForeign when there is none and `create` is False, or when it is damaged or another
        program's; StoreVersion when a newer memapp wrote it; UsageError for a bad namespace.
        """
        if not namespace or len(namespace) > 255 or not namespace.isprintable():
            raise UsageError(f"{namespace!r} is no name for a namespace.", "Use 1 to 255 printable characters.")
        settings = settings or load()
        location = default_store() if store is None else store
        opened = Store(location, namespace, busy_seconds=settings.busy_seconds, create=create)
        return cls(opened, settings, embedder, engine, extractor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def prepare(self, progress: Report | None = None) -> None:
        """Loads the embedder and the model now, so that no question waits for them."""
        report = progress or _silent
        report(Progress("embedder", 0, 2))
        self.embedder.prepare()
        report(Progress("model", 1, 2))
        engine = self._opened_engine(progress)
        engine.prepare()
        if self.settings.span_reader and asking.reader_of(engine, self.settings) is not None:
            self.span_reader.prepare()
        report(Progress("model", 2, 2))

    # Remembering

    def add(
        self,
        text: str,
        *,
        id: str | None = None,
        title: str = "",
        source: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Remembers a text; returns the ids of its documents.

        Without an `id` the content makes one, so that the same text is remembered once. Raises
        UsageError when there is no text.
        """
        clean = _storable(text).strip()
        if not clean:
            raise UsageError("There is no text to remember.", "Give some.")
        try:
            extra = json.loads(json.dumps(dict(metadata or {})))
        except (TypeError, ValueError) as error:
            raise UsageError(f"The metadata is not JSON: {error}.", "Use text, numbers, lists and mappings.") from error
        title, source = _storable(title), _storable(source)
        name = _storable(id or "") or "sha256:" + hashlib.sha256(f"{title}\n{clean}".encode()).hexdigest()[:16]
        report = self._ingest([Document(name, title, clean, source, metadata=extra)])
        return [item.document for item in report.items]

    def ingest(
        self,
        paths: Iterable[str | Path],
        *,
        format: str | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> IngestReport:
        """Remembers files and folders; "-" is standard input. What cannot be read is reported item by item.

        Unchanged documents are left alone, changed ones replaced. Ends early, with what is committed
        kept, when `cancel` is set or at Ctrl-C.
        """
        from memapp import plugins

        readers, broken = plugins.load_all()
        names = [paths] if isinstance(paths, str | Path) else list(paths)
        with contextlib.ExitStack() as stack:
            files = [path for path in names if str(path) != "-"]
            documents = ingesting.from_paths(files, self.settings, format, readers, skip=self._own(), progress=progress)
            if len(files) < len(names):
                spooled = ingesting.from_stdin(stack, sys.stdin.buffer, self.settings, format, readers)
                documents = _chained(documents, spooled)
            failures = (Failure(str(error.message), error.hint) for error in broken)
            return self._ingest(_chained(failures, documents), progress, cancel)

    def _ingest(
        self,
        documents: Iterable[Document | Failure],
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> IngestReport:
        self._store.require(self.embedder.identity)
        models = ingesting.Models(self.embedder, self.extractor if self.settings.extract else None)
        if models.extractor is not None:
            extractions.claim(self._store, models.extractor)
        report = ingesting.ingest(documents, self._store, models, self.settings, progress=progress, cancel=cancel)
        if self._mode() and not report.interrupted:
            from memapp import consolidate

            read = consolidate.read(self._store, self._state_model(), progress=progress, cancel=cancel)
            seconds = {**report.seconds, "states": read.seconds}
            report = replace(report, seconds=seconds, interrupted=read.interrupted)
        self._bring_up()
        if self.settings.bank > 0 and not report.interrupted:
            encoded = self.encode(progress=progress, cancel=cancel)
            seconds = {**report.seconds, "soft tokens": encoded.seconds}
            report = replace(report, seconds=seconds, interrupted=encoded.interrupted)
        return report

    def _bring_up(self) -> None:
        """Lets the layers in use take in what is new."""
        for layer in list(self._layers.values()):
            finding.catch_up(layer, self._store)
            layer.save()

    # Parametric memory

    def consolidate(
        self,
        *,
        network: bool = True,
        seconds: float | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> tuple[ReadReport, LearnReport | None]:
        """The chat model reads what it has not read, and with `network` the network learns all of it anew.

        Resumable: what was read stays, and training goes on from its last checkpoint. `seconds` is a limit for the
        reading; the network is trained only when nothing is left to read. Raises UsageError when there is nothing,
        StatesMismatch when another model has read this memory, TrainingFailed and ModelError leaves.
        """
        from memapp import consolidate

        read = consolidate.read(self._store, self._state_model(), seconds=seconds, progress=progress, cancel=cancel)
        layer = self.parametric()
        if not network or read.remaining or read.interrupted:
            return read, None
        return read, consolidate.learn(self._store, layer, self._state_model(), progress=progress, cancel=cancel)

    def complete(
        self,
        text: str,
        *,
        tokens: int | None = None,
        cancel: threading.Event | None = None,
    ) -> Completion:
        """Goes on with a text, as the model and its parametric memory would; nothing is recalled and nothing kept.

        Raises UsageError for an empty text, ContextOverflow for one that is too long.
        """
        if not text.strip():
            raise UsageError("There is no text to go on with.", "Give the beginning of one.")
        return completing.complete(self.engine, text, self.settings, self._bias(), self._source_of, tokens, cancel)

    # Soft tokens

    def encode(
        self,
        *,
        seconds: float | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> EncodeReport:
        """Makes soft tokens of every passage that has none, until so many seconds are spent; what was made stays.

        Raises ModelError for a model that no encoder was trained for.
        """
        began, layer = time.perf_counter(), self.amortized()
        made = layer.encode(seconds, cancel, progress)
        spent = time.perf_counter() - began
        return EncodeReport(made, layer.waiting, spent, bool(cancel and cancel.is_set() and layer.waiting))

    # Facts

    def extract_facts(
        self,
        *,
        limit: int | None = None,
        seconds: float | None = None,
        tokens: int | None = None,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> FactsReport:
        """The chat model reads passages that it has not read, for the graph, until so many passages, seconds or
        written tokens are spent. Takes seconds a passage; the next call goes on where this one ended, whatever ended
        it. Raises ModelError leaves when the model cannot be used."""
        from memapp import openie

        budget = openie.Budget(limit, seconds, tokens)
        report = openie.extract(self._store, self.engine, budget, progress=progress, cancel=cancel)
        self._bring_up()
        return report

    def import_facts(self, path: str | Path, progress: Report | None = None) -> ImportReport:
        """Takes over facts of passages from a file in the form of HippoRAG's openie_results; twice is as good as once.

        Raises Malformed for a file of another form, Unreadable and TooLarge.
        """
        from memapp import openie

        report = openie.take_in(self._store, Path(path), self.settings.max_file_mb << 20, progress)
        self._bring_up()
        return report

    def drop_facts(self, origin: str) -> int:
        """Drops what one origin found, see `origins`; returns for how many passages. Raises UsageError for another."""
        known = [one.origin for one in self.origins()]
        if origin not in known:
            raise UsageError(f"Nothing came from '{origin}'.", f"Origins: {', '.join(known) or 'none'}.")
        dropped = extractions.drop(self._store, origin)
        self._bring_up()
        return dropped

    def origins(self) -> list[OriginStats]:
        """What looked at passages for what they speak of, and how far each has come."""
        return extractions.origins(self._store)

    # Asking

    def recall(
        self, question: str, k: int | None = None, *, layers: Sequence[str] | None = None, history: Sequence[Turn] = ()
    ) -> list[Hit]:
        """The k best passages, best first."""
        return list(self.search(question, k, layers=layers, history=history).hits)

    def search(
        self, question: str, k: int | None = None, *, layers: Sequence[str] | None = None, history: Sequence[Turn] = ()
    ) -> SearchResult:
        """The k best passages, with the time that each step took. Raises UsageError for an unknown layer."""
        return finding.search(self.recall_with(layers), question, self._k(k), history)

    def ask(
        self, question: str, k: int | None = None, *, layers: Sequence[str] | None = None, history: Sequence[Turn] = ()
    ) -> Answer:
        """An answer from memory, with citations; abstains when memory does not hold one."""
        return asking.ended(self.stream(question, k, layers=layers, history=history))

    def stream(
        self,
        question: str,
        k: int | None = None,
        *,
        layers: Sequence[str] | None = None,
        history: Sequence[Turn] = (),
        cancel: threading.Event | None = None,
    ) -> Iterator[Event]:
        """The answer as it comes about: Recalled, Hops, Tokens, Citations, Done."""
        return asking.stream(
            self.recall_with(layers), self.engine, question, self._k(k), history, cancel, self._beside()
        )

    def summarize(self, query: str = "", points: int = 7, *, layers: Sequence[str] | None = None) -> Summary:
        """Key points of all that is remembered, or of what a query finds, each a sentence with its source."""
        from memapp import summarize as summing

        return summing.summarize(self.recall_with(layers), query, points)

    def batch(
        self,
        questions: str | Path,
        out: str | Path,
        *,
        k: int | None = None,
        layers: Sequence[str] | None = None,
        resume: bool = False,
        search_only: bool = False,
        progress: Report | None = None,
        cancel: threading.Event | None = None,
    ) -> BatchReport:
        """Answers a JSONL file of {"id", "question"}, in order; `resume` goes on where an earlier run broke off."""
        from memapp import batch, records

        def one(question: str) -> dict[str, Any]:
            if search_only:
                return records.search_record(self.search(question, k, layers=layers))
            return records.answer_record(asking.ended(self.stream(question, k, layers=layers, cancel=cancel)))

        return batch.run(Path(questions), Path(out), one, resume=resume, progress=progress, cancel=cancel)

    # Chatting

    def chat(
        self,
        question: str,
        session: str,
        *,
        k: int | None = None,
        layers: Sequence[str] | None = None,
        cancel: threading.Event | None = None,
    ) -> Iterator[Event]:
        """`stream` with the session's turns in mind; the turn is kept, a cancelled one with what came."""
        history = [Turn(turn.question, turn.answer) for turn in self.turns(session) if not turn.erased]
        for event in self.stream(question, k, layers=layers, history=history, cancel=cancel):
            if isinstance(event, Done):
                chats.keep(self._store, session, event.answer, now())
            yield event

    # Notes

    def consider(self, message: str, session: str = "") -> list[Note]:
        """The statements of a chat message that are worth remembering and not remembered yet.

        With the setting `remember` on they are kept, so each has an id; with ask they are only proposed; with off
        there are none. Raises UsageError for another value of the setting.
        """
        mode = noting.mode(self.settings.remember)
        if mode == "off":
            return []
        found = noting.worthy(message, lambda text: self.recall(text, layers=["dense"]))
        return [self.remember(note.text, session=session) for note in found] if mode == "on" else found

    def remember(self, text: str, *, session: str = "", id: str | None = None) -> Note:
        """Keeps a statement of the person as a note, in the place of the note `id` if one is named.

        Raises UsageError when there is no text, or no such note.
        """
        if id is not None and id not in {note.id for note in self.notes()}:
            raise UsageError(f"There is no note '{id}'.", "See them with `memapp notes`.")
        made = noting.document(_storable(text), session, datetime.datetime.now(), id)
        self._ingest([made])
        return Note(made.id, str(made.metadata["note"]), str(made.metadata["time"]))

    def notes(self) -> list[Note]:
        """What the person had remembered, newest first; `forget` takes any of them back by its id."""
        return noting.kept(self._store)

    # Forgetting

    def matching(self, text: str) -> list[DocumentInfo]:
        """Documents that contain `text`, whatever its case: what `forget(query=text)` would remove."""
        if not text.strip():
            raise UsageError("The text to look for is empty.", "Give some.")
        return content.containing(self._store, text)

    def forget(
        self, *documents: str, source: str | None = None, query: str | None = None, verify: bool = False
    ) -> ForgetReport:
        """Erases documents from the log, every layer and every chat that quotes them.

        By id, by `source` (a file or folder), or by `query` (a text that they contain). With `verify`
        the store's files are searched for the erased text. Raises UsageError when nothing matches.
        """
        keys = self._known(documents)
        if source is not None:
            keys += [info.id for info in self.documents(source=source)]
        if query is not None:
            keys += [info.id for info in self.matching(query)]
        if not keys:
            raise UsageError("Nothing matches, so nothing was forgotten.", "See what there is with `memapp list`.")
        with self._lock:
            # A layer with a file would have to be made anew from every row; loading it first is cheaper.
            if verify or any(erase.files([self._store.database.derived(self._store.number())])):
                self._chosen(self._used() if verify or self.settings.keep_stale else self.settings.layers)
            proof = self._files() if verify else None
            keys = list(dict.fromkeys(keys))
            judge = self._judge(keys) if verify and self._mode() else None
            report = care.forget(self._store, self._layers, self.settings, keys, proof)
            self._forget_states()
            if PARAMETRIC in self._layers:
                self._layers[PARAMETRIC].save()
            return report if judge is None else replace(report, likelihood=judge())

    def _judge(self, keys: Sequence[str]) -> Callable[[], Likelihood | None]:
        """Measures how likely the model finds these documents; the result measures again and compares."""
        from memapp import likelihood

        layer, model = self.parametric(), self._state_model()
        found = [content.document(self._store, key) for key in keys]
        texts = [document.text for document in found if document is not None]
        before = likelihood.measure(texts, layer, model, self._mode())

        def compared() -> Likelihood | None:
            after = likelihood.measure(texts, layer, model, self._mode())
            return likelihood.compare(before, after)

        return compared

    # Care

    def rebuild(self, layers: Sequence[str] | None = None, progress: Report | None = None) -> list[LayerStats]:
        """Drops what layers derived and makes it anew.

        `dense` re-embeds when the embedder changed; `graph` looks for phrases where nobody did, or another extractor;
        `parametric` has the chat model read everything anew.
        """
        names = tuple(layers) if layers else self.settings.layers
        if PARAMETRIC in names:
            from memapp import consolidate

            states.drop(self._store)
            consolidate.read(self._store, self._state_model(), progress=progress)
        extractor = (lambda: self.extractor) if self.settings.extract else None
        care.renew(self._store, names, self.embedder, extractor, progress)
        return care.rebuild(self._chosen(names), progress)

    def verify(self) -> list[Check]:
        """Checks the file, the log, the documents and every layer against one another."""
        return care.verify(self._store, self._chosen(self._used()), self.settings)

    def export(self, path: str | Path, progress: Report | None = None) -> int:
        """Writes every document as a line of JSONL; returns how many. `import_` reads it back.

        Raises UsageError when `path` cannot be written or belongs to the store.
        """
        from memapp import archive

        if Path(path).resolve() in self._own():
            raise UsageError(f"{path} belongs to the store.", "Name another file to export to.")
        return archive.write(Path(path), content.every_document(self._store), progress or _silent)

    def import_(self, path: str | Path, progress: Report | None = None) -> IngestReport:
        """Remembers the documents of an export; known ones are left alone."""
        from memapp import archive

        return self._ingest(archive.read(Path(path), self.settings), progress)

    # Inside

    def _k(self, k: int | None) -> int:
        return self.settings.k if k is None else k


def _storable(text: str) -> str:
    """The text without what no database can hold: half characters and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _silent(_: Progress) -> None:
    """Reports nothing."""


def _chained(*parts: Iterable[Document | Failure]) -> Iterator[Document | Failure]:
    for part in parts:
        yield from part
