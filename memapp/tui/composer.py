"""Where a person writes: several lines, a history, and what completes a slash command. It sends, it does not act."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from memapp.tui.commands import Completion, completions
from memapp.tui.text import one_line, plain

LONGEST = 20_000
"""Characters taken of one paste."""


class Prompt(TextArea):
    """The text field. Enter sends; Shift+Enter or Ctrl+J begins a line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "earlier", "Earlier question", show=False),
        Binding("down", "later", "Later question", show=False),
        Binding("tab", "complete", "Complete", show=False),
        Binding("shift+enter,ctrl+j,alt+enter", "newline", "New line", show=False),
        Binding("escape", "close", "Close", show=False),
        Binding("ctrl+y", "skip", show=False),
        Binding("f6,f7", "skip", show=False),
        Binding("pageup,pagedown", "skip", show=False),
    ]

    class Moved(Message):
        """An arrow, Tab or Escape asks for another text: earlier, later, complete or close."""

        def __init__(self, where: str) -> None:
            super().__init__()
            self.where = where

    class Sent(Message):
        """The text is meant to go."""

    def __init__(self) -> None:
        super().__init__(
            id="prompt",
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            placeholder=Content("Ask something, or type / for commands"),
        )
        self.choosing = False
        """Whether completions are on show: arrows then choose among them."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Sent())
        elif event.key == "question_mark" and not self.text:
            event.stop()
            event.prevent_default()
            await self.run_action("screen.help")

    async def _on_paste(self, event: events.Paste) -> None:
        event.text = plain(event.text[:LONGEST])  # the base class's handler comes after this one, by itself

    def action_earlier(self) -> None:
        """The line above; on the first line the question before."""
        if self.choosing or self.cursor_at_first_line:
            self.post_message(self.Moved("earlier"))
        else:
            self.action_cursor_up()

    def action_later(self) -> None:
        """The line below; on the last line the question after."""
        if self.choosing or self.cursor_at_last_line:
            self.post_message(self.Moved("later"))
        else:
            self.action_cursor_down()

    def action_complete(self) -> None:
        """Accepts a completion; without one, the focus moves on."""
        if not self.choosing:
            raise SkipAction
        self.post_message(self.Moved("complete"))

    def action_close(self) -> None:
        """Hides the completions; without any, the screen decides."""
        if not self.choosing:
            raise SkipAction
        self.post_message(self.Moved("close"))

    def action_newline(self) -> None:
        """Begins a new line."""
        self.insert("\n")

    def action_skip(self) -> None:
        """Leaves the key to the screen."""
        raise SkipAction


class Composer(Vertical):
    """The prompt with its completions above it."""

    class Typed(Message):
        """What is written changed."""

    class Submitted(Message):
        """A question or command to carry out."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(id="composer")
        self._prompt = Prompt()
        self._hints = Static("", markup=False, id="completions")
        self._found: list[Completion] = []
        self._chosen = 0
        self._history: list[str] = []
        self._place = 0
        self._draft = ""
        self._quiet = ""

    def compose(self) -> ComposeResult:
        yield self._hints
        yield self._prompt

    def on_mount(self) -> None:
        """Begins without completions."""
        self._hints.display = False

    @property
    def text(self) -> str:
        """What is written and not sent."""
        return self._prompt.text

    def put(self, text: str) -> None:
        """Replaces what is written, cursor at the end."""
        self._prompt.text = plain(text)
        self._prompt.move_cursor(self._prompt.document.end)
        self._prompt.focus()

    def put_back(self, text: str) -> bool:
        """Returns a text that could not be used; False when something else is being written (history has it)."""
        self.remember(text)
        if self.text.strip():
            return False
        self.put(text)
        return True

    def remember(self, text: str) -> None:
        """Makes the text reachable with the up arrow."""
        if text.strip() and (not self._history or self._history[-1] != text):
            self._history.append(text)
        self._place = len(self._history)

    def on_prompt_sent(self, message: Prompt.Sent) -> None:
        """Sends what is written; an unfinished command name is completed first."""
        message.stop()
        chosen = self._found[self._chosen].value if self._found else ""
        if chosen and " " not in self.text.strip() and chosen.strip() != self.text.strip():
            self._accept()
            if chosen.endswith(" "):
                return
        text = self.text.strip()
        if not text:
            return
        self.remember(text)
        self._prompt.clear()
        self.post_message(self.Submitted(text))

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Looks for completions of what is written now."""
        event.stop()
        self.post_message(self.Typed())
        themes = sorted(self.app.available_themes) if self.text.startswith("/theme") else ()
        self._found = [] if self.text == self._quiet else completions(self.text, themes)
        if len(self._found) == 1 and self._found[0].value.strip() == self.text.strip():
            self._found = []
        self._chosen = 0
        self._show()

    def on_prompt_moved(self, message: Prompt.Moved) -> None:
        """Moves through completions when there are any, else through the history."""
        message.stop()
        step = {"earlier": -1, "later": 1}.get(message.where, 0)
        if message.where == "complete":
            self._accept()
        elif message.where == "close":
            self._found = []
            self._show()
        elif self._found:
            self._chosen = (self._chosen + step) % len(self._found)
            self._show()
        else:
            self._recall(step)

    def _recall(self, step: int) -> None:
        place = self._place + step
        if not 0 <= place <= len(self._history):
            return
        if self._place == len(self._history):
            self._draft = self.text
        self._place = place
        text = self._history[place] if place < len(self._history) else self._draft
        self._quiet = text
        self.put(text)

    def _accept(self) -> None:
        if self._found:
            self.put(self._found[self._chosen].value)

    def _show(self) -> None:
        self._prompt.choosing = bool(self._found)
        self._hints.display = bool(self._found)
        if not self._found:
            return
        width = max(len(one_line(completion.label, 48)) for completion in self._found)
        lines = [
            Content.assemble(
                (f" {one_line(completion.label, 48):<{width}} ", "reverse" if at == self._chosen else "bold"),
                (f"  {completion.help}", "dim"),
            )
            for at, completion in enumerate(self._found)
        ]
        self._hints.update(Content("\n").join(lines))
