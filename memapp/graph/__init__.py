"""The graph to be looked at: around a phrase, from one to another, as a whole, as a file, as a picture.

Questions are answered by memapp.layers.graph; nothing here is asked then, and nothing here changes the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as File
from typing import Any

from memapp.errors import UsageError
from memapp.graph import around, export, overview, paths, picture
from memapp.graph.snapshot import Snapshot
from memapp.graph.values import Communities, Edge, Node, Path, Statistics, View
from memapp.layers.graph.layer import GraphLayer
from memapp.store.log import Store

__all__ = ["Communities", "Edge", "Graph", "Node", "Path", "Statistics", "View"]


class Graph:
    """The graph of a namespace as it is when it is first looked at; see `Memory.graph`."""

    def __init__(self, layer: GraphLayer, store: Store, kept: frozenset[File] = frozenset()) -> None:
        """`kept` are the files that nothing may be written to."""
        self._store = store
        self._kept = kept
        self._snapshot = Snapshot(layer.copy())

    def networkx(self) -> Any:
        """The whole graph as a `networkx.Graph` with words, see `memapp.graph.export.graph`."""
        return export.graph(self._store)

    def write(self, path: str | File, format: str = "graphml") -> tuple[int, int]:
        """Writes the whole graph as "graphml" or as node-link "json"; returns how many nodes and edges.

        Raises UsageError for another format, and when the file cannot be written.
        """
        return export.write(self._store, self._free(path), format)

    def around(self, phrase: str, limit: int = 12) -> View:
        """A phrase with up to `limit` phrases and passages each that it is joined to.

        Raises UsageError for a phrase that is not in the graph, with the nearest that are.
        """
        return around.view(self._store, self._snapshot, phrase, limit)

    def paths(self, one: str, other: str, count: int = 3) -> tuple[Path, ...]:
        """The best ways from a phrase to another, the best first; none where none is within reach.

        Raises UsageError for a phrase that is not in the graph, with the nearest that are.
        """
        first, last = (around.find(self._store, self._snapshot, phrase) for phrase in (one, other))
        if first == last:
            raise UsageError(f"“{one}” and “{other}” are one phrase.", "Name two.")
        return paths.paths(self._store, self._snapshot, first, last, count)

    def communities(self, count: int = 20, phrases: int = 8) -> Communities:
        """The `count` largest groups of phrases that occur together, each with its `phrases` most telling ones."""
        return overview.communities(self._store, self._snapshot, count, phrases)

    def statistics(self, hubs: int = 10) -> Statistics:
        """Nodes, edges, degrees, components, and the `hubs` most frequent phrases."""
        return overview.statistics(self._store, self._snapshot, hubs)

    def draw(self, path: str | File, shown: View | Sequence[Path]) -> None:
        """Writes an SVG picture of what `around` or `paths` gave.

        Raises UsageError for another kind of file, for too many nodes, and when the file cannot be written.
        """
        file = self._free(path)
        if file.suffix.lower() != ".svg":
            raise UsageError(f"A picture cannot be written to {file.name}.", "Pictures are SVG: name a file *.svg.")
        parts = [shown] if isinstance(shown, View) else list(shown)
        if not parts:
            raise UsageError("There is nothing to draw.", "Name phrases that are joined.")
        nodes = list({node.id: node for part in parts for node in part.nodes}.values())
        edges = list(dict.fromkeys(edge for part in parts for edge in part.edges))
        ends = [shown.centre] if isinstance(shown, View) else [shown[0].nodes[0], shown[0].nodes[-1]]
        title = " – ".join(end.label for end in ends)
        export.replaced(file, picture.svg(nodes, edges, [end.id for end in ends], title))

    def _free(self, path: str | File) -> File:
        if File(path).resolve() in self._kept:
            raise UsageError(f"{path} belongs to the store.", "Name another file.")
        return File(path)
