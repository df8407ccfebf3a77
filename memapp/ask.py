"""The story of answering: what to search for, recall, fuse, prompt, generate, cite, judge."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from memapp.answer import cite, confidence, prompt
from memapp.errors import UsageError
from memapp.protocols import Embedder, Engine, MemoryLayer
from memapp.recall import clues, fuse
from memapp.settings import Settings
from memapp.store import content
from memapp.store.log import Store
from memapp.types import (
    Answer,
    Done,
    Event,
    Finish,
    Hit,
    Piece,
    Query,
    Recalled,
    Sampling,
    Score,
    SearchResult,
    Token,
    Tokens,
    Turn,
)

_TURNS = 3
"""Earlier turns that the model sees, if they fit."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What a search is made with."""

    store: Store
    embedder: Embedder
    layers: Mapping[str, MemoryLayer]
    settings: Settings


class _Clock:
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


def search(recall: Recall, question: str, k: int, history: Sequence[Turn] = ()) -> SearchResult:
    """The k best passages for a question, follow-ups resolved by `history`. Raises UsageError for an empty question."""
    if not question.strip():
        raise UsageError("The question is empty.", "Ask something.")
    if k < 1:
        raise UsageError(f"k is {k}.", "Ask for at least one passage.")
    clock = _Clock()
    text = clues.standalone(question, history)
    for layer in recall.layers.values():
        catch_up(layer, recall.store)
    clock.lap("catch up")
    query = Query(text, recall.embedder.embed([text])[0] if _needs_vector(recall.layers) else None)
    clock.lap("embed")
    rankings: dict[str, list[Score]] = {}
    for name, layer in recall.layers.items():
        rankings[name] = layer.recall(query, max(fuse.DEPTH, k))
        clock.lap(name)
    fused = fuse.fuse(rankings, max(fuse.DEPTH, k))
    clock.lap("fuse")
    hits = _hits(recall.store, fused, k)
    clock.lap("load")
    return SearchResult(text, hits, clock.total())


def catch_up(layer: MemoryLayer, store: Store) -> None:
    """Feeds a layer what was logged since its cursor, by this process or another."""
    after = layer.cursor
    if store.head() > after:
        layer.apply(store.changes(after))


def stream(
    recall: Recall,
    engine: Engine,
    question: str,
    k: int,
    history: Sequence[Turn] = (),
    cancel: threading.Event | None = None,
) -> Iterator[Event]:
    """Recalled, Tokens, Citations and Done, as they come about. Setting `cancel` ends it with what there is."""
    found = search(recall, question, k, history)
    yield Recalled(found.hits, found.question)
    if not found.hits:
        yield Token(confidence.NOTHING)
        yield Done(Answer(question, confidence.NOTHING, abstained=True, timing_ms=found.timing_ms))
        return
    clock = _Clock()
    settings = recall.settings
    room = engine.context_tokens - settings.answer_tokens
    made = prompt.build(question, found.hits, list(history)[-_TURNS:], room, engine.count)
    sampling = Sampling(settings.answer_tokens, settings.temperature, settings.top_p)
    clock.lap("prompt")
    written: list[Piece] = []
    finish = Finish("stop", 0, 0)
    for piece in engine.stream(made.messages, sampling, cancel):
        if isinstance(piece, Finish):
            finish = piece
            continue
        if not written:
            clock.lap("first token")
        written.append(piece)
        yield Token(piece.text)
    clock.lap("generate")
    answer = _judged(question, "".join(piece.text for piece in written), found, made, written)
    clock.lap("cite")
    yield from answer.citations
    timing = {**found.timing_ms, **clock.ms, "search": found.timing_ms["total"]}
    timing["total"] = found.timing_ms["total"] + clock.total()["total"]
    tokens = Tokens(finish.prompt_tokens, finish.generated_tokens, engine.context_tokens)
    yield Done(replace(answer, tokens=tokens, timing_ms=timing, finish=finish.reason))


def _judged(question: str, text: str, found: SearchResult, made: prompt.Prompt, written: Sequence[Piece]) -> Answer:
    """The answer with citations and confidence, or the abstention."""
    cited = cite.cite(text, question, made.used)
    logprob = sum(piece.logprob for piece in written)
    count = sum(piece.tokens for piece in written)
    sure = confidence.confidence(cited.text, cited.support, logprob, count, found.hits[0].score)
    abstained = sure < confidence.ABSTAIN_BELOW
    return Answer(
        question,
        confidence.NOTHING if abstained else cited.text,
        () if abstained else cited.citations,
        round(sure, 4),
        abstained,
        found.hits,
        dropped=made.dropped,
    )


def _needs_vector(layers: Mapping[str, MemoryLayer]) -> bool:
    return any(name != "lexical" for name in layers)


def _hits(store: Store, fused: Sequence[fuse.Fused], k: int) -> tuple[Hit, ...]:
    """The k best that still live; a passage forgotten since the layers looked is passed over."""
    hits: list[Hit] = []
    for start in range(0, len(fused), k):
        part = fused[start : start + k]
        alive = content.passages_by_id(store, [one.passage for one in part])
        for one in part:
            if one.passage in alive and len(hits) < k:
                hits.append(Hit(len(hits) + 1, one.score, alive[one.passage], one.shares))
        if len(hits) == k:
            break
    return tuple(hits)
