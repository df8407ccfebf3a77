"""The screen that lists keys and commands."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from memapp.tui.commands import COMMANDS

KEYS = (
    ("Enter", "send"),
    ("Shift+Enter, Ctrl+J", "new line"),
    ("↑ ↓", "earlier and later questions"),
    ("Tab", "complete a command or path, else move on"),
    ("Esc", "stop the answer, close, or go back to writing"),
    ("Ctrl+P", "command palette"),
    ("F2, Ctrl+O", "show the sources and go there"),
    ("F3, Ctrl+R", "sessions: switch, search, delete"),
    ("Ctrl+N", "new session"),
    ("Ctrl+Y", "copy the last answer"),
    ("PgUp PgDn", "scroll; Ctrl+↑ loads earlier questions"),
    ("F1, ?", "this help"),
    ("Ctrl+Q", "leave"),
)
ON_ANSWER = (("↑ ↓", "other answers"), ("Enter", "its sources"), ("c", "copy"), ("x", "copy its code"))
ON_SOURCES = (("Enter, 1-9", "open in the document"), ("f", "forget the document"))


class HelpScreen(ModalScreen[None]):
    """Escape, F1, ? or q closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,question_mark,q", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static("Keys and commands", markup=False, classes="heading")
            with VerticalScroll(classes="body"):
                yield Static(help_text())
            yield Static("Esc closes", markup=False, classes="keys")

    def on_mount(self) -> None:
        """Lets the arrows scroll."""
        self.query_one(VerticalScroll).focus()


def help_text() -> Content:
    """All keys and commands in two columns."""
    commands = [(command.usage, command.help) for command in COMMANDS]
    groups = (("Commands", commands), ("Keys", KEYS), ("On an answer", ON_ANSWER), ("In the sources", ON_SOURCES))
    lines: list[Content] = []
    for title, rows in groups:
        lines.append(Content.assemble(("\n" if lines else "", ""), (title, "bold $accent")))
        lines += [Content.assemble((f"  {key:<22}", "bold"), (what, "")) for key, what in rows]
    return Content("\n").join(lines)
