"""The prompt that an answer is measured after: instruction, what was read as tokens or as soft tokens, question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memapp.answer import reading
from memapp.answer.prompt import build
from memapp.ask import OPENING
from memapp.models.soft import softened
from memapp.models.template import Template
from memapp.types import Message, Passage, SoftPrompt

if TYPE_CHECKING:
    from memapp.models.native import Model
    from memapp.types import Vectors

Part = list[int] | np.ndarray


@dataclass(frozen=True, slots=True)
class Frame:
    """The tokens around what is read."""

    before: tuple[int, ...]
    """Up to the first passage."""
    alone: tuple[int, ...]
    """Up to a question without passages."""
    after: tuple[int, ...]
    """From the end of the question to where the answer begins."""
    plain: Callable[[str], list[int]]
    """Tokens of a text."""

    def answer(self, text: str) -> list[int]:
        """Tokens of an answer."""
        return self.plain(text)

    def question(self, text: str) -> list[int]:
        """From the end of the passages to where the answer begins."""
        return [*self.plain(f"\n\nQuestion: {text}"), *self.after]

    def prompt(self, read: Sequence[str | Vectors], question: str) -> list[Part]:
        """Passages as text or as soft tokens, in order, then the question."""
        if not read:
            return [[*self.alone, *self.question(question)]]
        parts = [each if isinstance(each, np.ndarray) else self.plain(each) for each in read]
        return [list(self.before), *parts, self.question(question)]


@dataclass(frozen=True, slots=True)
class TaughtFrame:
    """The same for the model as it was taught to read; texts are titles and what stands below them."""

    model: Model
    template: Template

    def prompt(self, read: Sequence[str | Vectors], question: str) -> list[Part]:
        """Soft tokens first, then passages as text, in order, then the question."""
        soft = tuple(each for each in read if isinstance(each, np.ndarray))
        texts = [each.partition("\n") for each in read if not isinstance(each, np.ndarray)]
        passages = [Passage(0, "", title, text, 0, len(text)) for title, _, text in texts]
        made = softened(self.model, self.template, SoftPrompt(reading.messages(question, passages), OPENING, soft))
        return (
            [made.head, made.rows, made.tail] if soft else [self.template.tokens(reading.messages(question, passages))]
        )

    def answer(self, text: str) -> list[int]:
        """Tokens of an answer."""
        return self.model.tokenize(f" {text}", special=False)


def frame(model: Model) -> Frame:
    """The frame that this model's template makes. Raises ModelError for a template that cannot be read."""
    template = Template(model)
    instruction = build("", [], [], 0, lambda _: 0).messages[0]

    def plain(text: str) -> list[int]:
        return model.tokenize(text, special=False)

    alone, after = template.around((instruction, Message("user", "")))
    return Frame((*alone, *plain("Passages:\n\n")), tuple(alone), tuple(after), plain)
