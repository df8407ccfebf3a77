"""Clues for vague questions: what the chat model, which knows the gist of a collection, would look for.

After MemoRAG (Qian et al., 2025): from a global memory the model drafts stretches of text that would hold the answer,
clearer questions and an answer, and all are searched for beside the question. Here the memory is a list of the
collection's key sentences, which begin every such prompt, so that what the model makes of them is computed once. A
small model chooses among names that stand in near passages, under a grammar: such clues cannot be made up. The best
hits of the question itself keep a place whatever the clues find.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from memapp.errors import UsageError
from memapp.models.harmless import harmless
from memapp.protocols import Engine
from memapp.types import Hit, LayerShare, Message, Piece, Sampling

OFF, CHOSEN, DRAFTED = WAYS = ("off", "chosen", "drafted")
VAGUE = 0.5
"""A question whose best hit scores less is vague."""
LINES = 3
"""Clues of a kind, at most."""
OFFERED = 60
"""Names to choose from, at most."""
_TEXT, _QUESTION = 0.7, 0.5
"""Weights of what is found by text, and by a question or an answer of the model's."""
_ASKED = {
    "Copy out of it, or write as it would be written there, at most three short texts that hold the answer, one a "
    "line.": _TEXT,
    "Write at most three clearer questions that lead to the answer, one a line.": _QUESTION,
    "Answer in one sentence.": _QUESTION,
}
_CHOOSE = "Which of these names is the question about? Name the likeliest, at most three."
_SHORTEST = 4
"""Words of a clue that says something."""
_TOKENS = 96
_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")
_SHARE = "clues"


@dataclass(frozen=True, slots=True)
class Clue:
    """A further query, and how much what it finds counts beside what the question finds."""

    text: str
    weight: float


def wanted(way: str, hits: Sequence[Hit]) -> bool:
    """Whether clues are to be drafted after these hits, best first. Raises UsageError for an unknown way."""
    if way not in WAYS:
        raise UsageError(f"There are no clues '{way}'.", f"Known: {', '.join(WAYS)}.")
    return way != OFF and bool(hits) and hits[0].score < VAGUE


def drafted(question: str, gist: Sequence[str], engine: Engine) -> tuple[Clue, ...]:
    """What the model writes: texts, questions and an answer; three prompts with one beginning."""
    found: dict[str, float] = {}
    for task, weight in _ASKED.items():
        written = _written(_messages(question, gist, task), engine)
        lines = [" ".join(_MARK.sub("", line).split()) for line in written.splitlines()]
        telling = [line for line in lines if len(line.split()) >= _SHORTEST and line.casefold() != question.casefold()]
        for line in telling[:LINES]:
            found.setdefault(line, weight)
    return tuple(Clue(text, weight) for text, weight in found.items())


def chosen(question: str, gist: Sequence[str], phrases: Sequence[str], engine: Engine) -> tuple[Clue, ...]:
    """What the model chooses of phrases that the question does not have, each put behind the question."""
    offered = _offered(question, phrases)
    if not offered:
        return ()
    task = f"{_CHOOSE}\n{'; '.join(map(harmless, offered))}"
    name = " | ".join(json.dumps(phrase, ensure_ascii=False) for phrase in offered)
    grammar = f'root ::= " "? name ("; " name)? ("; " name)?\nname ::= {name}'
    names = _written(_messages(question, gist, task), engine, grammar).split("; ")
    known = dict.fromkeys(name.strip() for name in names if name.strip() in offered)
    return tuple(Clue(f"{question} {name}", _TEXT) for name in known)


def fused(own: Sequence[Hit], led: Sequence[tuple[Clue, Sequence[Hit]]], k: int) -> tuple[Hit, ...]:
    """The k best hits: a passage has the question's score or a clue's by its weight, whichever is more.

    The better half of the question's own k keep a place.
    """
    best = {hit.passage.id: hit for hit in own}
    for clue, hits in led:
        for hit in hits:
            score = clue.weight * hit.score
            share = LayerShare(_SHARE, hit.rank, score, f'by "{clue.text}"')
            known = best.get(hit.passage.id)
            if known is None:
                best[hit.passage.id] = replace(hit, score=score, shares=(*hit.shares, share))
            elif score > known.score:
                best[hit.passage.id] = replace(known, score=score, shares=(*known.shares, share))
    floor = [hit.passage.id for hit in own[: -(-k // 2)]]
    order = sorted(best.values(), key=lambda hit: (-hit.score, hit.passage.id))
    others = [hit for hit in order if hit.passage.id not in floor][: k - len(floor)]
    taken = {*floor, *(hit.passage.id for hit in others)}
    kept = [hit for hit in order if hit.passage.id in taken]
    return tuple(replace(hit, rank=rank) for rank, hit in enumerate(kept, 1))


def _offered(question: str, phrases: Sequence[str]) -> list[str]:
    """The commonest that a grammar can hold and the question does not."""
    asked = question.casefold()
    plain = [phrase for phrase in phrases if phrase.casefold() not in asked and harmless(phrase) == phrase]
    counted = Counter(phrase for phrase in plain if phrase.isprintable() and ";" not in phrase)
    return [phrase for phrase, _ in counted.most_common(OFFERED)]


def _messages(question: str, gist: Sequence[str], task: str) -> tuple[Message, ...]:
    """A conversation whose beginning is the same for every question, so that its state is kept."""
    told = "\n".join(f"- {' '.join(harmless(line).split())}" for line in gist)
    return (
        Message("user", f"This is a collection of texts in short.\n\n{told}\n\nThat is all. Questions follow."),
        Message("assistant", "I have read it. What is the question?"),
        Message("user", f"Question: {' '.join(harmless(question).split())}\n\n{task}"),
    )


def _written(messages: Sequence[Message], engine: Engine, grammar: str = "") -> str:
    sampling = Sampling(_TOKENS, stop=("\n\n",), grammar=grammar)
    return "".join(piece.text for piece in engine.stream(messages, sampling) if isinstance(piece, Piece))
