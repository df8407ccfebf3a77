"""The screen that lists what a forget would take, asks, and does it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static
from textual.worker import Worker, WorkerState

from memapp.tui.text import count, one_line, plain
from memapp.types import DocumentInfo, ForgetReport

if TYPE_CHECKING:
    from memapp.memory import Memory

SHOWN = 100


class ForgetScreen(ModalScreen[ForgetReport | None]):
    """Dismissed with the report of what went, or None when nothing did."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,n", "cancel", "Cancel"), Binding("y", "forget", "Forget")]

    def __init__(self, memory: Memory, what: str) -> None:
        super().__init__()
        self._memory = memory
        self._what = what
        self._documents: tuple[DocumentInfo, ...] = ()
        self._working = False
        self._heading = Static("Looking…", markup=False, classes="heading")
        self._body = Static("", markup=False)
        self._yes = Button(Content("Forget"), id="yes", compact=True, variant="error", disabled=True)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield self._heading
            with VerticalScroll(classes="body", can_focus=False):
                yield self._body
            with Horizontal(classes="buttons"):
                yield Button(Content("Cancel"), id="no", compact=True)
                yield self._yes

    def on_mount(self) -> None:
        """Looks for what is meant."""
        self.query_one("#no", Button).focus()
        self._look(self._memory, self._what)

    @work(thread=True, exclusive=True, group="look", exit_on_error=False)
    def _look(self, memory: Memory, what: str) -> tuple[DocumentInfo, ...]:
        return named(memory, what)

    @work(thread=True, exclusive=True, group="forget", exit_on_error=False)
    def _forget(self, memory: Memory, documents: tuple[str, ...]) -> ForgetReport:
        return memory.forget(*documents)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Shows what was found; leaves when it is forgotten; stays and says why when it could not be."""
        if event.state == WorkerState.ERROR:
            self._working = False
            self._heading.update("It could not be done; nothing was forgotten.")
            self._body.update(plain(str(event.worker.error)))
        elif event.state == WorkerState.SUCCESS:
            result: Any = event.worker.result
            if event.worker.group == "forget":
                self.dismiss(result)
            else:
                self._show(result)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Takes the answer."""
        event.stop()
        (self.action_forget if event.button.id == "yes" else self.action_cancel)()

    def action_forget(self) -> None:
        """Forgets what is listed."""
        if self._documents and not self._working:
            self._working = True
            self._yes.disabled = True
            self._heading.update("Forgetting…")
            self._forget(self._memory, tuple(document.id for document in self._documents))

    def action_cancel(self) -> None:
        """Leaves everything as it is; while it is being done there is no way back."""
        if not self._working:
            self.dismiss(None)

    def _show(self, documents: tuple[DocumentInfo, ...]) -> None:
        self._documents = documents
        if not documents:
            self._heading.update(f"Nothing is remembered as “{one_line(self._what, 60)}”.")
            self._body.update("Name a document by its id, title or source; /search shows what there is.")
            return
        passages = sum(document.passages for document in documents)
        self._heading.update(f"Forget {count(len(documents), 'document')} ({count(passages, 'passage')}) for good?")
        lines = [_line(document) for document in documents[:SHOWN]]
        rest = len(documents) - SHOWN
        if rest > 0:
            lines.append(Content(f"… and {rest:,} more"))
        lines.append(Content.styled("Answers that cite them are erased too.", "dim"))
        self._body.update(Content("\n").join(lines))
        self._yes.disabled = False


def named(memory: Memory, what: str) -> tuple[DocumentInfo, ...]:
    """The documents with this id or title, and those read from this file or folder."""
    called = [document for document in memory.documents() if what in (document.id, document.title)]
    read = memory.documents(source=_home(what))
    return tuple({document.id: document for document in (*called, *read)}.values())


def _home(path: str) -> str:
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        return path


def _line(document: DocumentInfo) -> Content:
    place = one_line(document.source or document.id, 60)
    return Content.assemble(
        (one_line(document.title or document.id, 60), "bold"),
        (f"  {place} · {count(document.passages, 'passage')}", "dim"),
    )
