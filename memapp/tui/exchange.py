"""One question with its answer, as a block of the conversation."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from memapp.tui.markdown import AnswerText
from memapp.tui.text import local_time, plain
from memapp.tui.view import Entry, Source, code_blocks, facts


class Exchange(Vertical, can_focus=True):
    """Shows an Entry; while its answer is being written it takes the pieces as they come."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "request('copy')", "Copy answer"),
        Binding("x", "request('code')", "Copy code"),
        Binding("enter,right", "request('sources')", "Sources"),
        Binding("up,k", "app.focus_previous", "Previous", show=False),
        Binding("down,j", "app.focus_next", "Next", show=False),
    ]

    class Requested(Message):
        """A key or click on this exchange asks for something: copy, code, sources."""

        def __init__(self, exchange: Exchange, what: str) -> None:
            super().__init__()
            self.exchange = exchange
            self.what = what

    class SourceChosen(Message):
        """A citation in the answer was clicked."""

        def __init__(self, source: Source) -> None:
            super().__init__()
            self.source = source

    class Chosen(Message):
        """The exchange got the focus: its sources are the ones to show."""

        def __init__(self, exchange: Exchange) -> None:
            super().__init__()
            self.exchange = exchange

    def __init__(self, entry: Entry, waiting: str = "") -> None:
        super().__init__()
        self.entry = entry
        self._waiting = waiting
        self._text = AnswerText(entry.answer)
        self._state = Static(waiting, markup=False, classes="state")

    def compose(self) -> ComposeResult:
        with Horizontal(classes="question"):
            yield Static(plain(self.entry.question), markup=False, classes="asked")
            yield Static(local_time(self.entry.at), markup=False, classes="time")
        yield self._text
        yield self._state

    def on_mount(self) -> None:
        """Shows what is known at the start."""
        if not self._waiting:
            self._settle()

    def on_focus(self) -> None:
        """Says that it is the one being looked at."""
        self.post_message(self.Chosen(self))

    def on_answer_text_citation_chosen(self, message: AnswerText.CitationChosen) -> None:
        """Names the source of this answer that the number stands for."""
        message.stop()
        found = next((source for source in self.entry.sources if source.label == message.label), None)
        if found is not None:
            self.post_message(self.SourceChosen(found))

    def copyable(self, code: bool = False) -> str:
        """The answer, or only its code blocks; empty when there is none."""
        return "\n\n".join(code_blocks(self.entry.answer)) if code else self.entry.answer

    def action_request(self, what: str) -> None:
        """Passes a wish on to the screen."""
        self.post_message(self.Requested(self, what))

    def wait(self, what: str) -> None:
        """Says what the answer waits for."""
        self._waiting = what
        self._state.update(what)

    async def write(self, text: str) -> None:
        """Takes the next piece of the answer."""
        if self._waiting:
            self._waiting = ""
            self._state.update("")
        await self._text.write(text)

    def stop(self) -> None:
        """Shows at once that no more will come."""
        self._state.update("stopped")

    async def finish(self, entry: Entry) -> None:
        """Shows the answer as it will stay."""
        self.entry = entry
        await self._text.finish(entry.answer)
        self._settle()

    async def fail(self, message: str, hint: str) -> None:
        """Shows why there is no answer and what to do."""
        await self._text.finish("")
        self.add_class("failed")
        self._text.display = False
        self._state.update(plain(f"✗ {message}\n{hint}".rstrip()))

    def _settle(self) -> None:
        entry = self.entry
        self.set_class(entry.abstained, "abstained")
        self.set_class(entry.erased, "erased")
        self._text.display = bool(entry.answer.strip()) and not entry.erased
        if entry.erased:
            self._state.update("This answer went when a document it cites was forgotten.")
        else:
            self._state.update(plain("\n".join([*entry.hops, facts(entry)])))
