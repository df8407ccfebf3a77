"""How a model that was taught to read is asked, and what it writes: a few words, the number of a passage, or "[0]".

The question stands before the passages too, so that what a causal model makes of them knows what is asked (JRT-prompt;
Arora et al., 2024, "Just read twice"). Training and answering take the form from here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from memapp.answer import cite
from memapp.models.harmless import harmless
from memapp.read.times import Period, moment
from memapp.types import Apart, Hit, Message, Passage, SetPrompt, Span, Turn

SYSTEM = "Answer from the passages in a few words and say which one tells."
QUESTION = "Question:"
ANSWER = "Answer:"
NOTHING = "[0]"
"""Written where no passage tells."""
AGAIN = 200
"""Letters of the best passage that are read again where passages are read apart."""
_CLAUSE = 40
"""Letters of a clause, at least; the last of its sentence may have half as many."""

_BETWEEN = re.compile(r"[,;:)]\s|\s(?=\()")
_ROUND = str.maketrans("[]", "()")
_WRITTEN = re.compile(r"^(?P<text>.*?)\s*\[(?P<number>\d+)\]\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Written:
    """What the reader said."""

    text: str
    number: int
    """Of the passage that it names, from 1; 0 where it says that none tells, -1 where it names none."""


def messages(question: str, passages: Sequence[Passage], before: bool = True) -> tuple[Message, ...]:
    """The prompt; the answer goes on with its last message."""
    asked = f"{QUESTION} {flat(question)}"
    read = "".join(f"\n[{n}] {shown(one)}" for n, one in enumerate(passages, 1))
    text = f"{asked}{read}\n{asked}" if before else f"{read.lstrip()}\n{asked}"
    return (Message("system", SYSTEM), Message("user", text), Message("assistant", ANSWER))


class Form:
    """The reader's prompts, as `prompt.build` wants them. The question must speak for itself: earlier turns are not
    read."""

    def messages(self, question: str, hits: Sequence[Hit], turns: Sequence[Turn]) -> tuple[Message, ...]:
        """With the hits one after another."""
        return messages(question, [hit.passage for hit in hits])

    def apart(self, question: str, hits: Sequence[Hit], turns: Sequence[Turn]) -> SetPrompt:
        """With the hits apart: each is the first passage, and read without the question; but what of the best one is
        most like the question is read again, with the question before it."""
        asked = f"{QUESTION} {flat(question)}"
        best = min(hits, key=lambda hit: hit.rank, default=None)
        passages = []
        for hit in hits:
            text = f"[1] {shown(hit.passage)}\n"
            passages.append(Apart(hit.passage.id, text, alike(question, text) if hit is best else ()))
        return SetPrompt((Message("system", SYSTEM),), "", tuple(passages), asked, ANSWER, f"{asked}\n" if hits else "")


def alike(question: str, text: str) -> tuple[Span, ...]:
    """The clauses of a text that share most words with the question, half as much their sentences, as they stand: one,
    and more as far as AGAIN letters go; the first where several share as many."""
    asked = set(cite.words(question))

    def shared(span: Span) -> int:
        return len(asked & set(cite.words(text[span.start : span.end])))

    worth = {
        clause: shared(clause) + shared(sentence) / 2
        for sentence in (Span(*found) for found in cite.sentences(text))
        for clause in _clauses(text, sentence)
    }
    kept: list[Span] = []
    left = AGAIN
    for clause in sorted(worth, key=lambda clause: -worth[clause]):
        if not kept or clause.end - clause.start <= left:
            kept.append(clause)
            left -= clause.end - clause.start
    return tuple(sorted(kept, key=lambda clause: clause.start))


def _clauses(text: str, sentence: Span) -> list[Span]:
    """A sentence cut at its commas and brackets, but not into snippets."""
    starts = [sentence.start]
    for found in _BETWEEN.finditer(text, sentence.start, sentence.end):
        if found.end() - starts[-1] >= _CLAUSE and sentence.end - found.end() >= _CLAUSE / 2:
            starts.append(found.end())
    return [Span(start, end) for start, end in pairwise([*starts, sentence.end])]


def flat(text: str) -> str:
    """A text on one line."""
    return " ".join(harmless(text).split())


def shown(one: Passage) -> str:
    """A passage under its title, or a turn of a conversation under who said it on which day.

    Of a turn, square brackets become round ones: dates in them are not to be taken for numbers of passages.
    """
    said = one.said
    if said is None:
        return passage(one.title, one.text)
    when = moment(said.time) if said.time else None
    by = f"{said.speaker} ({Period(when.date(), when.date())})" if when else said.speaker
    return f"{flat(by)}: {harmless(one.text[one.stamp :]).strip()}".translate(_ROUND)


def passage(title: str, text: str) -> str:
    """A passage under its title."""
    return f"{flat(title)}\n{harmless(text).strip()}" if title.strip() else harmless(text).strip()


def written(text: str) -> Written:
    """Takes what the reader wrote apart."""
    match = _WRITTEN.match(text.strip())
    if match is None:
        return Written(text.strip(), -1)
    return Written(match["text"].strip(), int(match["number"]))
