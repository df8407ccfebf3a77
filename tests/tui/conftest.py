"""The chat under test, and a scripted Memory for it: the facade's methods, no store and no model behind them."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from memapp.errors import UsageError
from memapp.settings import Settings
from memapp.tui.app import ChatApp
from memapp.tui.chat import ChatScreen
from memapp.types import (
    Answer,
    Citation,
    Document,
    DocumentInfo,
    Done,
    Event,
    ForgetReport,
    Hit,
    Hop,
    IngestReport,
    Item,
    KeyPoint,
    LayerShare,
    Note,
    Passage,
    Progress,
    Recalled,
    SearchResult,
    SessionInfo,
    Stats,
    StoredTurn,
    Summary,
    Token,
    Tokens,
)

ADA = (
    "Ada Lovelace was born in London in 1815. Her mother had her taught mathematics from early on.\n\n"
    "In 1843 she translated an article on the Analytical Engine and added notes that were three times as long. "
    "Note G holds a program for computing Bernoulli numbers.\n\nShe died in 1852."
)
NOISE = "The lighthouse keeper counts ships. " * 40


def document(id_: str, title: str, text: str, source: str) -> Document:
    return Document(id_, title, text, source)


class FakeMemory:
    """Answers from a script; gates let a test hold it at a point."""

    namespace = "default"
    settings = Settings()

    def __init__(self, *documents: Document, answers: dict[str, str] | None = None, delay: float = 0.0) -> None:
        self.documents_ = {each.id: each for each in documents}
        self.answers = answers or {}
        self.hops: tuple[Hop, ...] = ()
        """That lead to every answer."""
        self.delay = delay
        self.kept: list[StoredTurn] = []
        self.asked: list[tuple[str, str]] = []
        self.errors: list[BaseException] = []
        """Raised by the next chats, one each."""
        self.prepare_error: BaseException | None = None
        self.may_prepare = threading.Event()
        self.may_prepare.set()
        self.may_write = threading.Event()
        self.may_write.set()
        self.hold_after = 0
        """Characters after which the gate `may_write` is looked at."""
        self.may_ingest = threading.Event()
        self.may_ingest.set()
        self.ingested: list[str] = []
        self.prepared = 0
        self.closed = False

    # care

    def close(self) -> None:
        self.closed = True

    def prepare(self, progress: Callable[[Progress], None] | None = None) -> None:
        if progress:
            progress(Progress("embedder", 0, None))
            progress(Progress("model", 0, None))
        assert self.may_prepare.wait(20)
        if self.prepare_error is not None:
            raise self.prepare_error
        self.prepared += 1

    def stats(self) -> Stats:
        characters = sum(len(each.text) for each in self.documents_.values())
        return Stats("default", len(self.documents_), 3 * len(self.documents_), characters, 1, 1, "fake", ())

    # ask

    def hits(self, question: str) -> tuple[Hit, ...]:
        found = []
        for rank, each in enumerate(self.documents_.values(), 1):
            end = min(len(each.text), 95)
            passage = Passage(rank, each.id, each.title, each.text[:end], 0, end, source=each.source, page=rank)
            shares = (LayerShare("dense", rank, 0.9 / rank), LayerShare("lexical", rank + 1, 4.2, "born, Ada"))
            found.append(Hit(rank, 1 / rank, passage, shares))
        return tuple(found)

    def search(self, question: str, k: int | None = None, **_: object) -> SearchResult:
        return SearchResult(question, self.hits(question)[:k], {"total": 3.0})

    def summarize(self, query: str = "", points: int = 7, **_: object) -> Summary:
        found = []
        for n, each in enumerate(self.documents_.values(), 1):
            sentence = each.text.partition(".")[0] + "."
            found.append(KeyPoint(Citation(n, each.id, each.title, sentence, 0, len(sentence), n, each.source), 0.3))
        return Summary(query, tuple(found[:points]), 3 * len(found), 4.0)

    def chat(
        self, question: str, session: str, *, cancel: threading.Event | None = None, **_: object
    ) -> Iterator[Event]:
        self.asked.append((question, session))
        if self.errors:
            raise self.errors.pop(0)
        hits = self.hits(question)
        yield Recalled(hits, question)
        yield from self.hops
        text = self.answers.get(question, "She was born in **London** in 1815 [1].")
        written = ""
        finish = "stop"
        for at in range(0, len(text), 4):
            if at >= self.hold_after:
                self._wait(cancel)
            if cancel is not None and cancel.is_set():
                finish = "cancelled"
                break
            written += text[at : at + 4]
            yield Token(text[at : at + 4])
            time.sleep(self.delay)
        yield Done(self._answer(question, session, written, hits, finish))

    def _wait(self, cancel: threading.Event | None) -> None:
        for _ in range(2000):
            if self.may_write.wait(0.01) or (cancel is not None and cancel.is_set()):
                return

    def _answer(self, question: str, session: str, text: str, hits: tuple[Hit, ...], finish: str) -> Answer:
        citations = []
        if hits and "[1]" in text:
            passage = hits[0].passage
            citations.append(
                Citation(1, passage.document, passage.title, passage.text[:40], 0, 40, passage.id, passage.source, 1)
            )
        at = datetime.now(UTC).isoformat()
        self.kept.append(StoredTurn(len(self.kept) + 1, session, question, text, at, tuple(citations)))
        return Answer(
            question,
            text,
            tuple(citations),
            confidence=0.82,
            abstained=not hits,
            hits=hits,
            tokens=Tokens(1200, len(text) // 4, 4096),
            finish=finish,  # type: ignore[arg-type]
            hops=self.hops,
        )

    # notes

    def consider(self, message: str, session: str = "") -> list[Note]:
        return []

    # sessions

    def sessions(self) -> list[SessionInfo]:
        names = dict.fromkeys(turn.session for turn in reversed(self.kept))
        return [
            SessionInfo(name, len(turns), turns[0].at, turns[-1].at) for name in names if (turns := self.turns(name))
        ]

    def turns(self, session: str) -> list[StoredTurn]:
        return [turn for turn in self.kept if turn.session == session]

    def search_turns(self, text: str, limit: int = 50) -> list[StoredTurn]:
        return [turn for turn in self.kept if text.lower() in f"{turn.question} {turn.answer}".lower()][:limit]

    def delete_session(self, session: str) -> int:
        gone = len(self.turns(session))
        self.kept = [turn for turn in self.kept if turn.session != session]
        return gone

    # documents

    def documents(self, *, source: str | None = None, limit: int | None = None) -> list[DocumentInfo]:
        return [
            DocumentInfo(each.id, each.title, each.source, each.media_type, 3, len(each.text), "2026-08-01T00:00:00Z")
            for each in self.documents_.values()
            if source is None or each.source == source
        ]

    def document(self, id: str) -> Document:
        if id not in self.documents_:
            raise UsageError(f"No document {id} is remembered.", "memapp list shows them.")
        return self.documents_[id]

    def ingest(
        self,
        paths: list[str],
        *,
        format: str | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> IngestReport:
        items = []
        for number, path in enumerate(paths, 1):
            if progress:
                progress(Progress("read", 50 * number, 50 * len(paths), path))
                progress(Progress("embed", number * 10, None))
            while not self.may_ingest.wait(0.01):
                if cancel is not None and cancel.is_set():
                    return IngestReport(tuple(items), {"total": 0.5}, interrupted=True)
            self.ingested.append(path)
            if "bad" in path:
                items.append(Item(path, "failed", reason="It is [/not] text."))
            else:
                self.documents_[path] = document(path, path, NOISE, path)
                items.append(Item(path, "added", path, 3))
        return IngestReport(tuple(items), {"total": 0.5})

    def forget(self, *documents: str, source: str | None = None, query: str | None = None, verify: bool = False):  # type: ignore[no-untyped-def]
        for each in documents:
            del self.documents_[each]
        erased = [
            StoredTurn(turn.id, turn.session, turn.question, "", turn.at, (), True)
            if any(citation.document in documents for citation in turn.citations)
            else turn
            for turn in self.kept
        ]
        turns = sum(turn.erased for turn in erased)
        self.kept = erased
        return ForgetReport(documents, 3 * len(documents), {"lexical": 3, "dense": 3}, turns)


_SEQUENCE = re.compile(r"\x1b\[[0-9;:?<>=]*[a-zA-Z]")
_COPY = re.compile(r"\x1b\]52;c;[A-Za-z0-9+/=]*\x07")
_POINTER = re.compile(r"\x1b\]22;[a-z-]*\x07")
_OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Chat:
    """A running chat and what a test does with it."""

    def __init__(self, pilot: Pilot[None], memory: Any) -> None:
        self.pilot = pilot
        self.memory = memory
        self.app: Any = pilot.app
        self.written: list[str] = []

    @property
    def screen(self) -> Any:
        return self.app.screen

    @property
    def chat(self) -> Any:
        return next(screen for screen in self.app.screen_stack if isinstance(screen, ChatScreen))

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Waits for a condition; fails after ten seconds."""
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, f"waited in vain {what}\n{self.text()}"
            await asyncio.sleep(0.01)

    async def shows(self, wanted: str) -> None:
        """Waits until the text is on the screen, wrapped or not."""
        await self.until(lambda: wanted in self.text() or wanted in " ".join(self.text().split()), f"for {wanted!r}")

    async def hides(self, unwanted: str) -> None:
        """Waits until the text is no longer on the screen."""
        await self.until(lambda: unwanted not in self.text(), f"for {unwanted!r} to go")

    async def send(self, line: str) -> None:
        """Writes a line into the prompt and sends it."""
        self.chat._composer.put(line)
        await self.pilot.pause()
        await self.pilot.press("escape" if self.chat._composer._found and " " in line else "shift")
        await self.pilot.press("enter")
        await self.pilot.pause()

    async def ask(self, question: str) -> None:
        """Asks and waits for the end of the answer."""
        exchanges = lambda: self.chat._conversation.exchanges  # noqa: E731
        last = exchanges()[-1] if exchanges() else None
        await self.send(question)
        await self.until(lambda: exchanges() and exchanges()[-1] is not last, "for the question")
        await self.until(lambda: not self.chat._conversation.busy, "for the answer")

    async def notes(self, wanted: str) -> None:
        """Waits until a passing remark holds the text."""
        await self.until(
            lambda: any(wanted in each.message for each in self.app._notifications), f"for a remark {wanted!r}"
        )

    def text(self) -> str:
        """All that is on the screen, line by line."""
        strips = self.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    def statics(self, selector: str) -> list[str]:
        """The texts of the statics that match."""
        return [str(static.content) for static in self.screen.query(selector).results(Static)]

    def assert_harmless(self, clipboard: bool = False) -> None:
        """Nothing that was written to the terminal is obeyed beyond colours and cursor moves (and copies)."""
        written = "".join(self.written)
        written.encode("utf-8")
        assert len(written) > 2000
        left = _SEQUENCE.sub("", _POINTER.sub("", _COPY.sub("", written) if clipboard else written))
        found = _OBEYED.search(left)
        assert found is None, repr(left[max(found.start() - 80, 0) : found.end() + 80])


