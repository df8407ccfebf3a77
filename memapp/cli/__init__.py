"""The command line: a thin layer over Memory, one function a command.

Importing it loads nothing heavy; each command imports what it needs when it runs. Errors become
exit codes here and nowhere else: 0 done, 1 some items failed, 2 wrong usage, 3 store or model
unusable, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from memapp.cli import ask, care, extract, graph, inspect, models, output, parametric, remember
from memapp.cli.options import INTERRUPTED, Options
from memapp.errors import MemappError

COMMANDS: dict[str, Callable[..., None]] = {
    "init": care.init,
    "ingest": remember.ingest,
    "extract": extract.extract,
    "search": ask.search,
    "ask": ask.ask,
    "summarize": ask.summarize,
    "batch": ask.batch,
    "chat": ask.chat,
    "complete": parametric.complete,
    "note": remember.note,
    "notes": remember.notes,
    "forget": remember.forget,
    "list": inspect.list_,
    "show": inspect.show,
    "log": inspect.log,
    "stats": inspect.stats,
    "rebuild": care.rebuild,
    "verify": care.verify,
    "doctor": care.doctor,
    "plugins": care.plugins,
    "bench": care.bench,
    "export": remember.export,
    "import": remember.import_,
}
"""In the order in which help lists them."""

MODEL_COMMANDS: dict[str, Callable[..., None]] = {
    "list": models.list_,
    "add": models.add,
    "pull": models.pull,
    "use": models.use,
    "profile": models.profile,
}

GRAPH_COMMANDS: dict[str, Callable[..., None]] = {
    "show": graph.show,
    "communities": graph.communities,
    "stats": graph.stats,
    "export": graph.export,
}

TRAIN_COMMANDS: dict[str, Callable[..., None]] = {
    "parametric": parametric.train,
    "amortized": parametric.train_amortized,
}
FURTHER = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that passes on options that it does not know."""

GROUPS = (
    ("train", TRAIN_COMMANDS, "Consolidate memory into what the chat model writes with."),
    ("models", MODEL_COMMANDS, "List, add, download and choose chat models."),
    ("graph", GRAPH_COMMANDS, "Show, draw and export the graph of phrases."),
)

BROKEN_PIPE = 128 + 13
"""Exit code when nobody reads the output any more, as shells count SIGPIPE."""


class Commands(TyperGroup):
    """The group of all commands, and the one place where errors become messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that `ctx` names."""
        output.steady_streams()
        try:
            return super().invoke(ctx)
        except MemappError as error:
            _explain(error.message, error.hint)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            output.err("\nInterrupted; what was committed stays.")
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            _let_go_of_output()
            raise typer.Exit(BROKEN_PIPE) from error


def main() -> None:
    """Runs memapp with the process's arguments; always ends in SystemExit."""
    try:
        app(prog_name="memapp")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        if os.environ.get("MEMAPP_DEBUG"):
            raise
        _explain(f"memapp failed: {type(error).__name__}: {error}", "MEMAPP_DEBUG=1 shows where.")
        raise SystemExit(MemappError.exit_code) from error


def _explain(message: str, hint: str) -> None:
    if os.environ.get("MEMAPP_DEBUG"):
        import traceback

        output.err(traceback.format_exc())
    output.err(f"Error: {output.plain(message)}")
    if hint:
        output.err(output.plain(hint))


def _let_go_of_output() -> None:
    """Sends what is still buffered nowhere, so that the interpreter ends without a complaint."""
    with Path(os.devnull).open("w") as nowhere:
        for stream in (sys.stdout, sys.stderr):
            try:
                os.dup2(nowhere.fileno(), stream.fileno())
            except (OSError, ValueError, AttributeError):
                continue


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        output.out(f"memapp {version('memapp')}")
        raise typer.Exit


def _globals(
    context: typer.Context,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", metavar="PATH-or-URL", envvar="MEMAPP_STORE", help="Where memory is (default: your data folder)."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="A settings file.")] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", metavar="NAME", help="Which memory of the store.")
    ] = "default",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only answers, failed items and errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """A long memory for local language models: remember documents, answer with sources, forget for good."""
    context.obj = Options(store=store, config=config, namespace=namespace, quiet=quiet)


def _build() -> typer.Typer:
    made = typer.Typer(
        cls=Commands,
        context_settings={"help_option_names": ["--help", "-h"]},
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    made.callback()(_globals)
    for name, command in COMMANDS.items():
        # everything after the bench's name is its own, --help included
        made.command(name, context_settings={**FURTHER, "help_option_names": []} if name == "bench" else None)(command)
    for name, commands, told in GROUPS:
        group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
        for each, command in commands.items():
            group.command(each, context_settings=FURTHER if each == "amortized" else None)(command)
        made.add_typer(group, name=name, help=told)
    return made


app = _build()
