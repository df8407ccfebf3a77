"""The gated bridge: from good passages through what they name to the passages that cover the rest of the question.

PageRank spreads over all neighbours alike. Here a neighbour counts by how much of the question it holds that the
passage it is reached from does not: the second half of "the spouse of the director of X" is not in the passage on X.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.layers.graph.state import GraphState

HUB = 60
"""A phrase that more passages hold is no bridge: it joins everything with everything."""
SOURCES = 12
ABOUT_TARGET, ABOUT_SOURCE, BESIDE = 1.0, 0.6, 0.35
"""What a link is worth by what the phrase is to its ends: the target's title, the source's, or neither's."""
_UNGATED, _GATED = 0.35, 0.9
"""The part of a link that counts anyway, and the part that counts by the uncovered words."""

Nodes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The question's words: their hashes, ascending, and what each is worth."""

    hashes: NDArray[np.uint32]
    weights: Floats
    """Inverse document frequency, shares of 1."""


@dataclass(frozen=True, slots=True)
class Bridges:
    """For each passage reached, its best link. All arrays have shape (targets,)."""

    targets: Nodes
    sources: Nodes
    phrases: Nodes
    value: Floats
    source_score: Floats
    kind: Floats
    rarity: Floats
    covered: Floats
    """Share of the question that the target holds and the source does not."""
    named: NDArray[np.bool_]
    """Whether the question names the phrase."""
    total: Floats
    """Sum over all links."""
    links: NDArray[np.int64]


def wanted(hashes: NDArray[np.uint32], state: GraphState) -> Wanted:
    """Weighs a question's words by how few passages hold them."""
    held = state.frequency(hashes).astype(np.float64)
    weights = np.log(1 + (state.passages - np.minimum(held, state.passages) + 0.5) / (held + 0.5))
    return Wanted(hashes, weights / max(float(weights.sum()), 1e-9))


def bridges(state: GraphState, question: Wanted, named: Nodes, sources: Nodes, scores: Floats) -> Bridges:
    """All passages that share a phrase with one of `sources`, whose `scores` are shares of the best one's.

    O(links): only the phrases of the sources are looked at, hubs not even those.
    """
    source, phrase = _phrases(state, sources)
    distinct, index = np.unique(phrase, return_inverse=True)
    which, ends, _ = state.adjacency.neighbours(distinct)
    others: Nodes = ends.astype(np.int64)
    passages = state.is_passage(others)
    which, others = which[passages], others[passages]
    # Each (source, phrase) meets every passage of the phrase.
    counts = np.bincount(which, minlength=len(distinct))[index] if len(distinct) else np.zeros(0, np.int64)
    starts = np.searchsorted(which, index)
    pair = np.repeat(np.arange(len(phrase)), counts)
    at = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(starts, counts)
    target = others[at]
    other = target != sources[source[pair]]
    pair, target = pair[other], target[other]
    return _pooled(state, question, named, (sources, scores), (source[pair], phrase[pair], target))


def _phrases(state: GraphState, sources: Nodes) -> tuple[NDArray[np.int64], Nodes]:
    """The phrases of the sources that may be bridges: index of the source, and node of the phrase."""
    source, columns, _ = state.adjacency.neighbours(sources)
    phrase = columns.astype(np.int64)
    mentions = state.mentions(phrase)
    # A phrase has mentions, a passage has none.
    usable = (mentions >= 2) & (mentions <= HUB)
    return source[usable], phrase[usable]


def _pooled(
    state: GraphState,
    question: Wanted,
    named: Nodes,
    given: tuple[Nodes, Floats],
    links: tuple[NDArray[np.int64], Nodes, Nodes],
) -> Bridges:
    sources, scores = given
    source, phrase, target = links
    targets, place = np.unique(target, return_inverse=True)
    held = state.holds(targets, question.hashes)
    left = ~state.holds(sources, question.hashes)
    covered = (held[place] & left[source]).astype(np.float64) @ question.weights
    kind = _kinds(state, sources[source], phrase, target)
    rarity = 1 - np.log(np.maximum(state.mentions(phrase), 1)) / np.log(state.passages + 1)
    value = scores[source] * kind * (_UNGATED + _GATED * covered) * (0.5 + rarity)
    order = np.lexsort((state.numbers.keys(phrase), state.numbers.keys(sources[source]), -value, place))
    best = order[np.flatnonzero(np.diff(place[order], prepend=-1))]
    return Bridges(
        targets,
        sources[source[best]],
        phrase[best],
        value[best],
        scores[source[best]],
        kind[best],
        rarity[best],
        covered[best],
        np.isin(phrase[best], named),
        np.bincount(place, value, len(targets)).astype(np.float64),
        np.bincount(place, minlength=len(targets)),
    )


def _kinds(state: GraphState, source: Nodes, phrase: Nodes, target: Nodes) -> Floats:
    of_target = (state.titles(target) == phrase[:, None]).any(1)
    of_source = (state.titles(source) == phrase[:, None]).any(1)
    return np.where(of_target, ABOUT_TARGET, np.where(of_source, ABOUT_SOURCE, BESIDE))
