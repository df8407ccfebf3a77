"""What stands around a phrase, and what is meant by a phrase that nobody wrote."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from memapp.errors import UsageError
from memapp.extract.phrases import normal
from memapp.graph.assembly import forms_of
from memapp.graph.lexicon import Lexicon
from memapp.graph.snapshot import Nodes, Snapshot
from memapp.graph.values import View
from memapp.layers.lexical import LexicalLayer
from memapp.store.log import Store
from memapp.types import Query

_READ = 200
"""Passages of the centre that are read."""
_PHRASES = 4
"""Further phrases that are shown of each passage."""
_SIMILAR = 40
"""Passages in which words of an unknown phrase are looked for."""
_FREQUENT = 400
"""Frequent phrases that an unknown one is compared with besides."""


def view(store: Store, snapshot: Snapshot, phrase: str, limit: int) -> View:
    """A phrase, up to `limit` phrases and passages each that it is joined to, and phrases of those passages.

    Raises UsageError for a phrase that is not in the graph, with the nearest that are.
    """
    lexicon = Lexicon(store, snapshot)
    centre = find(store, snapshot, phrase)
    near, weights = snapshot.around(centre)
    near = near[np.lexsort((near, -weights))]
    phrases, passages = near[snapshot.keys[near] < 0], near[snapshot.keys[near] > 0]
    passages = passages[np.lexsort((snapshot.keys[passages], ~(snapshot.titles[passages] == centre).any(1)))]
    lexicon.read(passages[:_READ])
    shown = (*phrases[:limit].tolist(), *passages[:limit].tolist())
    further = _further(snapshot, passages[:_READ], passages[:limit], {centre, *shown})
    nodes = list(dict.fromkeys((centre, *shown, *(node for _, node in further))))
    lexicon.learn(nodes)
    if not lexicon.known(centre):
        raise _unknown(store, snapshot, phrase)
    nodes = [node for node in nodes if lexicon.known(node)]
    pairs = [(centre, node) for node in shown] + further + _joined(snapshot, nodes)
    pairs = [pair for pair in pairs if set(pair) <= set(nodes)]
    edges = dict.fromkeys(edge for one, other in pairs for edge in lexicon.edges(one, other))
    return View(lexicon.node(centre), tuple(map(lexicon.node, nodes)), tuple(edges), max(0, len(passages) - limit))


def _joined(snapshot: Snapshot, nodes: Sequence[int]) -> list[tuple[int, int]]:
    """All edges between these nodes."""
    pairs = ((node, snapshot.around(node)[0]) for node in nodes)
    return [(node, int(other)) for node, near in pairs for other in near[np.isin(near, nodes)] if node < other]


def _further(snapshot: Snapshot, read: Nodes, shown: Nodes, taken: set[int]) -> list[tuple[int, int]]:
    """For each shown passage the phrases that occur in most passages of the centre, the rarer elsewhere first."""
    held = {int(node): snapshot.around(int(node))[0] for node in read}
    shared = Counter(int(each) for near in held.values() for each in near if snapshot.keys[each] < 0)
    found = []
    for passage in shown.tolist():
        known = {*taken, *snapshot.titles[passage].tolist()}
        phrases = [int(each) for each in held[passage] if snapshot.keys[each] < 0 and int(each) not in known]
        phrases.sort(key=lambda node: (-shared[node], snapshot.mentions[node] < 2, snapshot.mentions[node], node))
        found += [(passage, node) for node in phrases[:_PHRASES]]
    return found


def find(store: Store, snapshot: Snapshot, phrase: str) -> int:
    """The node of a phrase or of another name for it. Raises UsageError when it is not in the graph."""
    for form in forms_of(phrase):
        node = snapshot.node(form)
        if node >= 0:
            return node
    raise _unknown(store, snapshot, phrase)


def _unknown(store: Store, snapshot: Snapshot, phrase: str) -> UsageError:
    shown = " ".join(phrase.split())[:80]
    if not (snapshot.keys < 0).any():
        return UsageError(f"The graph does not know “{shown}”.", "It holds no phrases yet: `memapp ingest PATH`.")
    nearest = ", ".join(f"“{each}”" for each in _nearest(store, snapshot, phrase))
    hint = f"Nearest: {nearest}." if nearest else "`memapp graph stats` names the phrases that most passages hold."
    return UsageError(f"The graph does not know “{shown}”.", hint)


def _nearest(store: Store, snapshot: Snapshot, phrase: str, count: int = 5) -> list[str]:
    """Known phrases with the same words or nearly the same letters, the most similar first."""
    form = normal(phrase) or phrase.casefold()[:200]
    similar = [score.passage for score in LexicalLayer(store).recall(Query(phrase), _SIMILAR)]
    frequent = np.argsort(-snapshot.mentions, kind="stable")[:_FREQUENT]
    lexicon = Lexicon(store, snapshot)
    lexicon.learn(frequent[snapshot.keys[frequent] < 0])
    lexicon.read(snapshot.nodes(similar))
    words = set(form.split())

    def likeness(known: str) -> float:
        theirs = set(known.split())
        return difflib.SequenceMatcher(None, form, known).ratio() + len(words & theirs) / len(words | theirs)

    known = {form: lexicon.assembly.label(key) for key, form in lexicon.assembly.forms.items()}
    best = sorted(((likeness(form), form) for form in known), key=lambda each: (-each[0], each[1]))
    return list(dict.fromkeys(known[form] for value, form in best[:count] if value > 0.7))
