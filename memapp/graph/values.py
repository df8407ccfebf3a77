"""What is shown of the graph. All values are frozen; none does any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["context", "relation", "synonym", "neighbour"]
"""A passage holds a phrase; a fact joins two phrases; two phrases name one thing; two passages follow one another."""


@dataclass(frozen=True, slots=True)
class Node:
    """A phrase or a passage."""

    id: str
    """"phrase:" and the phrase's normal form, or "passage:" and the passage's number: unique, and the same tomorrow."""
    kind: Literal["phrase", "passage"]
    label: str
    """A phrase as it is written most often; a passage's title, or how it begins."""
    passages: int = 0
    """How many passages hold the phrase."""
    passage: int | None = None
    document: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """What joins two nodes; it has no direction, but a relation's predicates read from `one` to `other`."""

    one: str
    other: str
    kind: Kind
    weight: int
    predicates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A part of the graph around a phrase."""

    centre: Node
    nodes: tuple[Node, ...]
    """The centre, then what is next to it by weight, then what is behind that."""
    edges: tuple[Edge, ...]
    """All between these nodes, the centre's first."""
    left_out: int = 0
    """Passages of the centre that are not shown."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way from one phrase to another."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    """One fewer than nodes."""
    cost: float


@dataclass(frozen=True, slots=True)
class Community:
    """Phrases that occur together more than with others."""

    phrases: tuple[Node, ...]
    """The most telling ones: held by many passages of the community and by few others."""
    size: int
    """All its phrases."""
    passages: int


@dataclass(frozen=True, slots=True)
class Communities:
    """A division of the phrases, the largest community first."""

    communities: tuple[Community, ...]
    modularity: float
    """Near 0 the phrases do not fall into groups; above .3 they clearly do."""
    least: int
    """Only phrases of at least so many passages were looked at; more than 1 where the graph is large."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The graph in numbers."""

    phrases: int
    passages: int
    edges: dict[str, int]
    """By kind; an edge that is both a relation and a synonym counts as a relation."""
    degrees: dict[str, int]
    """How many nodes have so many edges; ranges double."""
    mean_degree: float
    components: int
    largest_component: int
    hubs: tuple[Node, ...]
    """The phrases with the most passages."""
    bytes: int
    """In memory."""
