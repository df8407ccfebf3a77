"""The graph as a whole: its communities and its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from memapp.graph.lexicon import Lexicon
from memapp.graph.snapshot import Nodes, Snapshot
from memapp.graph.values import Communities, Community, Statistics
from memapp.store.log import Store

MOST_EDGES = 150_000
"""Edges among which communities are sought; of a larger graph, only the phrases of several passages are taken."""
_SEED = 0


def communities(store: Store, snapshot: Snapshot, count: int, phrases: int) -> Communities:
    """The `count` largest groups of phrases that passages and facts join, by Louvain's method (Blondel et al., 2008).

    Phrases and passages are divided together, so a group has both. An edge of a phrase counts the less the more
    passages hold the phrase: what everything mentions joins nothing.
    """
    import networkx as nx

    least, graph = _bounded(snapshot)
    if graph.number_of_edges() == 0:
        return Communities((), 0.0, least)
    groups = nx.community.louvain_communities(graph, weight="weight", seed=_SEED)
    modularity = nx.community.modularity(graph, groups, weight="weight")
    divided = [_divided(snapshot, np.array(sorted(group))) for group in groups]
    divided.sort(key=lambda each: (-len(each[0]), -each[1], int(each[0][0]) if len(each[0]) else 0))
    chosen = [each for each in divided if len(each[0])][:count]
    lexicon = Lexicon(store, snapshot)
    lexicon.learn(int(node) for members, _ in chosen for node in members[:phrases])
    found = tuple(
        Community(
            tuple(lexicon.node(int(node)) for node in members[:phrases] if lexicon.known(int(node))),
            len(members),
            passages,
        )
        for members, passages in chosen
    )
    return Communities(found, round(float(modularity), 4), least)


def _bounded(snapshot: Snapshot) -> tuple[int, Any]:
    """The graph of the phrases of at least so many passages, and of the passages; as small a number as will do."""
    import networkx as nx

    one, other = snapshot.edges()
    crowd = np.maximum(snapshot.mentions[one], snapshot.mentions[other])
    mentions = snapshot.mentions.copy()
    mentions[snapshot.keys > 0] = np.iinfo(np.int32).max
    rarest = np.minimum(mentions[one], mentions[other])
    joins = (snapshot.keys[one] < 0) | (snapshot.keys[other] < 0)
    least = 0
    while np.count_nonzero(joins & (rarest >= least)) > MOST_EDGES:
        least += 1
    kept = np.flatnonzero(joins & (rarest >= least))
    weights = snapshot.edge_weights()[kept] / np.sqrt(np.maximum(crowd[kept], 1))
    graph = nx.Graph()
    graph.add_weighted_edges_from(zip(one[kept].tolist(), other[kept].tolist(), weights.tolist(), strict=True))
    return max(least, 1), graph


def _divided(snapshot: Snapshot, group: Nodes) -> tuple[Nodes, int]:
    """The phrases of a group, the most telling first, and the number of its passages.

    A phrase tells the more of a group, the more of the group's passages hold it and the fewer others do.
    """
    phrases = group[snapshot.keys[group] < 0]
    if len(phrases) == 0:
        return phrases, len(group)
    near = snapshot.all_around(phrases)
    owners = np.repeat(np.arange(len(phrases)), snapshot.degrees()[phrases])
    inside = np.bincount(owners[np.isin(near, group) & (snapshot.keys[near] > 0)], minlength=len(phrases))
    telling = inside * inside / np.maximum(snapshot.mentions[phrases], 1)
    return phrases[np.lexsort((snapshot.keys[phrases], -telling))], len(group) - len(phrases)


def statistics(store: Store, snapshot: Snapshot, hubs: int) -> Statistics:
    """The graph in numbers, with its `hubs` most frequent phrases."""
    living = np.flatnonzero(snapshot.keys)
    phrases = living[snapshot.keys[living] < 0]
    degrees = snapshot.degrees()[living]
    sizes = np.unique(_labels(snapshot)[living], return_counts=True)[1]
    frequent = phrases[np.lexsort((snapshot.keys[phrases], -snapshot.mentions[phrases]))[:hubs]]
    lexicon = Lexicon(store, snapshot)
    lexicon.learn(frequent.tolist())
    return Statistics(
        phrases=len(phrases),
        passages=len(living) - len(phrases),
        edges={kind: count for kind, count in snapshot.kinds().items()},
        degrees=_histogram(degrees),
        mean_degree=round(float(degrees.mean()), 2) if len(degrees) else 0.0,
        components=len(sizes),
        largest_component=int(sizes.max(initial=0)),
        hubs=tuple(lexicon.node(node) for node in frequent.tolist() if lexicon.known(node)),
        bytes=snapshot.bytes,
    )


def _histogram(degrees: Nodes) -> dict[str, int]:
    """How many values there are of 0, 1, 2-3, 4-7 and so on."""
    classes = np.frexp(degrees.astype(np.float64))[1]
    counts = np.bincount(classes) if len(classes) else np.zeros(0, np.int64)
    bounds = [(1 << each >> 1, (1 << each) - 1) for each in range(len(counts))]
    names = [f"{low:,}" if low == high else f"{low:,}-{high:,}" for low, high in bounds]
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _labels(snapshot: Snapshot) -> Nodes:
    """By node: a number that it shares with all nodes that it is joined to, over however many edges."""
    one, other = snapshot.edges()
    labels = np.arange(len(snapshot.keys))
    while True:
        lower = np.minimum(labels[one], labels[other])
        spread = labels.copy()
        np.minimum.at(spread, one, lower)
        np.minimum.at(spread, other, lower)
        # Roots learn of it too, so that the number of rounds grows with the logarithm of the longest way.
        np.minimum.at(spread, labels[one], lower)
        np.minimum.at(spread, labels[other], lower)
        spread = spread[spread]
        if np.array_equal(spread, labels):
            return labels
        labels = spread