OpenChat = Callable[..., AbstractAsyncContextManager[Chat]]


@pytest.fixture
def open_chat(monkeypatch: pytest.MonkeyPatch) -> OpenChat:
    """Opens the chat over a memory, headless."""
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")

    @asynccontextmanager
    async def opened(
        memory: Any,
        session: str = "",
        size: tuple[int, int] = (80, 24),
        theme: str = "memapp-dark",
        opener: Callable[[], Any] | None = None,
    ) -> AsyncIterator[Chat]:
        app = ChatApp(opener or (lambda: memory), session, theme)
        async with app.run_test(size=size, notifications=True) as pilot:
            chat = Chat(pilot, memory)
            assert app._driver is not None
            monkeypatch.setattr(app._driver, "write", chat.written.append)
            monkeypatch.setattr(type(app._driver), "is_headless", False)  # what it draws is written too
            yield chat

    return opened


@pytest.fixture
def library() -> FakeMemory:
    """A memory of three documents."""
    return FakeMemory(
        document("ada", "Ada Lovelace", ADA, "notes/ada.md"),
        document("engine", "The Analytical Engine", NOISE, "notes/engine.pdf"),
        document("light", "Lighthouses", NOISE * 300, "notes/lighthouses.html"),
    )


@pytest.fixture
def make_memory() -> type[FakeMemory]:
    """The scripted memory's class, for tests that fill it themselves."""
    return FakeMemory


@pytest.fixture
def make_document() -> Callable[[str, str, str, str], Document]:
    """Builds a document from id, title, text and source."""
    return document
