"""The lines that frame the conversation: what it is, what is being done, how full the model's window is."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import reactive
from textual.timer import Timer
from textual.widgets import Static

from memapp.tui.text import count, one_line
from memapp.types import Tokens


def meter(tokens: Tokens, cells: int = 10) -> Content:
    """`━━━────── 1,800/4,096`: prompt and answer of the last question against the model's window."""
    if not tokens.context:
        return Content("")
    used = tokens.prompt + tokens.generated
    filled = min(round(used / tokens.context * cells), cells)
    colour = "$warning" if used > 0.9 * tokens.context else "$accent"
    bar = ("━" * filled, colour), ("─" * (cells - filled), "dim")
    return Content.assemble(*bar, f" {used:,}/{tokens.context:,} tokens")


class TopLine(Horizontal):
    """The session's name and what memory holds."""

    def __init__(self) -> None:
        super().__init__(id="top")
        self._session = Static("", markup=False, id="session")
        self._holds = Static("", markup=False, id="holds")

    def compose(self) -> ComposeResult:
        yield Static("memapp", markup=False, id="brand")
        yield self._session
        yield self._holds

    def show_session(self, session: str) -> None:
        """Shows the session's name."""
        self._session.update(one_line(session, 60) or "new session")

    def holds(self, documents: int, namespace: str) -> None:
        """Shows how much is remembered, and where."""
        place = "" if namespace == "default" else f" · {one_line(namespace, 20)}"
        self._holds.update(f"{count(documents, 'document')}{place}")


class StatusLine(Horizontal):
    """What is being done, at the left; the meter and the keys at the right."""

    SPINNER: ClassVar[str] = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

    activity: reactive[str] = reactive("")
    detail: reactive[str] = reactive("")
    tokens: reactive[Tokens] = reactive(Tokens())
    rate: reactive[float] = reactive(0.0)

    def __init__(self) -> None:
        super().__init__(id="status")
        self._left = Static("", markup=False, id="activity")
        self._right = Static("", markup=False, id="meter")
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield self._left
        yield self._right

    def on_mount(self) -> None:
        """Turns the spinner only while something is being done."""
        self._timer = self.set_interval(0.12, self._draw_left, pause=not self.activity)
        self._draw_left()
        self._draw_right()

    def watch_activity(self, activity: str) -> None:
        """Starts or stops the spinner."""
        if self._timer is not None:
            (self._timer.resume if activity else self._timer.pause)()
            self._draw_left()

    def watch_detail(self) -> None:
        """Shows the keys that help now."""
        self._draw_left()

    def watch_tokens(self) -> None:
        """Redraws the meter."""
        self._draw_right()

    def watch_rate(self, before: float, rate: float) -> None:
        """Redraws the rate when it reads differently."""
        if f"{before:.0f}" != f"{rate:.0f}":
            self._draw_right()

    def _draw_left(self) -> None:
        if not self.activity:
            self._left.update(Content.assemble((self.detail, "dim")), layout=False)
            return
        frame = self.SPINNER[int(time.monotonic() / 0.12) % len(self.SPINNER)]
        detail = f"  {self.detail}" if self.detail else ""
        self._left.update(
            Content.assemble((f"{frame} ", "$accent"), one_line(self.activity, 60), (detail, "dim")), layout=False
        )

    def _draw_right(self) -> None:
        rate = f"{self.rate:.0f} tok/s" if self.rate else ""
        parts = [part for part in (meter(self.tokens), Content(rate)) if part]
        self._right.update(Content(" · ").join(parts))
