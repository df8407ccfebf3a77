"""Everything the chat does in threads besides answering and reading in: it opens, loads, counts, searches, writes.

It owns the memory and tells by messages what came of each piece of work; it shows nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from memapp.errors import UsageError
from memapp.tui import export
from memapp.tui.text import count
from memapp.types import Note, Progress, SearchResult, Stats, StoredTurn, Summary

if TYPE_CHECKING:
    from memapp.memory import Memory


class Backstage(Widget):
    """An unseen node that threads belong to."""

    class Opened(Message):
        """The store is open; the models are still loading."""

        def __init__(self, memory: Memory) -> None:
            super().__init__()
            self.memory = memory

    class Preparing(Message):
        """What the models are waiting for."""

        def __init__(self, progress: Progress) -> None:
            super().__init__()
            self.progress = progress

    class Prepared(Message):
        """The models are loaded, or `error` says why they are not."""

        def __init__(self, error: BaseException | None) -> None:
            super().__init__()
            self.error = error

    class Loaded(Message):
        """The turns of a session; `until` is the turn to show, `names` are all sessions."""

        def __init__(self, session: str, turns: Sequence[StoredTurn], until: int, names: frozenset[str]) -> None:
            super().__init__()
            self.names = names
            self.session = session
            self.turns = turns
            self.until = until

    class Counted(Message):
        """How much is remembered."""

        def __init__(self, stats: Stats) -> None:
            super().__init__()
            self.stats = stats

    class Considered(Message):
        """Statements of a question that are worth remembering; those with an id are remembered."""

        def __init__(self, notes: list[Note]) -> None:
            super().__init__()
            self.notes = notes

    class Searched(Message):
        """What a search found."""

        def __init__(self, result: SearchResult) -> None:
            super().__init__()
            self.result = result

    class Summed(Message):
        """Key points."""

        def __init__(self, summary: Summary) -> None:
            super().__init__()
            self.summary = summary

    class Done(Message):
        """A piece of work ended with a remark."""

        def __init__(self, remark: str) -> None:
            super().__init__()
            self.remark = remark

    class Failed(Message):
        """A piece of work broke off."""

        def __init__(self, error: BaseException | None) -> None:
            super().__init__()
            self.error = error

    def __init__(self, open_memory: Callable[[], Memory]) -> None:
        super().__init__(id="backstage")
        self._open_memory = open_memory
        self._memory: Memory | None = None
        self.preparing = False

    @property
    def memory(self) -> Memory:
        """The open memory. Raises UsageError while there is none."""
        if self._memory is None:
            raise UsageError("Memory is not open yet.", "Try again in a moment.")
        return self._memory

    def prepare(self) -> None:
        """Opens the memory and loads the models, unless that is going on already."""
        if not self.preparing:
            self.preparing = True
            self._prepare()

    @work(thread=True, exclusive=True, group="prepare", exit_on_error=False)
    def _prepare(self) -> None:
        if self._memory is None:
            self._memory = self._open_memory()
            self.post_message(self.Opened(self._memory))

        def advance(progress: Progress) -> None:
            self.post_message(self.Preparing(progress))

        self._memory.prepare(advance)

    @work(thread=True, exclusive=True, group="load", exit_on_error=False)
    def load(self, session: str, until: int = 0) -> None:
        """Fetches a session and counts what is remembered."""
        memory = self.memory
        turns = memory.turns(session) if session else []
        names = frozenset(info.name for info in memory.sessions())
        self.post_message(self.Counted(memory.stats()))
        self.post_message(self.Loaded(session, turns, until, names))

    @work(thread=True, exclusive=True, group="count", exit_on_error=False)
    def count(self) -> None:
        """Counts what is remembered."""
        self.post_message(self.Counted(self.memory.stats()))

    @work(thread=True, exclusive=True, group="search", exit_on_error=False)
    def search(self, text: str, k: int = 20) -> None:
        """Finds the passages nearest to a text."""
        self.post_message(self.Searched(self.memory.search(text, k)))

    @work(thread=True, exclusive=True, group="search", exit_on_error=False)
    def summarize(self, text: str) -> None:
        """Finds the key points of all that is remembered, or of what is about a text."""
        self.post_message(self.Summed(self.memory.summarize(text)))

    @work(thread=True, group="notes", exit_on_error=False)
    def consider(self, message: str, session: str) -> None:
        """Looks for what is worth remembering in a message."""
        found = self.memory.consider(message, session)
        if found:
            self.post_message(self.Considered(found))

    @work(thread=True, group="notes", exit_on_error=False)
    def remember(self, statements: Sequence[str], session: str) -> None:
        """Keeps statements as notes."""
        self.post_message(self.Considered([self.memory.remember(text, session=session) for text in statements]))

    @work(thread=True, group="export", exit_on_error=False)
    def export(self, session: str, path: Path) -> None:
        """Writes a session to a Markdown file."""
        turns = self.memory.turns(session)
        export.write(path, export.markdown_of(session, turns))
        self.post_message(self.Done(f"{count(len(turns), 'question')} written to {path}"))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Tells how a piece of work ended."""
        error = event.worker.error if event.state == WorkerState.ERROR else None
        if event.worker.group == "prepare" and event.worker.is_finished:
            self.preparing = False
            self.post_message(self.Prepared(error))
        elif event.state == WorkerState.ERROR:
            self.post_message(self.Failed(error))
