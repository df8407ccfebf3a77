"""The commands about the graph: graph show, communities, stats, export."""

from __future__ import annotations

import shutil
from pathlib import Path as File
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from memapp.cli import output
from memapp.cli.options import Json, memory_of, options

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from memapp.graph import Edge, Node, Path, View

_SIGNS = {"context": "", "synonym": "≈ ", "neighbour": "next to "}


def show(
    context: typer.Context,
    phrase: Annotated[str, typer.Argument(metavar="PHRASE", help="A name, a title, a date: as a document has it.")],
    to: Annotated[str | None, typer.Option("--to", metavar="OTHER", help="Show the ways from PHRASE to this.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, max=100, metavar="N", help="At most so many (12; ways: 3).")
    ] = None,
    picture: Annotated[File | None, typer.Option("--picture", metavar="FILE.svg", help="Draw it, too.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a phrase is joined to, or the ways between two phrases."""
    with memory_of(context) as memory:
        graph = memory.graph()
        view = graph.around(phrase, limit or 12) if to is None else None
        ways = graph.paths(phrase, to, limit or 3) if to is not None else ()
        if picture is not None and (view or ways):
            graph.draw(picture, view or ways)
    if as_json:
        output.out_json(view if view else {"from": phrase, "to": to, "paths": ways})
    elif view:
        _print_tree(_around(view))
    for way in () if as_json else ways:
        _print_tree(_along(way))
    if to is not None and not ways:
        options(context).note(f"No way leads from “{output.one_line(phrase)}” to “{output.one_line(to)}”.")
    elif picture is not None:
        options(context).note(f"Drawn in {output.one_line(str(picture))}.")


def communities(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """Show which phrases occur together."""
    with memory_of(context) as memory:
        found = memory.graph().communities(limit)
    if as_json:
        output.out_json(found)
        return
    for number, each in enumerate(found.communities, 1):
        names = ", ".join(output.one_line(node.label) for node in each.phrases)
        more = f" and {each.size - len(each.phrases):,} more" if each.size > len(each.phrases) else ""
        head = f"{number:>3}  {output.plural(each.size, 'phrase')}, {output.plural(each.passages, 'passage')}"
        output.out(head)
        output.out(output.paragraph(f"{names}{more}", indent=5))
    if not found.communities:
        options(context).note("No phrases are joined.")
        return
    of = f"; phrases of {found.least} passages and more" if found.least > 1 else ""
    options(context).note(f"modularity {found.modularity:.2f}{of}")


def stats(context: typer.Context, as_json: Json = False) -> None:
    """Show how large the graph is, and its hubs."""
    with memory_of(context) as memory:
        held = memory.graph().statistics()
    if as_json:
        output.out_json(held)
        return
    edges = ", ".join(f"{count:,} {kind}" for kind, count in held.edges.items())
    output.columns(
        [
            ("phrases", f"{held.phrases:,}"),
            ("passages", f"{held.passages:,}"),
            ("edges", f"{sum(held.edges.values()):,} ({edges})"),
            ("components", f"{held.components:,}, the largest of {output.plural(held.largest_component, 'node')}"),
            ("mean degree", f"{held.mean_degree:,}"),
            ("memory", output.size(held.bytes)),
        ]
    )
    if held.degrees:
        output.out("\nedges of a node   nodes")
        most = max(held.degrees.values())
        for name, count in held.degrees.items():
            output.out(f"{name:>15}  {count:>6,}  {'▪' * max(1, round(40 * count / most))}")
    if held.hubs:
        output.out("\npassages  phrase")
        for node in held.hubs:
            output.out(f"{node.passages:>8,}  {output.one_line(node.label)[:68]}")


def export(
    context: typer.Context,
    path: Annotated[File, typer.Argument(metavar="FILE", help="The file to write.")],
    format_: Annotated[
        Literal["graphml", "json"] | None,
        typer.Option("--format", help="GraphML or networkx's node-link JSON (default: by the file's name)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the whole graph for another program."""
    chosen = format_ or ("json" if path.suffix.lower() == ".json" else "graphml")
    with memory_of(context) as memory:
        nodes, edges = memory.graph().write(path, chosen)
    if as_json:
        output.out_json({"nodes": nodes, "edges": edges, "format": chosen, "path": str(path)})
    written = f"{output.plural(nodes, 'node')}, {output.plural(edges, 'edge')}"
    options(context).note(f"{written} written to {output.one_line(str(path))}.")


def _around(view: View) -> Tree:
    """A phrase, below it what it is joined to, below each passage further phrases that it holds."""
    from rich.tree import Tree

    nodes = {node.id: node for node in view.nodes}
    root = Tree(_named(view.centre), guide_style="dim")
    branches: dict[str, Tree] = {}
    for edge in view.edges:
        ends = {edge.one, edge.other}
        if view.centre.id in ends:
            (other,) = ends - {view.centre.id}
            branches[other] = root.add(_told(edge, view.centre.id, nodes[other]))
        elif edge.kind == "context":
            phrase, passage = sorted(ends, key=lambda end: nodes[end].passage or 0)
            if phrase not in branches:
                branches[passage].add(_named(nodes[phrase], quiet=True))
    if view.left_out:
        root.add(_text(("", f"and {output.plural(view.left_out, 'passage')} more"), style="dim"))
    return root


def _along(way: Path) -> Tree:
    """A way, each step below the one before."""
    from rich.tree import Tree

    root = branch = Tree(_named(way.nodes[0]), guide_style="dim")
    for before, node, edge in zip(way.nodes, way.nodes[1:], way.edges, strict=False):
        branch = branch.add(_told(edge, before.id, node))
    return root


def _told(edge: Edge, seen_from: str, node: Node) -> Text:
    """The other end of an edge, behind what joins it."""
    if edge.kind != "relation":
        return _text((_style(node), _SIGNS[edge.kind] + _name(node)), ("dim", _facts(node)))
    predicate = f"{output.one_line(edge.predicates[0])} " if edge.predicates else ""
    told = f"{predicate}{'→' if edge.one == seen_from else '←'} "
    return _text(("yellow", told), (_style(node), _name(node)), ("dim", _facts(node)))


def _named(node: Node, quiet: bool = False) -> Text:
    return _text(("" if quiet else _style(node), _name(node)), ("dim", _facts(node)))


def _name(node: Node) -> str:
    return output.one_line(node.label)


def _style(node: Node) -> str:
    return "bold cyan" if node.kind == "phrase" else "bold"


def _facts(node: Node) -> str:
    if node.kind == "phrase":
        return f"  {output.plural(node.passages, 'passage')}" if node.passages else "  another name"
    document = output.one_line(node.document)
    return f"  passage {node.passage} of {document}"


def _text(*parts: tuple[str, str], style: str = "") -> Text:
    """Text of (style, words); on one line, cut with an ellipsis where the terminal ends."""
    from rich.text import Text

    made = Text(style=style, no_wrap=True, overflow="ellipsis")
    for each, words in parts:
        made.append(words, each or None)
    return made


def _print_tree(tree: Tree) -> None:
    import io

    from rich.console import Console

    width = min(shutil.get_terminal_size((100, 24)).columns, 140)
    lines = io.StringIO()
    console = Console(
        file=lines,
        width=width,
        force_terminal=output.colourful(),
        color_system="standard" if output.colourful() else None,
        legacy_windows=False,
    )
    console.print(tree, highlight=False, markup=False)
    output.out("\n".join(line.rstrip() for line in lines.getvalue().splitlines()))
