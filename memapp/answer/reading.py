"""How a model that was taught to read is asked, and what it writes: a few words, the number of a passage, or "[0]".

The question stands before the passages too, so that what a causal model makes of them knows what is asked (JRT-prompt;
Arora et al., 2024, "Just read twice"). Training and answering take the form from here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memapp.models.harmless import harmless
from memapp.read.times import Period, moment
from memapp.types import Apart, Hit, Message, Passage, SetPrompt, Turn

SYSTEM = "Answer from the passages in a few words and say which one tells."
QUESTION = "Question:"
ANSWER = "Answer:"
NOTHING = "[0]"
"""Written where no passage tells."""
DISTRACTING = 1.2
"""Attention temperature of a passage that scores nothing beside the best one."""
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
        """With the hits apart: each is the first passage, and the question comes after them only. The others draw less
        attention than the best one, the less they score."""
        best = min(hits, key=lambda hit: hit.rank).score if hits else 0.0
        passages = tuple(
            Apart(hit.passage.id, f"[1] {shown(hit.passage)}\n", temperature(hit.score, best)) for hit in hits
        )
        return SetPrompt((Message("system", SYSTEM),), "", passages, f"{QUESTION} {flat(question)}", ANSWER)


def temperature(score: float, best: float) -> float:
    """Of the attention to a passage, by its score and that of the best one: from 1, for that, to DISTRACTING."""
    behind = 1 - score / best if best > 0 else 0.0
    return 1 + (DISTRACTING - 1) * min(max(behind, 0.0), 1.0)


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
