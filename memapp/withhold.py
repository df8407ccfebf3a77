"""When an answer is not given: what hops leave of it, and what another speaker said."""

from __future__ import annotations

from dataclasses import replace

from memapp.answer import cite, confidence, speakers
from memapp.layers.episodic import question as naming
from memapp.multihop import Tried
from memapp.search import TURNS, Recall
from memapp.store import content
from memapp.types import Answer, Citation, Query, SearchResult

_TURNS = 20
"""Turns that are looked at for what another speaker says."""


def withheld(answer: Answer) -> Answer:
    """The abstention in its place."""
    return replace(answer, text=confidence.NOTHING, citations=(), abstained=True)


def after_hops(answer: Answer, tried: Tried, bound: float) -> Answer:
    """The answer to a whole question that hops did not answer, with half the confidence; withheld where that is too
    little or the question is not answered so. As it is where no hops were tried."""
    if tried.plan is None:
        return answer
    if answer.abstained:
        return replace(answer, hops=tried.hops)
    answer = replace(answer, confidence=round(answer.confidence / 2, 4))
    if answer.confidence < bound or not tried.plan.admits(cite.unmarked(answer.text)):
        return replace(withheld(answer), hops=tried.hops)
    return answer


def of_another(recall: Recall, found: SearchResult, answer: Answer) -> Answer:
    """The answer, withheld if what it cites of a conversation tells of another speaker than the question does."""
    name = speakers.asked_about(found.question, found.hits)
    if not name or not answer.citations or recall.settings.trust_model:
        return answer
    other = _another(recall, found, answer.citations[0], name)
    if not other:
        return answer
    return replace(withheld(answer), text=confidence.OF_ANOTHER.format(name, other), confidence=0.0)


def _another(recall: Recall, found: SearchResult, cited: Citation, name: str) -> str:
    """Who else a cited turn tells of, or whose words come far nearer than it; empty when it is the one of this name."""
    passage = next((hit.passage for hit in found.hits if hit.passage.id == cited.passage), None)
    if passage is None or passage.said is None:
        return ""
    other = speakers.of_another(name, cited, passage)
    layer = recall.layers.get(TURNS)
    if other or layer is None:
        return other
    text = naming.nameless(found.question, [name])
    scores = layer.recall(Query(text, recall.embedder.embed([text])[0]), _TURNS)
    return speakers.closer(name, passage.id, scores, content.passages_by_id(recall.store, [s.passage for s in scores]))
