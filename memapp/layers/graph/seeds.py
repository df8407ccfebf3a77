"""What a question names: phrases of the graph that stand in it, found by their form and not by a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.extract.phrases import aliases, normal
from memapp.layers.graph.keys import phrase_key
from memapp.layers.graph.state import GraphState
from memapp.store.terms import STOP_WORDS
from memapp.types import FittingFact

_WORD = re.compile(r"\S+")
_EDGES = "\"'“”‘’«»()[]{}.,;:!?…¿¡،؟。、，"
_LONGEST = 10
"""Words of the longest phrase that is looked for."""
_LONGEST_NAME = 5
_FACT_PHRASES = 5
_MOST_WORDS = 200
"""A question is looked at up to here; a pasted page names more than can be meant."""

Nodes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seeds:
    """Phrases of the graph that the question names, the longest at each place."""

    nodes: Nodes
    weights: NDArray[np.float64]
    """Specificity: the fewer passages hold a phrase, the more it says (HippoRAG's node specificity)."""


def seeds(question: str, state: GraphState) -> Seeds:
    """Looks up every stretch of up to ten words of the question, longest first, each word once."""
    places = [(m.start(), m.end()) for m in _WORD.finditer(question)][:_MOST_WORDS]
    spans = [(i, n) for n in range(min(_LONGEST, len(places)), 0, -1) for i in range(len(places) - n + 1)]
    texts = [question[places[i][0] : places[i + n - 1][1]].strip(_EDGES) for i, n in spans]
    forms = [_form(text, n) for text, (_, n) in zip(texts, spans, strict=True)]
    chosen: dict[int, None] = {}
    taken = np.zeros(len(places), np.bool_)
    for (i, n), node in zip(spans, _nodes(state, forms), strict=True):
        if node >= 0 and not taken[i : i + n].all():
            taken[i : i + n] = True
            chosen[int(node)] = None
    for (i, n), text in zip(spans, texts, strict=True):
        # Other forms of a name count where the name itself is unknown.
        if 1 < n <= _LONGEST_NAME and _is_name(text) and not taken[i : i + n].any():
            others = [int(node) for node in _nodes(state, aliases(text)) if node >= 0]
            if others:
                taken[i : i + n] = True
                chosen.update(dict.fromkeys(others))
    nodes = np.fromiter(chosen, np.int64)
    return Seeds(nodes, 1.0 / np.maximum(state.mentions(nodes), 1) if len(nodes) else np.zeros(0))


def with_facts(named: Seeds, facts: Sequence[FittingFact], state: GraphState) -> Seeds:
    """The seeds, and the five best phrases of the facts, together as heavy as what the question names.

    A phrase weighs the mean score of its facts, divided by the number of passages that hold it, as in HippoRAG 2.
    """
    scores: dict[int, list[float]] = {}
    for each in facts:
        for node in _nodes(state, {normal(each.fact.subject), normal(each.fact.object)}):
            if node >= 0:
                scores.setdefault(int(node), []).append(each.score)
    nodes = np.fromiter(scores, np.int64)
    if len(nodes) == 0:
        return named
    weights = np.array([sum(each) / len(each) for each in scores.values()]) / np.maximum(state.mentions(nodes), 1)
    best = np.argsort(-weights, kind="stable")[:_FACT_PHRASES]
    nodes, weights = nodes[best], weights[best]
    share = float(named.weights.sum()) or 1.0
    weights = weights * (share / max(float(weights.sum()), np.finfo(np.float64).tiny))
    return Seeds(np.concatenate((named.nodes, nodes)), np.concatenate((named.weights, weights)))


def _nodes(state: GraphState, forms: Iterable[str]) -> Nodes:
    return state.numbers.find(phrase_key(form) if form else 0 for form in forms)


def _form(text: str, words: int) -> str:
    """The form under which a stretch of the question may be known; "" for what cannot be a phrase."""
    if words == 1 and not _telling(text):
        return ""
    return normal(text)


def _telling(word: str) -> bool:
    """Whether one word alone may be a phrase: a name, a number, or a word of a script without capitals."""
    if word.lower() in STOP_WORDS:
        return False
    return not word[:1].islower() or any(character.isdigit() for character in word)


def _is_name(text: str) -> bool:
    return text[:1].isupper() and text.rpartition(" ")[2][:1].isupper()
