"""Passages put in order by the chat model: by one token over a list of them, or by how likely each makes the question.

The first is FIRST (Reddy et al., Faster Improved Listwise Reranking with Single Token Decoding, EMNLP 2024), with the
model's liking for some letters taken off (calibration on passages that say nothing). The second is the query likelihood
of Ponte and Croft (1998) with a language model, as in Sachan et al. (UPR, 2022). What each is worth with the default
model, and what it costs, is measured by `memapp bench rerank`; it is off by default.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence

from memapp.errors import UsageError
from memapp.models.harmless import harmless
from memapp.protocols import Judge
from memapp.types import Hit, Message

OFF, LISTWISE, LIKELIHOOD = RERANKERS = ("off", "listwise", "likelihood")
DEPTH = 20
"""Passages that are put in order."""
_WINDOW, _STEP = 20, 10
_WORDS = 120
"""Words of a passage that are shown in a list."""
_BLANK = "N/A"


def reranked(method: str, question: str, hits: Sequence[Hit], judge: Judge) -> list[Hit]:
    """The hits, best first; those behind DEPTH stay behind. Raises UsageError for an unknown method."""
    methods: dict[str, Callable[[str, Sequence[Hit], Judge], list[Hit]]] = {
        OFF: lambda _, hits, __: list(hits),
        LISTWISE: listwise,
        LIKELIHOOD: likelihood,
    }
    if method not in methods:
        raise UsageError(f"There is no way '{method}' to put passages in order.", f"Known: {', '.join(RERANKERS)}.")
    return [*methods[method](question, hits[:DEPTH], judge), *hits[DEPTH:]]


def likelihood(question: str, hits: Sequence[Hit], judge: Judge) -> list[Hit]:
    """By the log-probability of the question after each passage: a prompt a passage."""
    asked = harmless(question)
    worth = {hit.rank: judge.forced(_written_of(hit), asked) for hit in hits}
    return sorted(hits, key=lambda hit: (-worth[hit.rank], hit.rank))


def listwise(question: str, hits: Sequence[Hit], judge: Judge) -> list[Hit]:
    """By the letters that the model would name first, in windows from the end of the list to its beginning."""
    found = list(hits)
    start = max(0, len(found) - _WINDOW)
    while True:
        found[start : start + _WINDOW] = _ordered(question, found[start : start + _WINDOW], judge)
        if start == 0:
            return found
        start = max(0, start - _STEP)


def _ordered(question: str, hits: Sequence[Hit], judge: Judge) -> list[Hit]:
    letters = string.ascii_uppercase[: len(hits)]
    said = judge.chances(_list_of(question, [_text(hit) for hit in hits]), letters)
    liking = judge.chances(_list_of(question, [_BLANK] * len(hits)), letters)
    worth = {hit.rank: one - other for hit, one, other in zip(hits, said, liking, strict=True)}
    return sorted(hits, key=lambda hit: (-worth[hit.rank], hit.rank))


def _list_of(question: str, texts: Sequence[str]) -> tuple[Message, ...]:
    listed = "\n".join(f"[{letter}] {text}" for letter, text in zip(string.ascii_uppercase, texts, strict=False))
    asked = (
        f"Here are {len(texts)} passages, each with a letter.\n\n{listed}\n\nWhich passage helps most to answer this "
        f"question: {harmless(question)}\nName its letter."
    )
    return (Message("user", asked), Message("assistant", "["))


def _written_of(hit: Hit) -> tuple[Message, ...]:
    return (Message("user", f"{_text(hit)}\n\nWrite a question that this passage answers."),)


def _text(hit: Hit) -> str:
    words = f"{harmless(hit.passage.title)}: {harmless(hit.passage.text)}".split()
    return " ".join(words[:_WORDS])
