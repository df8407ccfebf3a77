"""The commands that change what is remembered: ingest, forget, export, import."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memapp.cli import output
from memapp.cli.options import INTERRUPTED, Json, Options, interruptible, memory_of, options
from memapp.cli.progress import bar
from memapp.errors import UsageError
from memapp.types import Document, DocumentInfo, ForgetReport, IngestReport, Item, ItemState

if TYPE_CHECKING:
    from memapp.memory import Memory

LISTED = 40
"""Up to so many items each get a line; of more, only those that failed."""


def ingest(
    context: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders; - is standard input.")],
    reader: Annotated[str | None, typer.Option("--format", metavar="F", help="Read every file as this.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line for every item, however many.")] = False,
    as_json: Json = False,
) -> None:
    """Remember files and folders."""
    given = options(context)
    with memory_of(context, create=True) as memory, interruptible() as cancel, bar(given) as progress:
        report = memory.ingest(paths, format=reader, progress=progress, cancel=cancel)
    _print_report(report, given, verbose, as_json)


def note(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A statement, such as: I live in Oslo.")],
    replace: Annotated[str | None, typer.Option("--replace", metavar="NOTE", help="In the place of this note.")] = None,
    as_json: Json = False,
) -> None:
    """Remember a statement of yours."""
    with memory_of(context, create=True) as memory:
        kept = memory.remember(text, id=replace)
    if as_json:
        output.out_json(kept)
    options(context).note(f"Remembered as {kept.id}. `memapp forget {kept.id}` takes it back.")


def notes(context: typer.Context, as_json: Json = False) -> None:
    """List the statements of yours that are remembered."""
    with memory_of(context) as memory:
        kept = memory.notes()
    if as_json:
        output.out_json({"notes": kept})
        return
    if not kept:
        options(context).note("No notes. Tell one with: memapp note TEXT")
    output.columns((one.id, one.at.replace("T", " "), output.one_line(one.text)) for one in kept)


def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file that `memapp export` wrote.")],
    verbose: Annotated[bool, typer.Option("--verbose", help="A line for every item, however many.")] = False,
    as_json: Json = False,
) -> None:
    """Remember the documents of an export."""
    given = options(context)
    with memory_of(context, create=True) as memory, bar(given) as progress:
        report = memory.import_(path, progress=progress)
    _print_report(report, given, verbose, as_json)


def export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The JSONL file to write.")],
    as_json: Json = False,
) -> None:
    """Write every document, whole, to a JSONL file."""
    given = options(context)
    with memory_of(context) as memory, bar(given) as progress:
        count = memory.export(path, progress=progress)
    if as_json:
        output.out_json({"documents": count, "path": str(path)})
    given.note(f"{output.plural(count, 'document')} written to {output.one_line(str(path))}.")


def forget(
    context: typer.Context,
    documents: Annotated[list[str] | None, typer.Argument(metavar="DOCUMENT...", help="Ids, as `list` shows.")] = None,
    source: Annotated[str | None, typer.Option("--source", metavar="PATH", help="All that came from here.")] = None,
    query: Annotated[str | None, typer.Option("--query", metavar="TEXT", help="All whose text contains this.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Prove that nothing of it is left.")] = False,
    as_json: Json = False,
) -> None:
    """Forget documents for good, in the log and in every layer."""
    if sum((bool(documents), source is not None, query is not None)) != 1:
        raise UsageError("Nothing, or too much, says what to forget.", "Give documents, or --source, or --query.")
    if query is not None and not query.strip():
        raise UsageError("--query is empty, which every document contains.", "Name a text.")
    ids = documents or []
    given = options(context)
    with memory_of(context) as memory:
        if not yes:
            _confirm(_doomed(memory, ids, source, query))
        report = memory.forget(*ids, source=source, query=query, verify=verify)
    if as_json:
        output.out_json(report)
    _print_forgotten(report, given, quiet_checks=as_json)
    if not all(check.ok for check in report.checks):
        raise typer.Exit(1)


def _print_report(report: IngestReport, given: Options, verbose: bool, as_json: bool) -> None:
    counts = Counter(item.state for item in report.items)
    if as_json:
        states = {"added": len(report.added), "unchanged": len(report.unchanged), "failed": len(report.failed)}
        output.out_json({**states, "interrupted": report.interrupted, "seconds": report.seconds, "items": report.items})
    listed = verbose or len(report.items) <= LISTED
    for item in report.items:
        if item.state == "failed":
            output.err(_line(item))
        elif listed and not as_json:
            given.note(_line(item))
    given.note(_summary(report, counts))
    if report.interrupted:
        given.note("Interrupted; what is committed stays. The same command goes on where this one ended.")
        raise typer.Exit(INTERRUPTED)
    if report.failed:
        raise typer.Exit(1)


def _line(item: Item) -> str:
    name = output.one_line(item.source or item.document)
    if item.state == "failed":
        return f"failed     {name}: {output.one_line(item.reason)}"
    return f"{item.state:<9}  {name} ({output.plural(item.passages, 'passage')})"


def _summary(report: IngestReport, counts: Counter[ItemState]) -> str:
    if not report.items:
        return "Nothing to do: no document was found there."
    if counts["unchanged"] == len(report.items):
        return f"Nothing to do: {output.plural(counts['unchanged'], 'document')} remembered already."
    passages = sum(item.passages for item in report.added)
    what = [f"{output.plural(counts['added'], 'document')} added ({output.plural(passages, 'passage')})"]
    others: tuple[ItemState, ...] = ("updated", "unchanged", "failed")
    what += [f"{counts[state]:,} {state}" for state in others if counts[state]]
    parts = ", ".join(f"{name} {value:.1f}" for name, value in report.seconds.items() if name != "total")
    took = f" in {report.seconds['total']:.1f} s" if "total" in report.seconds else ""
    return ", ".join(what) + took + (f": {parts}" if parts else "") + "."


def _doomed(memory: Memory, ids: list[str], source: str | None, query: str | None) -> Sequence[Document | DocumentInfo]:
    """The documents that would go. Raises UsageError when there are none."""
    if query is not None:
        found: Sequence[Document | DocumentInfo] = memory.matching(query)
    elif source is not None:
        found = memory.documents(source=source)
    else:
        found = [memory.document(id) for id in ids]
    if not found:
        raise UsageError("Nothing matches, so nothing was forgotten.", "`memapp list` shows what is remembered.")
    return found


def someone_is_there() -> bool:
    """True when a person can be asked on standard input."""
    return sys.stdin is not None and sys.stdin.isatty()


def _confirm(doomed: Sequence[Document | DocumentInfo]) -> None:
    for info in doomed[:LISTED]:
        output.err(f"{info.id}  {output.one_line(info.title)}  {output.one_line(info.source)}".rstrip())
    if len(doomed) > LISTED:
        output.err(f"... and {len(doomed) - LISTED:,} more")
    what = output.plural(len(doomed), "document")
    if not someone_is_there():
        raise UsageError(f"{what} would be forgotten, and nobody is there to be asked.", "Repeat with --yes.")
    if not typer.confirm(f"Forget {what} for good?", err=True):
        raise UsageError("Nothing was forgotten.")


def _print_forgotten(report: ForgetReport, given: Options, quiet_checks: bool) -> None:
    layers = ", ".join(f"{name} {count}" for name, count in report.layers.items())
    turns = f"; {output.plural(report.turns, 'chat answer')} erased" if report.turns else ""
    what = f"{output.plural(len(report.documents), 'document')}, {output.plural(report.passages, 'passage')}"
    given.note(f"Forgotten: {what}{f' ({layers})' if layers else ''}{turns}.")
    if report.likelihood is not None:
        told = report.likelihood
        given.note(
            f"Log-likelihood of the text, nats a token over {told.tokens}: "
            f"{told.before:.3f} before, {told.after:.3f} now, {told.base:.3f} by the model alone."
        )
    if not quiet_checks:
        output.print_checks(report.checks)
