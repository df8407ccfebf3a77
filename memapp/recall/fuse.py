"""One ranking out of several layers' rankings. A pure function: it asks no layer, store or model.

Raw scores of different layers are never compared. Each is first brought to [0, 1] by what is known of
its layer: a cosine is taken as it is, BM25 is divided by the question's best, and of an unknown layer only
the rank counts. Fox and Shaw, Combination of Multiple Searches (1994); Cormack, Clarke and Büttcher,
Reciprocal Rank Fusion (2009); Bruch, Gai and Ingber, An Analysis of Fusion Functions (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from memapp.types import LayerShare, Score

DEPTH = 50
"""How many passages to ask of each layer."""
RANK_CONSTANT = 5
"""Of reciprocal rank fusion, for layers whose scores have no known meaning."""
TITLE_BONUS = 0.1


@dataclass(frozen=True, slots=True)
class Fused:
    """A passage, its fused score in [0, 1], and what each layer that found it said."""

    passage: int
    score: float
    shares: tuple[LayerShare, ...]


Calibrate = Callable[[Sequence[float]], list[float]]
"""Scores of one layer, best first, to the same number of values in [0, 1] in the same order."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How a layer is heard."""

    weight: float
    calibrate: Calibrate
    floor: bool = True
    """What a layer did not list because its list was full counts like the last that it listed."""


def as_it_is(values: Sequence[float]) -> list[float]:
    """For cosines: a negative one says no more than none."""
    return [min(max(value, 0.0), 1.0) for value in values]


def of_the_best(values: Sequence[float]) -> list[float]:
    """For BM25, whose size depends on the question's words."""
    best = max(values, default=0.0)
    return [max(value, 0.0) / best if best > 0 else 0.0 for value in values]


def by_rank(values: Sequence[float]) -> list[float]:
    """Reciprocal rank, 1 for the first."""
    return [(RANK_CONSTANT + 1) / (RANK_CONSTANT + rank) for rank in range(1, len(values) + 1)]


VOICES: Mapping[str, Voice] = {
    "dense": Voice(0.7, as_it_is),
    "lexical": Voice(0.3, of_the_best),
    "episodic": Voice(1.0, as_it_is),
}
UNKNOWN = Voice(0.5, by_rank, floor=False)


def fuse(
    rankings: Mapping[str, Sequence[Score]],
    k: int | None = None,
    *,
    depth: int = DEPTH,
    named: Collection[int] = (),
    voices: Mapping[str, Voice] = VOICES,
) -> list[Fused]:
    """The k best passages of all rankings (all of them when None), best first, ties by id.

    Each ranking is a layer's answer, best first, to a call for `depth` passages. `named` holds passages
    whose title the question names. The order of `rankings` plays no part; a layer alone keeps its order.
    """
    total = sum(voices.get(layer, UNKNOWN).weight for layer in rankings) + (TITLE_BONUS if named else 0.0)
    sums: dict[int, float] = {}
    shares: dict[int, list[LayerShare]] = {}
    passages = {score.passage for ranking in rankings.values() for score in ranking}
    for layer in sorted(rankings):
        voice = voices.get(layer, UNKNOWN)
        said = voice.calibrate([score.value for score in rankings[layer]])
        floor = said[-1] if voice.floor and said and len(said) >= depth else 0.0
        heard = {score.passage: value for score, value in zip(rankings[layer], said, strict=True)}
        for passage in passages:
            sums[passage] = sums.get(passage, 0.0) + voice.weight * heard.get(passage, floor)
        for rank, score in enumerate(rankings[layer], 1):
            shares.setdefault(score.passage, []).append(LayerShare(layer, rank, score.value, score.why))
    for passage in passages.intersection(named):
        sums[passage] += TITLE_BONUS
    order = sorted(passages, key=lambda passage: (-sums[passage], min(s.rank for s in shares[passage]), passage))
    return [Fused(p, min(sums[p] / total, 1.0), tuple(shares[p])) for p in order[:k]]
