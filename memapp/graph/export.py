"""The whole graph for other programs: a networkx graph, and files of GraphML and node-link JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from memapp.errors import UsageError
from memapp.graph.assembly import Assembly
from memapp.store import content, extractions
from memapp.store.log import Store

FORMATS = ("graphml", "json")
_EVERY = [(1, 1 << 62)]
_BATCH = 1_000
_FORBIDDEN = re.compile(
    "[^\t\n\r\u0020-\u007e\u00a0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
"""What XML 1.0 cannot hold, what a terminal would obey, and what turns the direction of writing."""


def graph(store: Store) -> Any:
    """The graph as a `networkx.Graph`, made from the store.

    Nodes are named as `Node.id` says, and have `kind` and `label`; a phrase has `passages`, a passage has `passage`,
    `document` and `title`. Edges have `kind` and `weight`, and relations `predicates`, with "; " between them, and
    the `subject` of the first of them. All values are text or whole numbers.
    """
    import networkx as nx

    assembly = Assembly()
    assembly.take(extractions.spoken(store, extractions.whole(store, _EVERY)))
    made = nx.Graph()
    for key, attributes in _nodes(store, assembly):
        made.add_node(assembly.id(key), **attributes)
    for pair, weight in assembly.weights.items():
        edges = list(assembly.edges(pair, weight))
        attributes = {"kind": edges[0].kind, "weight": weight}
        predicates = [clean(predicate) for edge in edges for predicate in edge.predicates]
        if predicates:
            attributes |= {"predicates": "; ".join(dict.fromkeys(predicates)), "subject": edges[0].one}
        if edges[0].one in made and edges[0].other in made:
            made.add_edge(edges[0].one, edges[0].other, **attributes)
    return made


def _nodes(store: Store, assembly: Assembly) -> Iterator[tuple[int, dict[str, Any]]]:
    joined = dict.fromkeys(key for pair in assembly.weights for key in pair if key < 0)
    for key in joined:
        label = clean(assembly.label(key)) or assembly.forms[key]
        yield key, {"kind": "phrase", "label": label, "passages": assembly.mentions[key]}
    keys = iter(assembly.passages)
    while batch := list(islice(keys, _BATCH)):
        # What was forgotten since the passages were read is left out.
        for id, passage in content.passages_by_id(store, batch).items():
            title = clean(passage.title)
            label = clean(assembly.passages[id])
            yield (
                id,
                {"kind": "passage", "label": label, "passage": id, "document": clean(passage.document), "title": title},
            )


def write(store: Store, path: Path, format: str) -> tuple[int, int]:
    """Writes the graph as GraphML or node-link JSON; returns how many nodes and edges.

    The file appears whole or not at all. Raises UsageError for another format, and when it cannot be written.
    """
    if format not in FORMATS:
        raise UsageError(f"A graph cannot be written as {format}.", f"Formats: {', '.join(FORMATS)}.")
    made = graph(store)
    replaced(path, _graphml(made) if format == "graphml" else _json(made))
    return made.number_of_nodes(), made.number_of_edges()


def replaced(path: Path, parts: Iterator[bytes]) -> None:
    """Writes a file under another name and renames it. Raises UsageError when it cannot be written."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.touch(mode=0o600)
        with part.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", "Name another file.") from error
    finally:
        part.unlink(missing_ok=True)


def _graphml(made: Any) -> Iterator[bytes]:
    import networkx as nx

    for line in nx.generate_graphml(made, named_key_ids=True):
        yield f"{line}\n".encode()


def _json(made: Any) -> Iterator[bytes]:
    import networkx as nx

    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(nx.node_link_data(made, edges="edges")):
        yield piece.encode()


def clean(text: str) -> str:
    """The text on one line, without control characters and what else XML cannot hold."""
    return " ".join(_FORBIDDEN.sub("", text).split())
