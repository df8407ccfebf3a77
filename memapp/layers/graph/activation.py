"""How a question lights up the graph: Personalized PageRank from what it names and from what is near, and bridges.

HippoRAG 2 (Gutiérrez et al., From RAG to Memory, 2025) restarts its walks at the phrases of the facts that fit a
question and, with a small weight, at all passages. Without a model the phrases are those that the question names, and
the passages those that other layers recalled. A walk is linear in its start, so two walks give every mixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.layers.graph import bridge, pagerank
from memapp.layers.graph.bridge import Bridges
from memapp.layers.graph.contribution import word_hashes
from memapp.layers.graph.seeds import Seeds, seeds, with_facts
from memapp.layers.graph.state import GraphState
from memapp.types import FittingFact, Link, Score

NEAR = 30
"""Passages that other layers recalled from which walks start."""
WALKED, FROM_QUESTION, BRIDGED, LINKED = 40, 25, 40, 25
"""How many passages are proposed: the best of both walks, of the question's alone, of near and bridge, of bridges."""
_ORDERS = ("walked", "asked", "bridged", "linked")
"""What a passage's own score is made of: its reciprocal ranks in these orders (Cormack, Clarke and Büttcher, 2009)."""
_RANK = 5.0
_FLOOR = 1e-7

Nodes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Passages by node, ascending, with a value each; what is not listed has 0."""

    nodes: Nodes
    values: Floats

    def of(self, nodes: Nodes) -> Floats:
        """The values of these nodes."""
        if len(self.nodes) == 0:
            return np.zeros(len(nodes))
        at = np.minimum(np.searchsorted(self.nodes, nodes), len(self.nodes) - 1)
        return np.where(self.nodes[at] == nodes, self.values[at], 0.0)

    def reciprocal_ranks(self, nodes: Nodes, keys: NDArray[np.int64]) -> Floats:
        """1 / (5 + rank) of these nodes; 0 for what is not listed. Equal values stand by key."""
        order = np.lexsort((keys, -self.values))
        ranks = np.empty(len(order))
        ranks[order] = np.arange(1, len(order) + 1)
        return _Ranking(self.nodes, 1 / (_RANK + ranks)).of(nodes)

    def best(self, count: int, keys: NDArray[np.int64]) -> Nodes:
        """The nodes of the highest values above 0."""
        order = np.lexsort((keys, -self.values))[:count]
        return self.nodes[order[self.values[order] > 0]]

    @property
    def top(self) -> float:
        """The highest value."""
        return float(self.values.max()) if len(self.values) else 0.0


def activate(state: GraphState, question: str, near: Sequence[Score], facts: Sequence[FittingFact] = ()) -> list[Score]:
    """All passages that the graph proposes, best first, each with what the graph knows of it and the way to it."""
    named = seeds(question, state)
    close = _near(state, near)
    starting = with_facts(named, facts, state) if facts else named
    asked = _walk(state, starting.nodes, starting.weights)
    around = close.best(NEAR, state.numbers.keys(close.nodes))
    margin = close.of(around)
    both = _sum(asked, _walk(state, around, margin - margin.min(initial=1.0) + 0.02))
    starts = close.best(bridge.SOURCES, state.numbers.keys(close.nodes))
    words = bridge.wanted(word_hashes(question), state)
    shares = close.of(starts) / max(close.top, _FLOOR)
    links = bridge.bridges(state, words, named.nodes, starts, shares)
    return _scores(state, named, (asked, both, close), links)


def _near(state: GraphState, near: Sequence[Score]) -> _Ranking:
    nodes = state.numbers.find(score.passage for score in near)
    values = np.fromiter((max(score.value, 0.0) for score in near), np.float64)
    known = nodes >= 0
    order = np.argsort(nodes[known])
    return _Ranking(nodes[known][order], values[known][order])


def _walk(state: GraphState, starts: Nodes, weights: Floats) -> _Ranking:
    nodes, values = pagerank.pagerank(state.adjacency, starts, weights)
    passages = state.is_passage(nodes)
    nodes, values = nodes[passages], values[passages]
    order = np.argsort(nodes)
    return _Ranking(nodes[order], values[order])


def _sum(one: _Ranking, other: _Ranking, share: float = 1.0) -> _Ranking:
    nodes = np.union1d(one.nodes, other.nodes)
    return _Ranking(nodes, one.of(nodes) + share * other.of(nodes))


def _scores(
    state: GraphState, named: Seeds, rankings: tuple[_Ranking, _Ranking, _Ranking], links: Bridges
) -> list[Score]:
    asked, both, close = rankings
    linked = _Ranking(links.targets, links.value)
    scaled = _Ranking(close.nodes, close.values / max(close.top, _FLOOR))
    bridged = _sum(scaled, linked, 0.5)
    keys = state.numbers.keys
    proposed = np.unique(
        np.concatenate(
            [
                both.best(WALKED, keys(both.nodes)),
                asked.best(FROM_QUESTION, keys(asked.nodes)),
                bridged.best(BRIDGED, keys(bridged.nodes)),
                linked.best(LINKED, keys(linked.nodes)),
            ]
        )
    )
    signals = _signals(state, named, proposed, {"asked": asked, "walked": both, "bridged": bridged, "linked": linked})
    signals.update(_link_signals(proposed, links))
    # Each order finds what the others miss, and a value of one says nothing beside a value of another.
    value = sum((signals[f"{name}_rank"] for name in _ORDERS), np.zeros(len(proposed)))
    ids = keys(proposed)
    order = np.lexsort((ids, -np.round(value, 6)))
    ways = _ways(state, named, proposed, links)
    return [
        Score(
            int(ids[i]),
            round(float(value[i]), 6),
            signals={name: round(float(values[i]), 6) for name, values in signals.items()},
            links=ways[i],
        )
        for i in order
    ]


def _signals(state: GraphState, named: Seeds, proposed: Nodes, rankings: Mapping[str, _Ranking]) -> dict[str, Floats]:
    """What the rankings and the question's phrases say of each passage, shape (passages,) each."""
    signals: dict[str, Floats] = {}
    for name, ranking in rankings.items():
        signals[f"{name}_rank"] = ranking.reciprocal_ranks(proposed, state.numbers.keys(ranking.nodes))
    for name in ("asked", "walked"):
        ranking = rankings[name]
        share: Floats = np.maximum(ranking.of(proposed), _FLOOR) / max(ranking.top, _FLOOR)
        signals[name] = np.asarray(np.log(share), np.float64)
    which, columns, _ = state.adjacency.neighbours(proposed)
    order = np.argsort(named.nodes)
    rarity = _Ranking(named.nodes[order], 1 / np.log(2 + state.mentions(named.nodes[order])))
    signals["holds_named"] = _per(which, rarity.of(columns.astype(np.int64)), proposed)
    signals["about_named"] = np.asarray(np.isin(state.titles(proposed), named.nodes).any(1), np.float64)
    mentioned = (state.mentions(columns.astype(np.int64)) > 0).astype(np.float64)
    signals["phrases"] = np.asarray(np.log1p(_per(which, mentioned, proposed)), np.float64)
    signals["named"] = np.full(len(proposed), float(len(named.nodes)))
    return signals


