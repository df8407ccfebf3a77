"""Follows a plan: asks one question after another and puts their answers together (Self-ask; Press et al., 2023)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from memapp.answer import cite, decompose
from memapp.answer.plan import Bridge, Plan
from memapp.types import Answer, Citation, Hop

DEEPEST = 3
"""Plans within plans."""
LONGEST = 12
"""Words of an answer that names something for the next question to be about."""

Ask = Callable[[str], Answer]
"""A question that takes one hop, to its answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the hops come to."""

    text: str
    citations: tuple[Citation, ...]
    """Of all hops that it rests on, in their order."""
    confidence: float
    """That all of them are right."""

    def marked(self) -> Outcome:
        """With each citation numbered once, and the numbers behind the text."""
        places = {(one.passage, one.start, one.end): one for one in self.citations}
        numbered = tuple(replace(one, n=n) for n, one in enumerate(places.values(), 1))
        return replace(self, text=f"{self.text} {''.join(f'[{one.n}]' for one in numbered)}", citations=numbered)


def follow(plan: Plan, ask: Ask, deepest: int = DEEPEST) -> Generator[Hop, None, Outcome | None]:
    """Every hop once it is made, and what they come to; None where one has no answer or the answers decide nothing."""
    if isinstance(plan, Bridge):
        first = yield from _followed(plan.first, ask, deepest)
        if first is None or len(first.text.split()) > LONGEST or _repeats(first.text, plan.first):
            return None
        second = yield from _followed(plan.about(first.text), ask, deepest)
        if second is None or _repeats(second.text, f"{plan.first} {plan.then}"):
            return None
        return _joined(second.text, first, second)
    one = yield from _followed(plan.questions[0], ask, deepest)
    other = one and (yield from _followed(plan.questions[1], ask, deepest))
    if one is None or other is None:
        return None
    decided = plan.decided([Hop("", each.text, each.citations, each.confidence) for each in (one, other)])
    return _joined(decided, one, other) if decided else None


def _followed(question: str, ask: Ask, deepest: int) -> Generator[Hop, None, Outcome | None]:
    plan = decompose.plan(question) if deepest else None
    if plan is not None:
        return (yield from follow(plan, ask, deepest - 1))
    answer = ask(question)
    text = "" if answer.abstained else cite.unmarked(answer.text)
    hop = Hop(question, text, () if answer.abstained else answer.citations, answer.confidence)
    yield hop
    return Outcome(text, hop.citations, hop.confidence) if text and hop.citations else None


def _repeats(answer: str, question: str) -> bool:
    return set(cite.words(answer)) <= set(cite.words(question))


def _joined(text: str, one: Outcome, other: Outcome) -> Outcome:
    return Outcome(text, one.citations + other.citations, round(one.confidence * other.confidence, 4))
