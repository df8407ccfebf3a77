"""The prompt that an answer is measured after: instruction, what was read as tokens or as soft tokens, question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memapp.answer.prompt import build
from memapp.types import Message

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

    def question(self, text: str) -> list[int]:
        """From the end of the passages to where the answer begins."""
        return [*self.plain(f"\n\nQuestion: {text}"), *self.after]

    def prompt(self, read: Sequence[str | Vectors], question: str) -> list[Part]:
        """Passages as text or as soft tokens, in order, then the question."""
        if not read:
            return [[*self.alone, *self.question(question)]]
        parts = [each if isinstance(each, np.ndarray) else self.plain(each) for each in read]
        return [list(self.before), *parts, self.question(question)]


def frame(model: Model) -> Frame:
    """The frame that this model's template makes. Raises ModelError for a template that cannot be read."""
    from memapp.models.template import Template

    template = Template(model)
    instruction = build("", [], [], 0, lambda _: 0).messages[0]

    def plain(text: str) -> list[int]:
        return model.tokenize(text, special=False)

    alone, after = template.around((instruction, Message("user", "")))
    return Frame((*alone, *plain("Passages:\n\n")), tuple(alone), tuple(after), plain)
