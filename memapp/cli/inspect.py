"""The commands that show what is remembered and change nothing: list, show, log, stats."""

from __future__ import annotations

from typing import Annotated

import typer

from memapp.cli import output
from memapp.cli.options import Json, memory_of, options
from memapp.types import Document, Passage

Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.")]


def list_(
    context: typer.Context,
    source: Annotated[str | None, typer.Option("--source", metavar="PATH", help="Only what came from here.")] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List the remembered documents."""
    with memory_of(context) as memory:
        documents = memory.documents(source=source, limit=limit)
    if as_json:
        output.out_json({"documents": documents})
        return
    if not documents:
        options(context).note("No documents." if source else "Memory is empty. Feed it with: memapp ingest PATH")
    output.columns(
        (info.id, info.added[:19].replace("T", " "), f"{info.passages:>4}", info.title or info.id, info.source)
        for info in documents
    )


def show(
    context: typer.Context,
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", help="An id, as `list` shows.")],
    passages: Annotated[bool, typer.Option("--passages", help="A line for each passage.")] = False,
    text: Annotated[bool, typer.Option("--text", help="The text alone, without the passages' boundaries.")] = False,
    as_json: Json = False,
) -> None:
    """Show a document's text and where its passages begin and end."""
    with memory_of(context) as memory:
        found = memory.document(document)
        parts = sorted(memory.passages(document), key=lambda passage: passage.start)
    if as_json:
        output.out_json(_document_record(found, parts, with_text=passages))
    elif passages:
        output.columns((f"{part.id:>6}", _bounds(part), output.one_line(part.text)[:80]) for part in parts)
    elif text:
        output.out(output.plain(found.text))
    else:
        _print_document(found, parts)


def log(context: typer.Context, limit: Limit = None, as_json: Json = False) -> None:
    """Show what was remembered and forgotten, newest first."""
    with memory_of(context) as memory:
        entries = memory.log(limit)
    if as_json:
        output.out_json({"changes": entries})
        return
    if not entries:
        options(context).note("The log is empty.")
    output.columns(
        (
            f"{entry.position:>6}",
            entry.at[:19].replace("T", " "),
            entry.kind,
            f"{entry.passages:>5}",
            _named(entry.document),
        )
        for entry in entries
    )


def stats(context: typer.Context, as_json: Json = False) -> None:
    """Show how much is remembered, and the state of each layer."""
    with memory_of(context) as memory:
        held = memory.stats()
    if as_json:
        output.out_json(held)
        return
    output.columns(
        [
            ("namespace", held.namespace),
            ("documents", f"{held.documents:,}"),
            ("passages", f"{held.passages:,}"),
            ("characters", f"{held.characters:,}"),
            ("changes", f"{held.changes:,}"),
            ("size", output.size(held.bytes)),
            ("embedder", held.embedder or "none yet"),
        ]
    )
    for layer in held.layers:
        kind = f", {layer.kind}" if layer.kind else ""
        held_by = f"{output.plural(layer.passages, 'passage')}, {output.size(layer.bytes)}"
        output.out(f"layer {layer.name}: {held_by}, up to change {layer.cursor:,}{kind}")


def _named(document: str) -> str:
    return document or "(forgotten)"


def _bounds(passage: Passage) -> str:
    parts = [f"{passage.start}-{passage.end}"]
    if passage.page is not None:
        parts.append(f"p. {passage.page}")
    if passage.heading:
        parts.append(output.one_line(passage.heading))
    return ", ".join(parts)


def _print_document(document: Document, passages: list[Passage]) -> None:
    output.out(output.one_line(document.title) or document.id)
    output.out("  ".join(part for part in (document.id, output.one_line(document.source), document.media_type) if part))
    for key, value in document.metadata.items():
        output.out(f"{output.one_line(str(key))}: {output.one_line(str(value))}")
    for passage in passages:
        output.out(f"\n--- passage {passage.id} ({_bounds(passage)})")
        output.out(output.plain(document.text[passage.start : passage.end]))


def _document_record(document: Document, passages: list[Passage], *, with_text: bool) -> dict[str, object]:
    names = ("id", "ordinal", "start", "end", "heading", "page", *(("text",) if with_text else ()))
    parts = [{name: getattr(passage, name) for name in names} for passage in passages]
    return {**output.record(document), "passages": parts}
