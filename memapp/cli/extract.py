"""The command that has passages read for facts, or takes facts from a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from memapp.cli import output
from memapp.cli.options import INTERRUPTED, Json, Options, interruptible, memory_of, options
from memapp.cli.progress import bar
from memapp.errors import UsageError
from memapp.types import FactsReport, Failure, ImportReport


def extract(
    context: typer.Context,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Read so many passages.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, metavar="M", help="Read for so long.")] = None,
    source: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take facts from HippoRAG's openie_results.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Print how far each extractor has come.")] = False,
    drop: Annotated[str | None, typer.Option("--drop", metavar="ORIGIN", help="Drop what one extractor found.")] = None,
    as_json: Json = False,
) -> None:
    """Have the chat model read passages for facts, which the graph layer follows; takes seconds a passage."""
    budget = limit is not None or minutes is not None
    if sum((budget, source is not None, status, drop is not None)) > 1:
        raise UsageError("Too much is asked at once.", "Give --import, --status or --drop alone.")
    given = options(context)
    if source is not None:
        _import(context, given, source, as_json)
    elif status:
        _status(context, given, as_json)
    elif drop is not None:
        _drop(context, given, drop, as_json)
    else:
        _read(context, given, limit, None if minutes is None else minutes * 60, as_json)


def _read(context: typer.Context, given: Options, limit: int | None, seconds: float | None, as_json: bool) -> None:
    with memory_of(context) as memory, interruptible() as cancel, bar(given) as progress:
        report = memory.extract_facts(limit=limit, seconds=seconds, progress=progress, cancel=cancel)
    if as_json:
        output.out_json(report)
    _list(report.failed)
    given.note(_summary(report))
    if report.interrupted:
        given.note("Interrupted; what was read stays. The same command goes on where this one ended.")
        raise typer.Exit(INTERRUPTED)
    if report.failed:
        raise typer.Exit(1)


def _import(context: typer.Context, given: Options, source: Path, as_json: bool) -> None:
    with memory_of(context) as memory, bar(given) as progress:
        report = memory.import_facts(source, progress=progress)
    if as_json:
        output.out_json(report)
    _list(report.failed)
    given.note(_taken(report))
    if report.failed:
        raise typer.Exit(1)


def _status(context: typer.Context, given: Options, as_json: bool) -> None:
    with memory_of(context) as memory:
        origins = memory.origins()
    if as_json:
        output.out_json({"origins": origins})
        return
    output.columns(
        (one.origin, f"{one.passages:,} of {one.passages + one.unread:,} passages, {one.failed:,} failed")
        for one in origins
    )
    if not origins:
        given.note("Nothing was looked at yet.")


def _drop(context: typer.Context, given: Options, origin: str, as_json: bool) -> None:
    with memory_of(context) as memory:
        dropped = memory.drop_facts(origin)
    if as_json:
        output.out_json({"origin": origin, "passages": dropped})
    given.note(f"Dropped what {output.one_line(origin)} found in {output.plural(dropped, 'passage')}.")


def _list(failed: Iterable[Failure]) -> None:
    for failure in failed:
        output.err(f"failed     {output.one_line(failure.source)}: {output.one_line(failure.reason)}")


def _summary(report: FactsReport) -> str:
    if not (report.read or report.failed or report.remaining):
        return "Nothing to do: every passage was read."
    read = f"{output.plural(report.read, 'passage')} read, {output.plural(report.facts, 'fact')}"
    cost = f"{report.seconds:.1f} s, {output.plural(report.tokens, 'token')}"
    failed = f", {len(report.failed):,} failed" if report.failed else ""
    return f"{read}{failed}{_dropped(report.dropped)}; {report.remaining:,} left ({cost})."


def _taken(report: ImportReport) -> str:
    what = f"{output.plural(report.facts, 'fact')} for {output.plural(report.stored + report.unchanged, 'passage')}"
    known = f" ({report.unchanged:,} unchanged)" if report.unchanged else ""
    failed = f", {len(report.failed):,} failed" if report.failed else ""
    return f"{what}{known}{failed}{_dropped(report.dropped)}."


def _dropped(reasons: Mapping[str, int]) -> str:
    listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
    return f"; left out: {listed}" if listed else ""
