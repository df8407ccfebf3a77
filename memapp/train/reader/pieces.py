"""What prompts are put together from while the reader is trained: texts as tokens, and questions on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.train.ragged import Ints, Ragged

FRAME = ("head", "question", "again", "tail", "answer", "nothing", "end", "ask_head", "ask_next", "formal", "brief")
"""The texts around passages, questions and answers; `prepare` says what each is."""
MOST = 20
"""Passages that can be numbered."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Passages, questions and answers as tokens, and what belongs together."""

    passages: Ragged
    questions: Ragged
    answers: Ragged
    """One of each question, as it stands in its passage."""
    aliases: Ragged
    """All right answers of each question, as UTF-8, with a newline between."""
    gold: Ints
    """The passage of each question."""
    near: Ints
    """Passages that a search finds for each question, best first, without the gold and without the answer, -1 where
    there are no more: shape (questions, n)."""
    alike: Ints
    """Those nearest to each passage: shape (passages, n)."""
    held_out: NDArray[np.bool_]
    """Whether a question is kept for measuring. Its passage then trains nothing."""
    formal: NDArray[np.bool_]
    """Whether a question is a sentence, or in the brief form that is typed into a search."""
    spare: Ints
    """Passages to make questions of."""
    frame: Ragged
    """In the order of FRAME, then " [1]" and so on as after an answer, then "\\n[1]" and so on as before a passage."""
    spelled: Ragged
    """The bytes of every token."""

    def part(self, name: str) -> Ints:
        """A text of the frame."""
        return self.frame[FRAME.index(name)]

    def cited(self, number: int) -> Ints:
        """The number of a passage behind an answer, from 1."""
        return self.frame[len(FRAME) + number - 1]

    def numbered(self, number: int) -> Ints:
        """The number of a passage before it, from 1."""
        return self.frame[len(FRAME) + MOST + number - 1]

    def text(self, tokens: Sequence[int] | Ints) -> str:
        """What tokens spell."""
        return b"".join(self.spelled[int(token)].astype(np.uint8).tobytes() for token in tokens).decode(
            "utf-8", "replace"
        )

    def right(self, question: int) -> tuple[str, ...]:
        """The right answers to a question."""
        return tuple(self.aliases[question].astype(np.uint8).tobytes().decode("utf-8").split("\n"))
