"""The application: themes, the palette and what holds for every screen. Decisions about the chat are in chat.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.screen import Screen
from textual.theme import Theme

from memapp.errors import UsageError
from memapp.tui.backstage import Backstage
from memapp.tui.chat import ChatScreen
from memapp.tui.confirm import confirm
from memapp.tui.markdown import AnswerText
from memapp.tui.palette import ChatCommands
from memapp.tui.text import one_line, plain

if TYPE_CHECKING:
    from memapp.memory import Memory

DARK = Theme(
    name="memapp-dark",
    primary="#7fa7c9",
    secondary="#8fb0a3",
    accent="#d6b27a",
    warning="#d9a05b",
    error="#d97c7c",
    success="#93b982",
    foreground="#d5d8dd",
    background="#15171b",
    surface="#1a1d22",
    panel="#23272e",
    dark=True,
)
LIGHT = Theme(
    name="memapp-light",
    primary="#2d6187",
    secondary="#3f6f60",
    accent="#8a5a12",
    warning="#9a5b10",
    error="#a83a3a",
    success="#3d6f2d",
    foreground="#2a2e35",
    background="#fbfaf7",
    surface="#f4f2ed",
    panel="#e9e6df",
    dark=False,
)


class ChatApp(App[None]):
    """The terminal chat over one memory."""

    TITLE = "memapp"
    CSS_PATH = "style.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (104, "-wide")]  # noqa: RUF012
    COMMANDS: ClassVar[set[Any]] = {ChatCommands}

    def __init__(self, open_memory: Callable[[], Memory], session: str, theme: str = "") -> None:
        super().__init__()
        self._open_memory = open_memory
        self._session = session
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self._chosen = theme
        self.theme = self._theme(theme)

    def get_default_screen(self) -> Screen[Any]:
        """Begins with the chat."""
        return ChatScreen(self._open_memory, self._session)

    def on_backstage_opened(self, message: Backstage.Opened) -> None:
        """Takes the theme of the settings, which are known from here on, unless the call named one."""
        theme = message.memory.settings.theme
        if not theme or self._chosen:
            return
        if theme in self.available_themes:
            self.theme = theme
        else:
            self.notify(f"The settings name the theme {theme}, which there is not.", severity="warning")

    def on_answer_text_link_chosen(self, message: AnswerText.LinkChosen) -> None:
        """Opens a link of an answer only when it is a web or mail address and the person agrees."""
        address = message.address
        if address.lower().startswith(("http://", "https://", "mailto:")):
            question = "Open this address in the browser?"
            confirm(self, question, [address[:2000]], "Open", lambda: self.open_url(address))
        else:
            self.notify(f"Not opened: {one_line(address, 100)}", severity="warning")

    def notify(self, message: str, *, title: str = "", markup: bool = False, **rest: Any) -> None:
        """Shows a passing remark; never as markup, never with control codes."""
        super().notify(plain(message), title=plain(title), markup=False, **rest)

    def copy_to_clipboard(self, text: str) -> None:
        """Copies through the terminal; never control codes."""
        super().copy_to_clipboard(plain(text))

    def _theme(self, name: str) -> str:
        if name and name not in self.available_themes:
            raise UsageError(f"There is no theme '{name}'.", f"Known: {', '.join(sorted(self.available_themes))}.")
        return name or fitting_theme(os.environ, self.console.color_system)


def fitting_theme(environment: Mapping[str, str], color_system: str | None) -> str:
    """The theme for a terminal: TEXTUAL_THEME when set; its own 16 colours when it has no more; light on light."""
    if environment.get("TEXTUAL_THEME"):
        return environment["TEXTUAL_THEME"]
    light = environment.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
    if color_system in ("standard", "windows"):
        return "ansi-light" if light else "ansi-dark"
    return LIGHT.name if light else DARK.name
