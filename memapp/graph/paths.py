"""The ways from one phrase to another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Any

import numpy as np

from memapp.graph.lexicon import Lexicon
from memapp.graph.snapshot import Nodes, Snapshot
from memapp.graph.values import Path
from memapp.store.log import Store

FURTHEST = 10
"""Steps beyond which two phrases have nothing to do with one another."""
_LONGER = 2
"""Steps that a way may be longer than the shortest one, so as not to lead through a hub."""
_MOST = 2_000
"""Nodes among which ways are sought."""
_TRIED = 20
"""Ways that are looked at for each one that is shown; most are another one with a detour."""
_WITNESSES = 5
"""Passages that are read to learn how two phrases are related."""


def paths(store: Store, snapshot: Snapshot, one: int, other: int, count: int) -> tuple[Path, ...]:
    """The `count` cheapest ways between two phrases; none where none is within reach.

    A step costs 1, a little more over a weak edge, and up to as much again into a phrase that many passages hold.
    """
    import networkx as nx

    graph = _between(snapshot, one, other)
    if graph is None:
        return ()
    tried = islice(nx.shortest_simple_paths(graph, one, other, weight="cost"), _TRIED * count)
    found = list(islice((way for way in tried if _straight(graph, way)), count))
    lexicon = Lexicon(store, snapshot)
    lexicon.read(node for way in found for pair in pairwise(way) for node in _witnesses(snapshot, *pair))
    lexicon.learn(node for way in found for node in way)
    return tuple(
        Path(
            tuple(map(lexicon.node, way)),
            tuple(next(lexicon.edges(*pair)) for pair in pairwise(way)),
            round(sum(graph.edges[pair]["cost"] for pair in pairwise(way)), 3),
        )
        for way in found
        if all(map(lexicon.known, way))
    )


def _straight(graph: Any, way: Sequence[int]) -> bool:
    """Whether a way takes no two steps where one would do."""
    return not any(graph.has_edge(one, other) for at, one in enumerate(way) for other in way[at + 2 :])


def _between(snapshot: Snapshot, one: int, other: int) -> Any:
    """The part of the graph through which short ways lead; None where there is no way."""
    import networkx as nx

    forth = _distances(snapshot, one, FURTHEST)
    if forth[other] < 0:
        return None
    reach = int(forth[other]) + _LONGER
    back = _distances(snapshot, other, reach)
    length = np.where((forth < 0) | (back < 0), FURTHEST * 2, forth + back)
    nodes = np.flatnonzero(length <= reach)
    if len(nodes) > _MOST:
        order = np.lexsort((snapshot.degrees()[nodes], length[nodes]))
        nodes = np.union1d(nodes[order[:_MOST]], _any_way(snapshot, one, other, back))
    inside = set(nodes.tolist())
    graph = nx.Graph()
    graph.add_nodes_from((one, other))
    for node in nodes.tolist():
        found, weights = snapshot.around(node)
        for end, weight in zip(found.tolist(), weights.tolist(), strict=True):
            if node < end and end in inside:
                graph.add_edge(
                    node,
                    end,
                    cost=1
                    + 0.1 / weight
                    + _crowd(snapshot, node, one, other) / 2
                    + _crowd(snapshot, end, one, other) / 2,
                )
    return graph


def _crowd(snapshot: Snapshot, node: int, *ends: int) -> float:
    """What it costs to go through a phrase: nothing for a rare one, 2 for one of a thousand passages."""
    return 0.0 if node in ends else math.log2(max(1, int(snapshot.mentions[node]))) / 5


def _distances(snapshot: Snapshot, start: int, most: int) -> Nodes:
    """By node: steps from `start`, breadth first; -1 beyond `most`."""
    distance = np.full(len(snapshot.keys), -1, np.int64)
    frontier = np.array([start])
    for step in range(most + 1):
        distance[frontier] = step
        near = snapshot.all_around(frontier)
        frontier = np.unique(near[distance[near] < 0])
        if len(frontier) == 0:
            break
    return distance


def _any_way(snapshot: Snapshot, one: int, other: int, back: Nodes) -> Nodes:
    """One shortest way, through the least crowded nodes at each step."""
    way = [one]
    while way[-1] != other:
        near, _ = snapshot.around(way[-1])
        nearer = near[back[near] == back[way[-1]] - 1]
        way.append(int(nearer[np.argmin(snapshot.degrees()[nearer])]))
    return np.array(way)


def _witnesses(snapshot: Snapshot, one: int, other: int) -> list[int]:
    """Passages that hold both phrases."""
    both = np.intersect1d(snapshot.around(one)[0], snapshot.around(other)[0])
    return [int(node) for node in both[snapshot.keys[both] > 0][:_WITNESSES]]
