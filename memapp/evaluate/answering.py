"""The model as it is asked when answers are measured, and what it is given to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from memapp.answer import prompt, reading
from memapp.ask import form_of
from memapp.errors import UsageError
from memapp.evaluate import metrics
from memapp.evaluate.data import Question
from memapp.memory import Memory
from memapp.models.llama import LlamaEngine
from memapp.models.set_prompt import Apart, Plain, Tokens
from memapp.protocols import StateStore
from memapp.types import Hit, Message, Piece, Sampling, SetPrompt

_FOUND = 40


@dataclass(frozen=True, slots=True)
class Answering:
    """A model that is asked plainly, or as it was taught to read."""

    engine: LlamaEngine
    taught: bool
    tokens: int
    """Of an answer, at most."""

    @property
    def form(self) -> prompt.Form:
        """How it is asked."""
        return form_of(self.engine.taught if self.taught else None)

    @property
    def room(self) -> int:
        """Tokens of a prompt."""
        return self.engine.context_tokens - 2 * self.tokens

    def sequential(self, question: str, hits: Sequence[Hit]) -> Plain:
        """The prompt with these hits one after another."""
        made = prompt.build(question, hits, (), self.room, self.engine.count, self.form)
        return Plain(self.engine.tokens_of(made.messages))

    def unnumbered(self, question: str, hits: Sequence[Hit]) -> Plain:
        """The text of a set, one passage after another."""
        made = prompt.build_set(question, hits, (), self.room, self.engine.count_set, self.form)
        begun = (Message("assistant", made.apart.begun),) if made.apart and made.apart.begun else ()
        return Plain(self.engine.tokens_of((*made.messages, *begun)))

    def apart(self, question: str, hits: Sequence[Hit], states: StateStore | None = None, again: str = "") -> Apart:
        """The prompt with these hits apart, and what is said again after them."""
        return self.engine.tokens_apart(self.set_of(question, hits, again), states, self.taught)

    def set_of(self, question: str, hits: Sequence[Hit], again: str = "") -> SetPrompt:
        """The same, not yet as tokens."""
        made = prompt.build_set(question, hits, (), self.room, self.engine.count_set, self.form).apart
        assert made is not None
        return replace(made, closing=again + made.closing)

    def forced(self, made: Tokens, question: Question) -> float:
        """The log-probability of the first gold answer."""
        answer = question.answers[0]
        return self.engine.forced(made, f" {answer}" if self.taught else answer, taught=self.taught)

    def said(self, made: Tokens) -> str:
        """The greedy answer."""
        sampling = Sampling(self.tokens, stop=("\n",) if self.taught else ("\n\n",))
        pieces = self.engine.written(made, sampling, taught=self.taught)
        return "".join(piece.text for piece in pieces if isinstance(piece, Piece))

    def scored(self, text: str, question: Question) -> float:
        """F1 of a greedy answer; an abstention has none."""
        return metrics.f1(reading.written(text).text if self.taught else text, question.answers)


def among_others(memory: Memory, question: Question, size: int) -> list[Hit]:
    """The gold passage and the best others that a search finds, `size` in all, best first.

    A gold passage that is not found stands last. Raises UsageError when there are too few others.
    """
    hits = memory.recall(question.text, _FOUND)
    gold = next((hit for hit in hits if hit.passage.document in question.gold), None)
    others = [hit for hit in hits if hit.passage.document not in question.gold][: size - 1]
    if gold is None and hits:
        gold = replace(hits[-1], passage=memory.passages(next(iter(question.gold)))[0])
    if gold is None or len(others) < size - 1:
        raise UsageError("The corpus is too small.", f"It takes {size} passages a question.")
    return sorted([gold, *others], key=lambda hit: hit.rank)
