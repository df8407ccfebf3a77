"""A question with two answers, over the conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from memapp.tui.text import plain


class ConfirmScreen(ModalScreen[bool]):
    """Dismissed with True only by a clear yes; Escape and the first focus are no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "No"),
        Binding("y", "answer(True)", "Yes"),
        Binding("left,right", "app.focus_next", "Other button", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[str], yes: str, *, danger: bool = False) -> None:
        super().__init__()
        self._title = plain(title)
        self._lines = [plain(line) for line in lines]
        self._yes = yes
        self._danger = danger

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, markup=False, classes="heading")
            if self._lines:
                with VerticalScroll(classes="body", can_focus=False):
                    yield Static("\n".join(self._lines), markup=False)
            with Horizontal(classes="buttons"):
                yield Button(Content("Cancel"), id="no", compact=True)
                yield Button(Content(self._yes), id="yes", compact=True, variant="error" if self._danger else "primary")

    def on_mount(self) -> None:
        """Puts the focus on the harmless answer."""
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Takes the answer."""
        event.stop()
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Takes the answer from a key."""
        self.dismiss(yes)


def confirm(
    app: App[Any], title: str, lines: Sequence[str], yes: str, do: Callable[[], object], *, danger: bool = False
) -> None:
    """Asks, and calls `do` on a yes."""

    def answered(agreed: bool | None) -> None:
        if agreed:
            do()

    app.push_screen(ConfirmScreen(title, lines, yes, danger=danger), answered)
