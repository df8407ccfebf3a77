"""A part of the graph as an SVG picture: names in boxes, nothing over anything else, readable without a program."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from memapp.errors import UsageError
from memapp.graph.export import clean
from memapp.graph.values import Edge, Node

MOST = 120
"""Nodes in one picture; networkx lays out fewer than 500 without further packages."""
_SIZE = 13
_GAP = 28.0
_LONGEST = 34
_COLOURS = {
    "context": "#b9c0c8",
    "relation": "#b4552d",
    "synonym": "#5b7f3b",
    "neighbour": "#8a6fb0",
}
_DASHES = {"synonym": "5 4", "neighbour": "2 4"}


@dataclass(slots=True)
class _Box:
    node: Node
    text: str
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


def svg(nodes: Sequence[Node], edges: Sequence[Edge], marked: Sequence[str], title: str) -> Iterator[bytes]:
    """The picture, `marked` nodes stressed; the same every time. Raises UsageError beyond `MOST` nodes."""
    if len(nodes) > MOST:
        raise UsageError(f"{len(nodes)} nodes are too many for a picture.", "Use a smaller --limit.")
    boxes = {node.id: _box(node) for node in nodes}
    _lay_out(boxes, edges)
    _part(list(boxes.values()))
    left = min(box.x - box.width / 2 for box in boxes.values()) - 24
    top = min(box.y - box.height / 2 for box in boxes.values()) - 24
    width = max(max(box.x + box.width / 2 for box in boxes.values()) - left + 24, 460)
    height = max(box.y + box.height / 2 for box in boxes.values()) - top + 60
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="Noto Sans, DejaVu Sans, Arial, sans-serif" '
        f'font-size="{_SIZE}">',
        f"<title>{escape(clean(title))}</title>",
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" fill="#fcfcfa"/>',
        *(_line(edge, boxes) for edge in edges),
        *(_drawn(box, box.node.id in marked) for box in boxes.values()),
        *_predicates(edges, boxes),
        *_legend(left + 24, top + height - 18),
        "</svg>",
    ]
    yield from (f"{line}\n".encode() for line in lines)


def _box(node: Node) -> _Box:
    text = shortened(clean(node.label), _LONGEST)
    return _Box(node, text, _columns(text) * _SIZE * 0.6 + 22, 28.0)


def _lay_out(boxes: dict[str, _Box], edges: Sequence[Edge]) -> None:
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(boxes)
    graph.add_edges_from((edge.one, edge.other) for edge in edges)
    side = 150 * math.sqrt(len(boxes)) + 60
    start = nx.circular_layout(graph)
    for name, (x, y) in nx.spring_layout(graph, pos=start, seed=0, iterations=200, k=3 / math.sqrt(len(boxes))).items():
        boxes[name].x, boxes[name].y = float(x) * side * 0.8, float(y) * side * 0.5


def _part(boxes: Sequence[_Box]) -> None:
    """Pushes boxes that overlap apart, each pair the shorter way, until none does."""
    for _ in range(400):
        moved = False
        for at, one in enumerate(boxes):
            for other in boxes[at + 1 :]:
                across = (one.width + other.width) / 2 + _GAP - abs(one.x - other.x)
                down = (one.height + other.height) / 2 + _GAP - abs(one.y - other.y)
                if across <= 0.01 or down <= 0.01:
                    continue
                moved = True
                if down <= across:
                    shift = math.copysign(down / 2, one.y - other.y or -1.0)
                    one.y, other.y = one.y + shift, other.y - shift
                else:
                    shift = math.copysign(across / 2, one.x - other.x or -1.0)
                    one.x, other.x = one.x + shift, other.x - shift
        if not moved:
            return


def _line(edge: Edge, boxes: dict[str, _Box]) -> str:
    one, other = boxes[edge.one], boxes[edge.other]
    width = 1.2 if edge.kind == "context" else min(1.5 + math.log2(1 + edge.weight) / 3, 4)
    dash = f' stroke-dasharray="{_DASHES[edge.kind]}"' if edge.kind in _DASHES else ""
    return (
        f'<line x1="{one.x:.1f}" y1="{one.y:.1f}" x2="{other.x:.1f}" y2="{other.y:.1f}" '
        f'stroke="{_COLOURS[edge.kind]}" stroke-width="{width:.1f}"{dash}/>'
    )


def _drawn(box: _Box, marked: bool) -> str:
    phrase = box.node.kind == "phrase"
    fill = "#1f4e79" if marked else "#dfeaf5" if phrase else "#fff3d6"
    stroke = "#1f4e79" if phrase else "#b58b2a"
    x, y = box.x - box.width / 2, box.y - box.height / 2
    said = box.node.document if box.node.kind == "passage" else f"{box.node.passages} passages"
    return (
        f"<g><title>{escape(clean(f'{box.node.label} ({said})'))}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'rx="{14 if phrase else 3}" fill="{fill}" stroke="{stroke}"/>'
        f'<text x="{box.x:.1f}" y="{box.y + 4.5:.1f}" text-anchor="middle" fill="{"#fff" if marked else "#1b1b1b"}"'
        f"{' font-weight=' + quoteattr('bold') if marked else ''}>{escape(box.text)}</text></g>"
    )


def _predicates(edges: Sequence[Edge], boxes: dict[str, _Box]) -> Iterator[str]:
    """What relations say, where the middle of their line is free."""
    taken = [(box.x, box.y, box.width, box.height) for box in boxes.values()]
    for edge in edges:
        text = shortened(clean(edge.predicates[0]), 24) if edge.predicates else ""
        one, other = boxes[edge.one], boxes[edge.other]
        width = _columns(text) * 6.5
        for share in (0.5, 0.4, 0.6, 0.3, 0.7):
            x, y = one.x + (other.x - one.x) * share, one.y + (other.y - one.y) * share
            if text and not any(abs(x - a) < (width + w) / 2 and abs(y - b) < (14 + h) / 2 for a, b, w, h in taken):
                taken.append((x, y, width, 14.0))
                yield (
                    f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-size="11" fill="#8a3d1c" '
                    f'stroke="#fcfcfa" stroke-width="4" paint-order="stroke">{escape(text)}</text>'
                )
                break


def _legend(x: float, y: float) -> Iterator[str]:
    for kind, words in (("context", "holds"), ("relation", "fact"), ("synonym", "same thing"), ("neighbour", "next")):
        dash = f' stroke-dasharray="{_DASHES[kind]}"' if kind in _DASHES else ""
        ends = f'x1="{x:.0f}" y1="{y:.0f}" x2="{x + 26:.0f}" y2="{y:.0f}"'
        yield f'<line {ends} stroke="{_COLOURS[kind]}" stroke-width="2"{dash}/>'
        yield f'<text x="{x + 32:.0f}" y="{y + 4:.0f}" font-size="11" fill="#555">{words}</text>'
        x += 48 + len(words) * 7


def shortened(text: str, columns: int) -> str:
    """The text in at most so many columns of a terminal, with an ellipsis where it was cut."""
    if _columns(text) <= columns:
        return text
    used, kept = 1, ""
    for character in text:
        used += _columns(character)
        if used > columns:
            break
        kept += character
    return f"{kept.rstrip()}…"


def _columns(text: str) -> int:
    """Columns that the text takes: two for a wide character, none for a mark above another."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )
