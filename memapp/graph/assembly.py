"""From what passages speak of to a graph with words: the sum of their contributions, each edge with its kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from memapp.extract.phrases import aliases, normal
from memapp.graph.values import Edge, Kind
from memapp.layers.graph.contribution import RELATION, contribution
from memapp.layers.graph.keys import phrase_key
from memapp.recall.explain import name_of, spellings
from memapp.store.extractions import Spoken

_PREDICATES = 8
"""How many different predicates of one edge are told."""

Pair = tuple[int, int]
"""Two keys, the lower one first."""


class Assembly:
    """Sums up passages; keys are the graph's: above 0 a passage's number, below 0 the hash of a phrase."""

    def __init__(self) -> None:
        self.weights: Counter[Pair] = Counter()
        self.mentions: Counter[int] = Counter()
        """By phrase: how many of the passages hold it."""
        self.forms: dict[int, str] = {}
        self.passages: dict[int, str] = {}
        """Names of the passages."""
        self._written: dict[int, Counter[str]] = {}
        self._kinds: dict[Pair, Kind] = {}
        self._facts: dict[Pair, Counter[tuple[int, str]]] = {}

    def take(self, spoken: Iterable[Spoken]) -> None:
        """Adds passages that were not taken before; those of one document that follow one another are neighbours."""
        before: Spoken | None = None
        for one in spoken:
            joined = before is not None and before.document == one.document and before.passage + 1 == one.passage
            self._add(one, before.passage if before is not None and joined else None)
            before = one

    def label(self, key: int) -> str:
        """What to call a node; a phrase as it is written most often. "" for one that is not known."""
        if key > 0:
            return self.passages.get(key, "")
        written = self._written.get(key)
        return min(written.items(), key=lambda item: (-item[1], item[0]))[0] if written else self.forms.get(key, "")

    def id(self, key: int) -> str:
        """The node's id, see `Node`."""
        return f"passage:{key}" if key > 0 else f"phrase:{self.forms[key]}"

    def kind(self, pair: Pair, weight: int) -> Kind:
        """The kind of an edge, by its weight where no passage that was taken brings it."""
        if pair in self._kinds:
            return self._kinds[pair]
        if pair[0] < 0 < pair[1]:
            return "context"
        return "neighbour" if pair[0] > 0 else "relation" if weight >= RELATION else "synonym"

    def edges(self, pair: Pair, weight: int) -> Iterator[Edge]:
        """The edge between two nodes: for facts in both directions two, else one."""
        kind = self.kind(pair, weight)
        facts = self._facts.get(pair)
        if kind != "relation" or not facts:
            yield Edge(self.id(pair[0]), self.id(pair[1]), kind, weight)
            return
        for subject in dict.fromkeys(subject for (subject, _), _ in facts.most_common()):
            other = pair[0] + pair[1] - subject
            told = [predicate for (one, predicate), _ in facts.most_common() if one == subject]
            yield Edge(self.id(subject), self.id(other), kind, weight, tuple(told[:_PREDICATES]))

    def _add(self, one: Spoken, previous: int | None) -> None:
        self.passages[one.passage] = name_of(one.title, one.text)
        for form, phrase in spellings(one.title, one.extraction):
            key = phrase_key(form)
            self.forms[key] = form
            if normal(phrase) == form:
                self._written.setdefault(key, Counter())[phrase] += 1
        for left, right, weight in contribution(one, previous).edges:
            pair = (left, right) if left < right else (right, left)
            self.weights[pair] += weight
            kind = self.kind(pair, weight) if pair not in self._kinds or weight >= RELATION else self._kinds[pair]
            self._kinds[pair] = "relation" if kind == "synonym" and weight >= RELATION else kind
            if kind == "context":
                self.mentions[pair[0]] += 1
        for fact in one.extraction.facts:
            subject, end = normal(fact.subject), normal(fact.object)
            if subject and end and subject != end and fact.predicate:
                ends = phrase_key(subject), phrase_key(end)
                pair = (ends[0], ends[1]) if ends[0] < ends[1] else (ends[1], ends[0])
                self._facts.setdefault(pair, Counter())[ends[0], fact.predicate] += 1


def forms_of(phrase: str) -> tuple[str, ...]:
    """The normal forms under which a phrase may be known, its own first."""
    own = normal(phrase)
    return (own, *aliases(phrase)) if own else ()
