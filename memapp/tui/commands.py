"""The slash commands: their names, how a line is read as one, and what completes it. Nothing is carried out here."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memapp.errors import UsageError


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command."""

    name: str
    argument: str
    """How help shows the argument; in brackets when it may be left out, empty when there is none."""
    help: str

    @property
    def needs_argument(self) -> bool:
        """Whether it does nothing without an argument."""
        return bool(self.argument) and not self.argument.startswith("[")

    @property
    def usage(self) -> str:
        """`/name ARGUMENT`."""
        return f"/{self.name} {self.argument}".rstrip()


COMMANDS = (
    Command("ingest", "PATH…", "Remember files and folders"),
    Command("search", "TEXT", "Show the passages nearest to a text"),
    Command("summarize", "[TEXT]", "Show key points of what is remembered, or of what is about a text"),
    Command("forget", "DOCUMENT", "Forget a document, by id, title or source, or that: the last note"),
    Command("remember", "[TEXT]", "Remember what was proposed, or this text"),
    Command("sessions", "", "List, switch, search and delete sessions"),
    Command("new", "[NAME]", "Begin a new session"),
    Command("export", "[PATH]", "Write this session to a Markdown file"),
    Command("copy", "[code]", "Copy the last answer, or its code"),
    Command("theme", "[NAME]", "Change the colours"),
    Command("help", "", "Keys and commands"),
    Command("quit", "", "Leave"),
)

_BY_NAME = {command.name: command for command in COMMANDS}


@dataclass(frozen=True, slots=True)
class Completion:
    """One way to go on with what is typed."""

    value: str
    """The whole line once it is accepted."""
    label: str
    help: str = ""


def is_command(line: str) -> bool:
    """Whether the line is meant as a command; `/etc/hosts says what?` is a question."""
    word = line.split(maxsplit=1)[0] if line.strip() else ""
    return word.startswith("/") and "/" not in word[1:] and "\n" not in line.strip()


def parse(line: str) -> tuple[Command, str]:
    """The command of a line and its argument.

    Raises UsageError for an unknown command, and for one whose argument is missing.
    """
    word, _, argument = line.strip().partition(" ")
    name = word.removeprefix("/").lower()
    command = _BY_NAME.get(name)
    if command is None:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        raise UsageError(
            f"There is no command /{name}.", f"Did you mean /{near[0]}?" if near else "/help lists them all."
        )
    if command.needs_argument and not argument.strip():
        raise UsageError(f"/{name} needs something to work on.", f"Write {command.usage}.")
    return command, argument.strip()


def split_paths(argument: str) -> list[str]:
    """The paths of an argument: one that exists as it stands, else as quotes and backslashes group them in a shell.

    Raises UsageError when a quote is not closed.
    """
    import shlex

    if _home(argument).exists():
        return [str(_home(argument))]
    try:
        return [part if part == "-" else str(_home(part)) for part in shlex.split(argument)]
    except ValueError as error:
        raise UsageError(f"The paths cannot be read: {error}.", "Close the quote, or leave it out.") from error


def completions(line: str, themes: Sequence[str] = (), limit: int = 8) -> list[Completion]:
    """What may follow a line: commands by their beginning, paths for /ingest and /export, themes for /theme."""
    if not line.startswith("/") or "\n" in line:
        return []
    word, space, argument = line.partition(" ")
    name = word[1:].lower()
    if not space:
        found = [command for command in COMMANDS if command.name.startswith(name)]
        return [
            Completion(f"/{command.name}{' ' if command.argument else ''}", command.usage, command.help)
            for command in found
        ]
    if name in ("ingest", "export"):
        return [Completion(f"{word} {path}", _last(path)) for path in _paths(argument, limit)]
    if name == "theme":
        return [Completion(f"/theme {theme}", theme) for theme in themes if theme.startswith(argument)][:limit]
    return []


def _paths(typed: str, limit: int) -> list[str]:
    folder, _, beginning = typed.rpartition("/")
    try:
        base = _home(f"{folder}/" if "/" in typed else ".")
        with os.scandir(base) as scan:
            found = sorted(
                f"{entry.name}/" if entry.is_dir() else entry.name
                for entry in scan
                if entry.name.startswith(beginning) and (beginning or not entry.name.startswith("."))
            )
    except (OSError, ValueError, RuntimeError):
        return []
    return [f"{folder}/{name}" if "/" in typed else name for name in found[:limit]]


def _last(path: str) -> str:
    return f"{Path(path).name}/" if path.endswith("/") else Path(path).name


def _home(path: str) -> Path:
    """The path with `~` as the home folder; as it is when there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
