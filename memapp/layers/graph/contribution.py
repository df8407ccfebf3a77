"""What one passage adds to the graph: a pure function of the passage, so that it can be taken back exactly."""

from __future__ import annotations

import functools
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.extract.phrases import aliases, normal
from memapp.layers.graph.keys import phrase_key
from memapp.store.extractions import Spoken
from memapp.store.terms import stems

CONTEXT = 4
"""Weight of the edge between a passage and a phrase that it holds. All weights are integers, so sums are exact."""
RELATION = 8
"""Between the subject and the object of a fact: twice a context edge, as in HippoRAG 2."""
SYNONYM = 1
"""Between a phrase and another form of it, for each passage that holds the phrase."""
NEIGHBOUR = 2
"""Between a passage and the next one of its document."""

Edge = tuple[int, int, int]
"""Two keys and a weight."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """The part of one passage in the graph, all names as keys."""

    passage: int
    edges: tuple[Edge, ...]
    titles: tuple[int, ...]
    """The phrases that the passage is about: its title, with and without an afterthought in brackets."""
    words: NDArray[np.uint32]
    """Hashes of the stems of its words, each once, ascending."""


def contribution(spoken: Spoken, previous: int | None) -> Contribution:
    """What a passage adds; `previous` is the passage before it in its document."""
    forms = Counter(form for phrase in spoken.extraction.phrases if (form := _form(phrase)))
    titles = tuple(dict.fromkeys(form for form in (normal(spoken.title), _bare(spoken.title)) if form))
    forms.update(dict.fromkeys(titles, 1))
    edges: Counter[tuple[int, int]] = Counter()
    for fact in spoken.extraction.facts:
        ends = sorted({form for phrase in (fact.subject, fact.object) if (form := _form(phrase))})
        forms.update(dict.fromkeys(ends, 0))
        if len(ends) == 2:
            edges[phrase_key(ends[0]), phrase_key(ends[1])] += RELATION
    for form in forms:
        edges[spoken.passage, phrase_key(form)] = CONTEXT
    for phrase in dict.fromkeys((*spoken.extraction.phrases, *((spoken.title,) if titles else ()))):
        for one, other in _synonyms(phrase):
            edges[one, other] = SYNONYM
    if previous is not None:
        edges[previous, spoken.passage] = NEIGHBOUR
    return Contribution(
        spoken.passage,
        tuple((one, other, weight) for (one, other), weight in edges.items()),
        tuple(phrase_key(form) for form in titles),
        word_hashes(f"{spoken.title}\n{spoken.text}"),
    )


def word_hashes(text: str) -> NDArray[np.uint32]:
    """Hashes of the stems of a text's words, each once, ascending."""
    return np.unique(np.fromiter((_hash(stem) for stem in stems(text)), np.uint32))


@functools.lru_cache(maxsize=1 << 16)
def _hash(stem: str) -> int:
    return zlib.crc32(stem.encode("utf-8", "surrogatepass"))


@functools.lru_cache(maxsize=1 << 15)
def _form(phrase: str) -> str:
    return normal(phrase)


def _bare(title: str) -> str:
    head = title.partition(" (")[0]
    return normal(head) or normal(title)


def _synonyms(phrase: str) -> Iterator[tuple[int, int]]:
    form = _form(phrase)
    if form:
        for alias in _aliases(phrase):
            yield phrase_key(form), phrase_key(alias)


@functools.lru_cache(maxsize=1 << 15)
def _aliases(phrase: str) -> tuple[str, ...]:
    return aliases(phrase)
