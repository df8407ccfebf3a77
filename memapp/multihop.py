"""The story of a question that takes several hops: each is asked like any other, and their answers are put together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from memapp.answer import hops
from memapp.answer.plan import Plan
from memapp.types import Answer, Hit, Hop


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a plan."""

    plan: Plan | None = None
    """None where a question is asked whole from the start."""
    hops: tuple[Hop, ...] = ()
    answer: Answer | None = None
    """None where the hops come to nothing."""


def answered(
    plan: Plan,
    question: str,
    ask: Callable[[str], Answer],
    searched_ms: Mapping[str, float],
    cancel: threading.Event | None = None,
) -> Generator[Hop, None, Tried]:
    """Every hop once it is made, and what became of the plan: nothing where `cancel` is set between two. `searched_ms`
    is what was spent before."""
    asked: list[Answer] = []

    def one(hop: str) -> Answer:
        asked.append(ask(hop))
        return asked[-1]

    made: list[Hop] = []
    following = hops.follow(plan, one)
    while cancel is None or not cancel.is_set():
        try:
            made.append(next(following))
        except StopIteration as end:
            whole = _put_together(question, end.value, made, asked, searched_ms) if end.value else None
            return Tried(plan, tuple(made), whole)
        yield made[-1]
    return Tried(plan, tuple(made))


def _put_together(
    question: str,
    outcome: hops.Outcome,
    made: Sequence[Hop],
    asked: Sequence[Answer],
    searched_ms: Mapping[str, float],
) -> Answer:
    told, (hits, dropped) = outcome.marked(), _together(asked)
    return replace(
        asked[-1],
        question=question,
        text=told.text,
        citations=told.citations,
        confidence=told.confidence,
        hits=hits,
        dropped=dropped,
        tokens=max((answer.tokens for answer in asked), key=lambda tokens: tokens.prompt + tokens.generated),
        timing_ms=_summed([searched_ms, *(answer.timing_ms for answer in asked)]),
        hops=tuple(made),
    )


def _together(asked: Sequence[Answer]) -> tuple[tuple[Hit, ...], tuple[int, ...]]:
    """The hits of all answers, those first that were read, and the ranks of those that none read."""
    read = {hit.passage.id: hit for one in asked for hit in one.hits if hit.rank not in one.dropped}
    every = {**read, **{hit.passage.id: hit for one in asked for hit in one.hits if hit.passage.id not in read}}
    hits = tuple(replace(hit, rank=rank) for rank, hit in enumerate(every.values(), 1))
    return hits, tuple(hit.rank for hit in hits[len(read) :])


def _summed(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {stage: sum(one.get(stage, 0.0) for one in each) for stage in {key: None for one in each for key in one}}
