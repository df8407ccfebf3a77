"""The conversation: its exchanges, the question being answered and those that wait. What is asked is not its say."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from textual import on, work
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from memapp.errors import MemappError
from memapp.tui.exchange import Exchange
from memapp.tui.text import count, plain
from memapp.tui.view import Entry, Source, entry_of_answer, hop_line, source_of_hit
from memapp.types import Answer, Done, Event, Hop, Recalled, Token

if TYPE_CHECKING:
    from memapp.memory import Memory

PAGE = 30
"""Exchanges mounted at first, and added at a time when older ones are asked for."""
FRAME = 0.05
"""Seconds between two drawings of a growing answer: each lays the whole screen out anew."""
WELCOME = "Ask something; answers come with the passages they rest on."
WELCOME_EMPTY = """Nothing is remembered yet.

/ingest ~/notes     remembers a folder, a PDF, a chat export…
/help               shows keys and commands

Then ask: answers come with the passages they rest on."""


@dataclass(slots=True, eq=False)
class Asking:
    """A question on its way to an answer."""

    exchange: Exchange
    session: str
    cancel: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.monotonic)
    first: float = 0.0
    """When the first token came."""
    pieces: int = 0
    unwritten: list[str] = field(default_factory=list)
    """Pieces that came since the screen was last drawn."""
    ended: bool = False

    @property
    def question(self) -> str:
        return self.exchange.entry.question

    @property
    def rate(self) -> float:
        """Pieces a second since the first one."""
        seconds = time.monotonic() - self.first if self.first else 0.0
        return self.pieces / seconds if seconds > 0.05 else 0.0


class Earlier(Static):
    """Says how many exchanges are not shown; a click brings some back."""

    class Wanted(Message):
        """Older exchanges are asked for."""

    def on_click(self) -> None:
        """Asks for older exchanges."""
        self.post_message(self.Wanted())


class Conversation(VerticalScroll, can_focus=False):
    """Asks one question after the other and shows what comes; `ready` lets the first one go."""

    class Heard(Message):
        """An event of a stream, from the thread that reads it."""

        def __init__(self, asking: Asking, event: Event) -> None:
            super().__init__()
            self.asking = asking
            self.event = event

    class Found(Message):
        """The sources to show, before or after the answer."""

        def __init__(self, sources: tuple[Source, ...], abstained: bool = False) -> None:
            super().__init__()
            self.sources = sources
            self.abstained = abstained

    class Answered(Message):
        """An answer ended."""

        def __init__(self, answer: Answer, rate: float) -> None:
            super().__init__()
            self.answer = answer
            self.rate = rate

    class Failed(Message):
        """A question got no answer."""

        def __init__(self, question: str) -> None:
            super().__init__()
            self.question = question

    class Changed(Message):
        """What the conversation is doing changed; `activity` names it, empty when idle."""

        def __init__(self, activity: str, rate: float = 0.0) -> None:
            super().__init__()
            self.activity = activity
            self.rate = rate

    def __init__(self) -> None:
        super().__init__(id="conversation")
        self.memory: Memory | None = None
        self.ready = False
        self.running: Asking | None = None
        self._waiting: list[Asking] = []
        self._older: list[Entry] = []

    def on_mount(self) -> None:
        """Keeps to the newest line until the reader scrolls."""
        self.anchor()

    def on_unmount(self) -> None:
        """Lets the thread end."""
        if self.running is not None:
            self.running.cancel.set()

    @property
    def exchanges(self) -> list[Exchange]:
        """The mounted exchanges, oldest first."""
        return [child for child in self.children if isinstance(child, Exchange)]

    @property
    def busy(self) -> bool:
        """Whether a question is being answered or waits."""
        return self.running is not None or bool(self._waiting)

    # Showing

    async def show(self, entries: Sequence[Entry], until: int = 0) -> None:
        """Replaces all with these entries; enough are mounted to reach the turn `until` when it is given."""
        await self.query("Exchange, Note, Earlier").remove()
        first = max(len(entries) - PAGE, 0)
        if until:
            first = next((at for at in range(first) if entries[at].turn == until), first)
        self._older = list(entries[:first])
        await self.mount(*[Exchange(entry) for entry in entries[first:]])
        await self._mark_older()
        self.anchor()
        target = next((exchange for exchange in self.exchanges if until and exchange.entry.turn == until), None)
        if target is not None:
            self.call_after_refresh(self.reveal, target)

    async def welcome(self, documents: int) -> None:
        """Greets, and says how to begin while nothing is remembered."""
        held = f"{count(documents, 'document')} remembered. {WELCOME}"
        await self.mount(Note(held if documents else WELCOME_EMPTY, "welcome"))

    def reveal(self, exchange: Exchange) -> None:
        """Scrolls to an exchange and gives it the focus."""
        self.release_anchor()
        exchange.focus(scroll_visible=False)
        exchange.scroll_visible(top=True, animate=False)

    async def note(self, text: str, kind: str = "info") -> None:
        """Adds a remark of the program itself: info, warning or error."""
        await self.query(".welcome").remove()
        await self.mount(Note(text, kind))
        self.anchor()

    @on(Earlier.Wanted)
    async def load_older(self) -> None:
        """Mounts the next older exchanges above; what was in view stays in view."""
        if not self._older:
            return
        entries, self._older = self._older[-PAGE:], self._older[:-PAGE]
        self.release_anchor()
        below = self.max_scroll_y - self.scroll_y
        await self.query(Earlier).remove()
        await self.mount(*[Exchange(entry) for entry in entries], before=0)
        await self._mark_older()
        self.call_after_refresh(lambda: self.scroll_to(y=self.max_scroll_y - below, animate=False))

    async def _mark_older(self) -> None:
        marks = self.query(Earlier)
        if not self._older:
            await marks.remove()
            return
        text = f"↑ {count(len(self._older), 'earlier question')} · Ctrl+Up or a click shows more"
        if marks:
            marks.first().update(text)
        else:
            await self.mount(Earlier(text, markup=False), before=0)

    async def _trim(self) -> None:
        settled = [exchange for exchange in self.exchanges if exchange.entry.answer or exchange.entry.erased]
        extra = settled[: max(len(self.exchanges) - 2 * PAGE, 0)]
        if extra:
            self._older += [exchange.entry for exchange in extra]
            await self.remove_children(extra)
            await self._mark_older()

    # Asking

    async def ask(self, question: str, session: str) -> None:
        """Shows the question and answers it as soon as everything before it is done."""
        entry = Entry(question, "", datetime.now(UTC).isoformat())
        asking = Asking(Exchange(entry, waiting="waiting for the models" if not self.ready else "waiting"), session)
        self._waiting.append(asking)
        await self.query(".welcome").remove()
        await self.mount(asking.exchange)
        await self._trim()
        self.anchor()
        self.go_on()

    def go_on(self) -> None:
        """Starts the next question when nothing holds it back."""
        if not self.ready or self.running is not None or not self._waiting or self.memory is None:
            return
        asking = self.running = self._waiting.pop(0)
        asking.started = time.monotonic()
        self._say(asking, "Searching memory")
        self._answer(self.memory, asking)

    def stop(self) -> str | None:
        """Stops the running answer, else takes back the last waiting question and returns it."""
        running = self.running
        if running is not None and not running.cancel.is_set():
            running.cancel.set()
            running.exchange.stop()
            self.post_message(self.Changed("Stopping"))
            return ""
        if self._waiting:
            asking = self._waiting.pop()
            asking.exchange.remove()
            return asking.question
        return None

    def drop(self) -> list[str]:
        """Stops everything; returns the questions that were never asked."""
        if self.running is not None:
            self.running.cancel.set()
        questions = [asking.question for asking in self._waiting]
        self._waiting.clear()
        return questions

    async def refuse(self, error: BaseException) -> None:
        """Fails every waiting question: the models cannot be used."""
        while self._waiting:
            await self._fail(self._waiting.pop(), error)

    @work(thread=True, group="answer", exit_on_error=False)
    def _answer(self, memory: Memory, asking: Asking) -> Asking:
        for event in memory.chat(asking.question, asking.session, cancel=asking.cancel):
            self.post_message(self.Heard(asking, event))
        return asking

    @on(Heard)
    async def _hear(self, message: Heard) -> None:
        message.stop()
        asking, event = message.asking, message.event
        if isinstance(event, Done):
            await self._finish(asking, event.answer)
        elif not asking.exchange.is_mounted or asking.cancel.is_set():
            return
        elif isinstance(event, Recalled):
            self._say(asking, f"Reading {count(len(event.hits), 'passage')}")
            self.post_message(self.Found(tuple(source_of_hit(hit, str(hit.rank)) for hit in event.hits)))
        elif isinstance(event, Hop):
            asking.exchange.wait(hop_line(event))
        elif isinstance(event, Token):
            self._take(asking, event.text)

    def _take(self, asking: Asking, text: str) -> None:
        if not asking.first:
            asking.first = time.monotonic()
        asking.pieces += 1
        asking.unwritten.append(text)
        if len(asking.unwritten) == 1:
            self.set_timer(FRAME, partial(self._write, asking))

    async def _write(self, asking: Asking) -> None:
        text = "".join(asking.unwritten)
        asking.unwritten.clear()
        if text and not asking.ended and not asking.cancel.is_set() and asking.exchange.is_mounted:
            await asking.exchange.write(text)
            self.post_message(self.Changed("Writing", asking.rate))

    def _say(self, asking: Asking, what: str) -> None:
        asking.exchange.wait(f"{what.lower()}…")
        self.post_message(self.Changed(what))

    async def _finish(self, asking: Asking, answer: Answer) -> None:
        asking.ended = True
        now = time.monotonic()
        # What comes whole was not written at any speed that can be seen.
        rate = answer.tokens.generated / max(now - asking.first, 1e-3) if asking.pieces > 1 else 0.0
        entry = entry_of_answer(answer, asking.exchange.entry.at, now - asking.started)
        if asking.exchange.is_mounted:
            await asking.exchange.finish(entry)
            self.post_message(self.Found(entry.sources, answer.abstained))
        self.post_message(self.Answered(answer, rate))

    async def _fail(self, asking: Asking, error: BaseException) -> None:
        asking.ended = True
        message, hint = explain(error)
        if asking.exchange.is_mounted:
            await asking.exchange.fail(message, hint)
            self.post_message(self.Failed(asking.question))

    async def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Ends the running question when its thread has, whatever became of it."""
        if event.worker.group != "answer" or not event.worker.is_finished:
            return
        asking, self.running = self.running, None
        if asking is not None and event.state == WorkerState.CANCELLED:
            asking.cancel.set()
        elif asking is not None and not asking.ended:
            lost = RuntimeError("The answer broke off without an end.")
            await self._fail(asking, event.worker.error if event.state == WorkerState.ERROR else lost)  # type: ignore[arg-type]
        self.post_message(self.Changed(""))
        self.go_on()


class Note(Static):
    """A remark of the program between the exchanges."""

    def __init__(self, text: str, kind: str = "info") -> None:
        super().__init__(plain(text), markup=False, classes=kind)


def explain(error: BaseException | None) -> tuple[str, str]:
    """What went wrong and what to do, for any exception."""
    if isinstance(error, MemappError):
        return error.message, error.hint
    return f"{type(error).__name__}: {error}", "This is a fault of the program; the conversation goes on."
