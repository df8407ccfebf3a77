"""What speaks for a passage, in numbers: all that the layers say of it, and how it reads beside the question.

Every number is about one question's candidates and means the same whatever the size of the collection: shares of the
best, reciprocal ranks, logarithms of ratios.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from memapp.recall.fuse import Fused
from memapp.store.terms import stems
from memapp.types import Passage, Score

_RANK = 5.0
_UNREACHED = -18.0
"""The logarithm of a walk's share where no walk comes by."""

GRAPH = (
    ("asked", _UNREACHED),
    ("walked", _UNREACHED),
    ("asked_rank", 0.0),
    ("walked_rank", 0.0),
    ("bridged_rank", 0.0),
    ("linked_rank", 0.0),
    ("link", 0.0),
    ("link_source", 0.0),
    ("link_kind", 0.0),
    ("link_rarity", 0.0),
    ("link_covered", 0.0),
    ("link_named", 0.0),
    ("link_total", 0.0),
    ("links", 0.0),
    ("holds_named", 0.0),
    ("about_named", 0.0),
    ("phrases", 0.0),
    ("named", 0.0),
)
"""Signals of the graph layer, and what stands for one that it does not give."""
NAMES = (
    "cosine",
    "cosine_below_best",
    "cosine_best",
    "bm25",
    "fused",
    "fused_share",
    "cosine_rank",
    "bm25_rank",
    "fused_rank",
    *(name for name, _ in GRAPH),
    "holds_named_best",
    "covered",
    "covered_best",
    "title_in_question",
    "title_share",
    "length",
    "question_words",
)
"""The columns, in order. The shipped ranker knows them by these names."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The candidates of a question and what speaks for each."""

    passages: tuple[int, ...]
    features: NDArray[np.float32]
    """Shape (passages, len(NAMES))."""


def evidence(
    question: str,
    passages: Mapping[int, Passage],
    rankings: Mapping[str, Sequence[Score]],
    near: Sequence[Fused],
    cosines: Mapping[int, float],
) -> Evidence:
    """What speaks for each of `passages`.

    `rankings` are those of lexical, dense and graph; `near` is the fusion of the first two; `cosines` has every
    candidate's.
    """
    ids = tuple(sorted(passages))
    cosine = np.array([cosines[id] for id in ids])
    best = float(cosine.max())
    bm25 = _values(rankings["lexical"], ids)
    fused = _values([Score(one.passage, one.score) for one in near], ids)
    columns = [
        cosine,
        cosine - best,
        np.full(len(ids), best),
        bm25 / max((score.value for score in rankings["lexical"]), default=1.0),
        fused,
        fused / max((one.score for one in near), default=1.0),
        _reciprocal(cosine),
        _ranks([score.passage for score in rankings["lexical"]], ids),
        _ranks([one.passage for one in near], ids),
        *_graph(rankings["graph"], ids),
    ]
    columns.append(np.full(len(ids), columns[len(columns) - len(GRAPH) + _HOLDS_NAMED].max()))
    columns += _words(question, [passages[id] for id in ids])
    return Evidence(ids, np.column_stack(columns).astype(np.float32))


_HOLDS_NAMED = [name for name, _ in GRAPH].index("holds_named")


def _values(scores: Sequence[Score], ids: Sequence[int]) -> NDArray[np.float64]:
    known = {score.passage: score.value for score in scores}
    return np.array([max(known.get(id, 0.0), 0.0) for id in ids])


def _ranks(order: Sequence[int], ids: Sequence[int]) -> NDArray[np.float64]:
    known = {id: 1 / (_RANK + rank) for rank, id in enumerate(order, 1)}
    return np.array([known.get(id, 0.0) for id in ids])


def _reciprocal(values: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = np.empty(len(values))
    ranks[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return 1 / (_RANK + ranks)


def _graph(scores: Sequence[Score], ids: Sequence[int]) -> list[NDArray[np.float64]]:
    known = {score.passage: score.signals for score in scores}
    return [np.array([known.get(id, {}).get(name, absent) for id in ids]) for name, absent in GRAPH]


def _words(question: str, passages: Sequence[Passage]) -> list[NDArray[np.float64]]:
    """How many of the question's words a passage and its title hold; rare ones among the candidates weigh more."""
    asked = dict.fromkeys(stems(question))
    titles = [set(stems(passage.title)) for passage in passages]
    bare = [set(stems(passage.title.partition(" (")[0])) for passage in passages]
    texts = [stems(passage.text) for passage in passages]
    held = [asked.keys() & set(chain(title, text)) for title, text in zip(titles, texts, strict=True)]
    counts = {word: sum(word in words for words in held) for word in asked}
    weight = {word: math.log(1 + (len(held) - n + 0.5) / (n + 0.5)) for word, n in counts.items()}
    total = sum(weight.values()) or 1.0
    covered = np.array([sum(weight[word] for word in words) / total for words in held])
    return [
        covered,
        np.full(len(held), covered.max()),
        np.array([float(bool(title) and title <= asked.keys()) for title in bare]),
        np.array([len(title & asked.keys()) / max(len(title), 1) for title in titles]),
        np.log1p([len(text) for text in texts]),
        np.full(len(held), float(len(asked))),
    ]
