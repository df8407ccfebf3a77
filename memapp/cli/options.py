"""The options that come before the command, those that many commands share, and how a command opens memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memapp.cli.output import err
from memapp.errors import UsageError

if TYPE_CHECKING:
    from memapp.memory import Memory
    from memapp.settings import Settings

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells count it."""

K = Annotated[int | None, typer.Option("-k", min=1, help="Passages to recall (default: the setting k, 5).")]
Layers = Annotated[str | None, typer.Option("--layers", metavar="A,B", help="Layers to ask, instead of the default.")]
Mode = Annotated[
    str | None,
    typer.Option("--memory", metavar="off|knn|mlp|both", help="Which parametric memory writes with the model."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@dataclass(frozen=True, slots=True)
class Options:
    """The global options of one run."""

    store: str | None = None
    config: Path | None = None
    namespace: str = "default"
    quiet: bool = False

    def note(self, text: str) -> None:
        """Prints a line on standard error, unless the user wants quiet."""
        if not self.quiet:
            err(text)


def options(context: typer.Context) -> Options:
    """The global options of the run that `context` belongs to."""
    found = context.find_object(Options)
    return found if found is not None else Options()


def settings_of(context: typer.Context, **arguments: Any) -> Settings:
    """The settings of this run. Raises UsageError for a bad file or variable."""
    from memapp import settings

    return settings.load(options(context).config, **arguments)


def open_memory(context: typer.Context, *, create: bool = False, **arguments: Any) -> Memory:
    """The memory that the global options name; `arguments` are settings.

    Raises StoreForeign when there is none and `create` is false.
    """
    from memapp.memory import Memory

    given = options(context)
    return Memory.open(
        given.store, namespace=given.namespace, settings=settings_of(context, **arguments), create=create
    )


@contextmanager
def memory_of(context: typer.Context, *, create: bool = False, **arguments: Any) -> Iterator[Memory]:
    """`open_memory`, closed at the end."""
    with open_memory(context, create=create, **arguments) as memory:
        yield memory


def layer_names(layers: str | None) -> tuple[str, ...] | None:
    """The names in 'a,b'; None when the option is absent. Raises UsageError for an empty list."""
    if layers is None:
        return None
    names = tuple(name.strip() for name in layers.split(",") if name.strip())
    if not names:
        raise UsageError(
            "--layers names no layer.", "Give names with commas between them, as in --layers lexical,dense."
        )
    return names


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; a second Ctrl-C ends the command at once."""
    cancel = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()
        err("\nStopping; Ctrl-C again stops at once.")

    try:
        before = signal.signal(signal.SIGINT, stop)
    except ValueError:  # outside the main thread Ctrl-C never arrives here
        yield cancel
        return
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, before)