def _per(which: NDArray[np.int64], values: Floats, proposed: Nodes) -> Floats:
    """The sum of each passage's values."""
    return np.asarray(np.bincount(which, values, len(proposed)), np.float64)


def _link_signals(proposed: Nodes, links: Bridges) -> dict[str, Floats]:
    """The best link to each passage; zeros where there is none."""
    columns = {
        "link": links.value,
        "link_source": links.source_score,
        "link_kind": links.kind,
        "link_rarity": links.rarity,
        "link_covered": links.covered,
        "link_named": links.named.astype(np.float64),
        "link_total": np.log1p(links.total),
        "links": np.log1p(links.links),
    }
    return {name: _Ranking(links.targets, values).of(proposed) for name, values in columns.items()}


def _ways(state: GraphState, named: Seeds, proposed: Nodes, links: Bridges) -> list[tuple[Link, ...]]:
    """For each passage, the phrases of the question that it holds, and the best link to it."""
    which, columns, _ = state.adjacency.neighbours(proposed)
    hit = np.isin(columns, named.nodes)
    ways: list[list[Link]] = [[] for _ in proposed]
    for i, key in zip(which[hit], state.numbers.keys(columns[hit]), strict=True):
        ways[int(i)].append(Link(int(key)))
    at = np.searchsorted(links.targets, proposed)
    for i, place in enumerate(at):
        if place < len(links.targets) and links.targets[place] == proposed[i]:
            source, phrase = state.numbers.keys([links.sources[place], links.phrases[place]])
            ways[i].append(Link(int(phrase), int(source)))
    return [tuple(way) for way in ways]
