"""The terminal chat. It shows and asks; everything else is memapp.memory's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memapp.memory import Memory

__all__ = ["run"]


def run(memory: Memory | Callable[[], Memory], session: str = "", theme: str = "") -> None:
    """Runs the terminal chat until the person leaves it.

    `memory` may be a function that opens one: it is called after the first screen is drawn, so that the chat starts
    at once, and what it opened is closed at the end. `session` is the session to go on with; empty begins a new one,
    named by the time. `theme` is a name of the chat's themes; empty chooses one that fits the terminal. Raises
    UsageError for an unknown theme.
    """
    from memapp.tui.app import ChatApp

    opened: list[Memory] = []

    def open_memory() -> Memory:
        if not callable(memory):
            return memory
        if not opened:
            opened.append(memory())
        return opened[0]

    try:
        ChatApp(open_memory, session, theme).run()
    finally:
        for each in opened:
            each.close()
