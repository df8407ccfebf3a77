"""The screen that shows a passage where it stands in its document."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from memapp.errors import MemappError
from memapp.tui.text import one_line, plain
from memapp.tui.view import Source
from memapp.types import Document, Span

if TYPE_CHECKING:
    from memapp.memory import Memory

WINDOW = 20_000
"""Characters of the document drawn before and after the passage, and added at a time."""


class DocumentScreen(Screen[str | None]):
    """Dismissed with the document's id when it is to be forgotten, else with None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Back"),
        Binding("space", "passage", "To the passage"),
        Binding("c", "copy", "Copy passage"),
        Binding("f,delete", "forget", "Forget document"),
        Binding("left_square_bracket", "more(-1)", "More above", show=False),
        Binding("right_square_bracket", "more(1)", "More below", show=False),
    ]

    def __init__(self, memory: Memory, source: Source) -> None:
        super().__init__()
        self._memory = memory
        self._source = source
        self._document: Document | None = None
        self._window = Span(0, 0)
        self._body = Static("", markup=False, id="text")
        self._note = Static("Reading the document…", markup=False, id="note")

    def compose(self) -> ComposeResult:
        source = self._source
        with Vertical(id="about"):
            yield Static(one_line(source.title or source.document, 120), markup=False, classes="heading")
            if source.place:
                yield Static(one_line(source.place, 200), markup=False, classes="place")
            yield Static(_why(source), classes="why")
        with VerticalScroll(id="page"):
            yield self._body
        yield self._note
        yield Static("Esc back · Space to the passage · c copy · f forget the document", markup=False, classes="keys")

    def on_mount(self) -> None:
        """Fetches the document."""
        self.query_one("#page", VerticalScroll).focus()
        self._fetch(self._memory, self._source.document)

    @work(thread=True, exclusive=True, group="document", exit_on_error=False)
    def _fetch(self, memory: Memory, document: str) -> Document:
        return memory.document(document)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Shows the document, or the passage alone when it cannot be had."""
        if event.state == WorkerState.SUCCESS and event.worker.result is not None:
            self._document = event.worker.result
            self._open()
        elif event.state == WorkerState.ERROR:
            error = event.worker.error
            reason = str(error) if isinstance(error, MemappError) else f"{type(error).__name__}: {error}"
            self._body.update(Content.styled(plain(self._source.text), _styles(self)[0]))
            self._note.update(plain(f"Only the passage can be shown. {reason}"))

    def action_close(self) -> None:
        """Goes back."""
        self.dismiss(None)

    def action_forget(self) -> None:
        """Goes back and asks to forget the document."""
        self.dismiss(self._source.document)

    def action_copy(self) -> None:
        """Copies the passage."""
        self.app.copy_to_clipboard(plain(self._source.text))
        self.notify("Passage copied")

    def action_passage(self) -> None:
        """Scrolls to the passage."""
        page = self.query_one("#page", VerticalScroll)
        row = self._row(self._focus_span().start)
        page.scroll_to(y=max(row - page.size.height // 4, 0), animate=False)

    def action_more(self, direction: int) -> None:
        """Draws more of the document above (-1) or below (1)."""
        if self._document is None:
            return
        length = len(self._document.text)
        start, end = self._window.start, self._window.end
        page = self.query_one("#page", VerticalScroll)
        below = page.max_scroll_y - page.scroll_y
        if direction < 0:
            start = max(start - WINDOW, 0)
        else:
            end = min(end + WINDOW, length)
        self._draw(Span(start, end))
        if direction < 0:
            self.call_after_refresh(lambda: page.scroll_to(y=page.max_scroll_y - below, animate=False))

    def _open(self) -> None:
        assert self._document is not None
        focus = self._focus_span()
        length = len(self._document.text)
        self._draw(Span(max(focus.start - WINDOW, 0), min(focus.end + WINDOW, length)))
        self.call_after_refresh(self.action_passage)

    def _focus_span(self) -> Span:
        spans = self._source.quotes or ((self._source.passage,) if self._source.passage else ())
        return min(spans, key=lambda span: span.start) if spans else Span(0, 0)

    def _draw(self, window: Span) -> None:
        assert self._document is not None
        self._window = window
        self._body.update(highlighted(self._document.text, window, self._source, *_styles(self)))
        above, below = window.start, len(self._document.text) - window.end
        parts = [
            f"{above:,} characters above, [ shows more" if above else "",
            f"{below:,} characters below, ] shows more" if below else "",
        ]
        self._note.update(" · ".join(part for part in parts if part))
        self._note.display = bool(above or below)

    def _row(self, offset: int) -> int:
        if self._document is None or self._body.size.width <= 0:
            return 0
        before = plain(self._document.text[self._window.start : offset])
        return len(Content(before).wrap(self._body.size.width)) - 1 if before else 0


def highlighted(text: str, window: Span, source: Source, passage_style: str, quote_style: str) -> Content:
    """The window of a document's text, with the passage and within it the quoted spans marked.

    Each piece is cleaned by itself, so that marks stay right where characters were dropped.
    """
    layers = [(source.passage, passage_style)] if source.passage else []
    layers += [(quote, quote_style) for quote in source.quotes]
    edges = {window.start, window.end}
    for span, _ in layers:
        edges |= {min(max(edge, window.start), window.end) for edge in (span.start, span.end)}
    cuts = sorted(edges)
    parts: list[tuple[str, str]] = []
    for start, end in pairwise(cuts):
        style = next((style for span, style in reversed(layers) if span.start <= start and end <= span.end), "")
        parts.append((plain(text[start:end]), style))
    return Content.assemble(*parts)


def _styles(screen: Screen[str | None]) -> tuple[str, str]:
    app = screen.app
    return ("bold", "reverse") if app.native_ansi_color or app.no_color else ("on $primary 18%", "bold on $accent 45%")


def _why(source: Source) -> Content:
    if not source.shares:
        return Content.styled("cited by a kept answer", "dim")
    lines = []
    for share in source.shares:
        why = f"  {one_line(share.why, 160)}" if share.why else ""
        lines.append(f"{one_line(share.layer, 24):<10} #{share.rank:<3} {share.score:.3f}{why}")
    return Content.styled("\n".join(lines), "dim")
