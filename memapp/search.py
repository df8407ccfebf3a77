"""The story of finding: what to search for, recall, follow links, rank."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from memapp.errors import UsageError
from memapp.protocols import Embedder, Engine, Judge, MemoryLayer
from memapp.recall import changed, clues, episodes, explain, facts, features, follow_up, fuse, names, ranker, rerank
from memapp.recall.features import Evidence
from memapp.settings import Settings
from memapp.store import content, extractions
from memapp.store.log import Store
from memapp.types import FittingFact, Hit, LayerShare, Passage, Query, Score, SearchResult, Turn

FOLLOWING = "graph"
"""The layer that starts from what the others found."""
TURNS = "episodic"
"""The layer that orders turns of conversations among themselves."""
SEEDING = ("lexical", "dense")
"""The layers that it starts from when it is the only one chosen."""
NEAR = 50
"""How many of the passages that the others found it is told of."""
CONSIDERED = 40
"""Passages of the other layers that the ranker looks at, besides all that the graph proposes."""
FURTHEST = 150
"""Passages that the graph proposes at most."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What a search is made with."""

    store: Store
    embedder: Embedder
    layers: Mapping[str, MemoryLayer]
    settings: Settings
    seeding: Mapping[str, MemoryLayer] = field(default_factory=dict)
    """Layers to start from when only one that follows links was chosen."""
    engine: Callable[[], Engine] | None = None
    """The chat model, for settings that let it choose."""
    gist: Callable[[], Sequence[str]] = tuple
    """What the collection tells in short, for the chat model to draft clues from."""


class Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.began = self._last = time.perf_counter()
        self.ms: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.ms[stage] = self.ms.get(stage, 0.0) + (now - self._last) * 1000
        self._last = now

    def total(self) -> dict[str, float]:
        return {**self.ms, "total": (time.perf_counter() - self.began) * 1000}


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that the layers propose for a question, before it is ranked."""

    question: str
    rankings: Mapping[str, Sequence[Score]]
    passages: Mapping[int, Passage]
    """Those of the proposed passages that live."""
    evidence: Evidence | None
    """What the ranker goes by; None where it was not made for these layers or this embedder."""
    turns: Sequence[Score] = ()
    """The turns of conversations that live, best first, when the layer that knows them is not the only one asked."""


def search(recall: Recall, question: str, k: int, history: Sequence[Turn] = ()) -> SearchResult:
    """The k best passages for a question, follow-ups resolved by `history`. Raises UsageError for an empty question."""
    found = _found(recall, question, k, history)
    way = recall.settings.clues
    return _with_clues(recall, found, k, way) if clues.wanted(way, found.hits) else found


def _found(recall: Recall, question: str, k: int, history: Sequence[Turn] = ()) -> SearchResult:
    """By the question alone."""
    clock = Clock()
    found = gather(recall, question, k, history, clock)
    again = recall.settings.rerank != rerank.OFF
    ranked = _ranked(found, max(k, rerank.DEPTH) if again else k)
    ranked = episodes.placed(ranked, found.rankings, found.turns, found.passages)
    clock.lap("rank")
    hits = [Hit(rank, one.score, found.passages[one.passage], one.shares) for rank, one in enumerate(ranked, 1)]
    if again:
        hits = _reranked(recall, found.question, hits)[:k]
        clock.lap("rerank")
    hits = changed.newest_first(_explained(recall, found, hits))
    clock.lap("explain")
    return SearchResult(found.question, tuple(hits), clock.total())


def _with_clues(recall: Recall, found: SearchResult, k: int, way: str) -> SearchResult:
    """The hits, with those that clues lead to which the chat model drafts from the gist of the collection."""
    if recall.engine is None:
        raise UsageError("There is no chat model to draft clues.", "Set `clues` to off.")
    clock = Clock()
    # Put in order by the model, lists would cost more than the clues.
    plain = replace(recall, settings=replace(recall.settings, rerank=rerank.OFF))
    drafts: Sequence[clues.Clue]
    if way == clues.CHOSEN:
        near = [hit.passage.id for hit in _found(plain, found.question, NEAR).hits]
        spoken = extractions.by_passage(recall.store, near)
        known = [phrase for id in near if id in spoken for phrase in spoken[id].phrases]
        drafts = clues.chosen(found.question, recall.gist(), known, recall.engine())
    else:
        drafts = clues.drafted(found.question, recall.gist(), recall.engine())
    clock.lap("draft")
    led = [(clue, _found(plain, clue.text, k).hits) for clue in drafts]
    clock.lap("clues")
    timing = {**found.timing_ms, **clock.ms}
    timing["total"] = found.timing_ms["total"] + clock.total()["total"]
    return SearchResult(found.question, clues.fused(found.hits, led, k), timing, tuple(clue.text for clue in drafts))


def gather(recall: Recall, question: str, k: int, history: Sequence[Turn] = (), clock: Clock | None = None) -> Gathered:
    """Asks every layer, the one that follows links last. Raises UsageError for an empty question."""
    if not question.strip():
        raise UsageError("The question is empty.", "Ask something.")
    if k < 1:
        raise UsageError(f"k is {k}.", "Ask for at least one passage.")
    clock = clock or Clock()
    text = follow_up.standalone(question, history)
    follower = recall.layers.get(FOLLOWING)
    teller = recall.layers.get(TURNS) if len(recall.layers) > 1 else None
    first = {name: layer for name, layer in recall.layers.items() if layer not in (follower, teller)}
    asked = first or recall.seeding
    for layer in (*asked.values(), *(each for each in (follower, teller) if each)):
        catch_up(layer, recall.store)
    clock.lap("catch up")
    query = Query(text, recall.embedder.embed([text])[0] if teller or _needs_vector(asked) else None)
    clock.lap("embed")
    depth = max(fuse.DEPTH, k)
    rankings: dict[str, list[Score]] = {}
    for name, layer in asked.items():
        rankings[name] = layer.recall(query, depth)
        clock.lap(name)
    near = fuse.fuse(rankings, depth=depth)
    if follower is not None:
        start = tuple(Score(one.passage, one.score) for one in near[:NEAR])
        query = replace(query, near=start, facts=_facts(recall, query, start))
        proposed = follower.recall(query, FURTHEST)
        rankings = {**(rankings if first else {}), FOLLOWING: proposed}
        clock.lap(FOLLOWING)
    judged = ranker.fits(rankings, recall.embedder.identity)
    wanted = {score.passage for each in rankings.values() for score in each}
    if judged:
        wanted = {one.passage for one in near[: max(CONSIDERED, k)]} | {s.passage for s in rankings[FOLLOWING]}
    turns = teller.recall(query, depth) if teller is not None else []
    if teller is not None:
        clock.lap(TURNS)
    # The last guard: what the store does not hold for this namespace now is not recalled, whatever a layer says.
    alive = content.passages_by_id(recall.store, sorted(wanted))
    rankings = {name: [score for score in each if score.passage in alive] for name, each in rankings.items()}
    told = content.passages_by_id(recall.store, [score.passage for score in turns]) if turns else {}
    clock.lap("load")
    evidence = None
    if judged and alive and query.vector is not None:
        ids, vectors = content.vectors_by_id(recall.store, sorted(alive), len(query.vector))
        cosines = dict(zip(ids.tolist(), (vectors @ query.vector).tolist(), strict=True))
        alive = {id: passage for id, passage in alive.items() if id in cosines}
        evidence = features.evidence(text, alive, rankings, near, cosines)
        clock.lap("features")
    return Gathered(text, rankings, {**told, **alive}, evidence, [score for score in turns if score.passage in told])


def _facts(recall: Recall, query: Query, near: Sequence[Score]) -> tuple[FittingFact, ...]:
    """The facts of near passages that fit the question, as far as the settings want any."""
    if not recall.settings.fact_seeds or query.vector is None:
        return ()
    spoken = extractions.by_passage(recall.store, [score.passage for score in near])
    found = facts.fitting(query.vector, spoken.values(), recall.embedder)
    if recall.settings.fact_filter and recall.engine is not None:
        return facts.recognised(query.text, found, recall.engine())
    return found


def _ranked(found: Gathered, k: int) -> list[fuse.Fused]:
    if found.evidence is None:
        proposed = {score.passage for ranking in found.rankings.values() for score in ranking}
        titled = names.named(found.question, {id: found.passages[id].title for id in proposed})
        return fuse.fuse(found.rankings, k, depth=max(fuse.DEPTH, k), named=titled)
    scores = ranker.rank(found.evidence.features)
    shares: dict[int, list[LayerShare]] = {}
    for layer in sorted(found.rankings):
        for rank, score in enumerate(found.rankings[layer], 1):
            shares.setdefault(score.passage, []).append(LayerShare(layer, rank, score.value, score.why))
    ids = found.evidence.passages
    order = sorted(range(len(ids)), key=lambda i: (-scores[i], ids[i]))[:k]
    return [fuse.Fused(ids[i], float(scores[i]), tuple(shares.get(ids[i], ()))) for i in order]


def _reranked(recall: Recall, question: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits as the chat model orders them, with the scores, which descend, of the places that they now have."""
    judge = recall.engine() if recall.engine else None
    if not isinstance(judge, Judge):
        raise UsageError("This model cannot put passages in order.", "Set `rerank` to off.")
    ordered = rerank.reranked(recall.settings.rerank, question, hits, judge)
    return [replace(hit, rank=place.rank, score=place.score) for hit, place in zip(ordered, hits, strict=True)]


def _explained(recall: Recall, found: Gathered, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with the way that the graph took to each, in words."""
    ways = {score.passage: score.links for score in found.rankings.get(FOLLOWING, ()) if score.links}
    ways = {hit.passage.id: ways[hit.passage.id] for hit in hits if hit.passage.id in ways}
    if not ways:
        return list(hits)
    spoken = extractions.by_passage(recall.store, list(ways))
    sources = {link.source for links in ways.values() for link in links if link.source is not None}
    missing = content.passages_by_id(recall.store, sorted(sources - found.passages.keys()))
    titles = {**found.passages, **missing}
    return [explain.explained(hit, ways.get(hit.passage.id, ()), spoken, titles) for hit in hits]


def catch_up(layer: MemoryLayer, store: Store) -> None:
    """Feeds a layer what was logged since its cursor, by this process or another."""
    after = layer.cursor
    if store.head() > after:
        layer.apply(store.changes(after))


def _needs_vector(layers: Mapping[str, MemoryLayer]) -> bool:
    return any(name != "lexical" for name in layers)
