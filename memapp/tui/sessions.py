"""The screen of kept sessions: switch, begin, delete, and search through all that was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from memapp.tui.confirm import confirm
from memapp.tui.text import count, local_time, one_line, plain
from memapp.types import SessionInfo, StoredTurn

if TYPE_CHECKING:
    from memapp.memory import Memory


@dataclass(frozen=True, slots=True)
class Choice:
    """What the screen was left with."""

    session: str = ""
    """The session to go to; empty to stay."""
    turn: int = 0
    """The turn to show; 0 for the newest."""
    new: bool = False
    deleted: frozenset[str] = frozenset()


class SessionsScreen(ModalScreen[Choice]):
    """Typing searches every session; the arrows choose; Enter goes there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("down", "move(1)", "Down", show=False, priority=True),
        Binding("up", "move(-1)", "Up", show=False, priority=True),
        Binding("ctrl+n", "new", "New"),
        Binding("ctrl+d,delete", "delete", "Delete", priority=True),
    ]

    def __init__(self, memory: Memory, current: str) -> None:
        super().__init__()
        self._memory = memory
        self._current = current
        self._shown: list[SessionInfo | StoredTurn] = []
        self._deleted: set[str] = set()
        self._search = Input(placeholder="Search all sessions", id="search")
        self._list = OptionList(markup=False)
        self._note = Static("", markup=False, classes="empty")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static("Sessions", markup=False, classes="heading")
            yield self._search
            yield self._note
            yield self._list
            yield Static("Enter open · Ctrl+N new · Ctrl+D delete · Esc back", markup=False, classes="keys")

    def on_mount(self) -> None:
        """Lists the sessions."""
        self._search.focus()
        self._look(self._memory, "")

    @work(thread=True, exclusive=True, group="look", exit_on_error=False)
    def _look(self, memory: Memory, text: str) -> tuple[str, list[Any]]:
        return text, list(memory.search_turns(text) if text else memory.sessions())

    @work(thread=True, group="delete", exit_on_error=False)
    def _delete(self, memory: Memory, session: str) -> str:
        memory.delete_session(session)
        return session

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Shows what was found, or why nothing was."""
        if event.state == WorkerState.ERROR:
            self.notify(str(event.worker.error), severity="error")
        elif event.state == WorkerState.SUCCESS and event.worker.group == "look":
            text, found = event.worker.result or ("", [])
            if text == self._search.value.strip():
                self._show(text, found)
        elif event.state == WorkerState.SUCCESS:
            self._deleted.add(str(event.worker.result))
            self._look(self._memory, self._search.value.strip())

    def on_input_changed(self, event: Input.Changed) -> None:
        """Searches as one types."""
        event.stop()
        self._look(self._memory, plain(event.value).strip())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Opens the highlighted line."""
        event.stop()
        self._open()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Opens the chosen line."""
        event.stop()
        self._open()

    def action_move(self, step: int) -> None:
        """Moves the highlight while the search keeps the focus."""
        (self._list.action_cursor_down if step > 0 else self._list.action_cursor_up)()

    def action_new(self) -> None:
        """Leaves for a new session, named by what is typed."""
        name = plain(self._search.value).strip()
        self.dismiss(Choice(session=name, new=True, deleted=frozenset(self._deleted)))

    def action_leave(self) -> None:
        """Goes back without a choice."""
        self.dismiss(Choice(deleted=frozenset(self._deleted)))

    def action_delete(self) -> None:
        """Asks, then deletes the highlighted session."""
        chosen = self._chosen()
        if not isinstance(chosen, SessionInfo):
            return
        question = f"Delete the session “{one_line(chosen.name, 60)}”?"
        lines = [f"{count(chosen.turns, 'question')} with the answers. Documents stay remembered."]
        confirm(self.app, question, lines, "Delete", partial(self._delete, self._memory, chosen.name), danger=True)

    def _open(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        deleted = frozenset(self._deleted)
        if isinstance(chosen, SessionInfo):
            self.dismiss(Choice(session=chosen.name, deleted=deleted))
        else:
            self.dismiss(Choice(session=chosen.session, turn=chosen.id, deleted=deleted))

    def _chosen(self) -> SessionInfo | StoredTurn | None:
        at = self._list.highlighted
        return self._shown[at] if at is not None and at < len(self._shown) else None

    def _show(self, text: str, found: Sequence[SessionInfo | StoredTurn]) -> None:
        self._shown = list(found)
        self._list.clear_options()
        self._list.add_options([Option(self._line(item, text)) for item in found])
        self._list.display = bool(found)
        self._note.display = not found
        self._note.update("Nothing was said about that." if text else "No session is kept yet: ask something first.")
        if found:
            self._list.highlighted = 0

    def _line(self, item: SessionInfo | StoredTurn, text: str) -> Content:
        if isinstance(item, SessionInfo):
            here = " (open)" if item.name == self._current else ""
            return Content.assemble(
                (one_line(item.name, 44), "bold"),
                (here, "$accent"),
                (f"  {count(item.turns, 'question')} · {local_time(item.last)}", "dim"),
            )
        return Content.assemble(
            (one_line(item.question, 60), "bold"),
            (f"  {one_line(item.session, 24)} · {local_time(item.at)}", "dim"),
            (f"\n{snippet(item.answer, text)}", ""),
        )


def snippet(text: str, wanted: str, width: int = 90) -> str:
    """The stretch of a text around what was searched for, on one line."""
    clean = one_line(text, len(text) + 1)
    at = max(clean.casefold().find(wanted.casefold()) - width // 3, 0)
    return f"{'…' if at else ''}{one_line(clean[at:], width)}"
