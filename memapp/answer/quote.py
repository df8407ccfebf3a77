"""The sentence of the passages that comes closest to a question: what to show when the model found no words for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memapp.answer.cite import sentences, words
from memapp.types import Citation, Hit, Passage, Vectors

MEANING = 0.7
"""Weight of the cosine between sentence and question; the rest is the share of the question's words that it holds."""
_ASKS = "?？؟"
"""A question in the text is like the question that is asked, but answers nothing."""
_SHORTEST = 3
"""Words that a sentence must have to say something."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence as it stands, and how well it fits, in [0, 1]."""

    citation: Citation
    fit: float


def only_asks(passage: Passage) -> bool:
    """Whether it is a turn of a conversation that has nothing but questions."""
    words = passage.text[passage.stamp :]
    return passage.said is not None and all(words[end - 1] in _ASKS for _, end in sentences(words))


def best(question: str, asked: Vectors, hits: Sequence[Hit], embed: Callable[[Sequence[str]], Vectors]) -> Quote | None:
    """The best sentence of the hits; None when there is none. `asked` is the question's unit vector."""
    found = [
        (hit, start, end)
        for hit in hits
        for start, end in sentences(hit.passage.text)
        if len(words(hit.passage.text[start:end])) >= _SHORTEST and hit.passage.text[end - 1] not in _ASKS
    ]
    if not found:
        return None
    texts = [f"{hit.passage.title}: {hit.passage.text[start:end]}" for hit, start, end in found]
    wanted = set(words(question))
    fits = [
        MEANING * max(float(cosine), 0.0) + (1 - MEANING) * len(wanted & set(words(text))) / max(1, len(wanted))
        for cosine, text in zip(embed(texts) @ asked, texts, strict=True)
    ]
    index = max(range(len(found)), key=fits.__getitem__)
    hit, start, end = found[index]
    passage = hit.passage
    return Quote(
        Citation(
            1,
            passage.document,
            passage.title,
            passage.text[start:end],
            passage.start + start,
            passage.start + end,
            passage.id,
            passage.source,
            passage.page,
        ),
        min(fits[index], 1.0),
    )
