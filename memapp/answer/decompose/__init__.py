"""Takes a question apart that needs several facts, by the form of English questions.

A small model reads one fact at a time. So "When did the director of Jump for Glory die?" becomes "Who directed Jump for
Glory?" and a question about that person, and "Who is older, A or B?" one question about each (question decomposition by
spans; DecompRC, Min et al., 2019). What has no such form stays whole.
"""

from __future__ import annotations

from collections.abc import Iterable

from memapp.answer.decompose import bridges, comparisons
from memapp.answer.plan import Plan

LONGEST = 500
"""Characters of a question that is taken apart; longer ones tell a story, and would take long to look through."""


def plan(question: str) -> Plan | None:
    """How a question is answered in several hops; None where it is asked as it is."""
    text = _one_line(question)
    if len(text) > LONGEST:
        return None
    return comparisons.agreement(text) or comparisons.comparison(text) or bridges.bridge(text)


def outright(question: str, passages: Iterable[str]) -> bool:
    """Whether a passage tells outright what `plan` would take two hops for: who is somebody's father-in-law."""
    text = _one_line(question)
    return len(text) <= LONGEST and bridges.outright(text, passages)


def _one_line(question: str) -> str:
    return " ".join(question.split()).replace(" 's ", "'s ")
