"""How fast a form of a model is on this machine, and how likely it finds a text. Decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from memapp.models.native import Context, Model, Options
from memapp.models.reading import TEXT
from memapp.models.sampling import log_probability

ASK_PROMPT, ASK_ANSWER = 800, 60
"""Tokens read and written by a typical question."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second."""

    prefill: float
    decode: float
    """With the prompt in the window."""

    @property
    def ask_seconds(self) -> float:
        """Time of a typical question."""
        return ASK_PROMPT / self.prefill + ASK_ANSWER / self.decode

    @property
    def first_token_ms(self) -> float:
        """Time from a typical prompt to the first token of its answer."""
        return 1000 * (ASK_PROMPT / self.prefill + 1 / self.decode)


def speeds(
    forms: Mapping[str, tuple[Path, Options]],
    *,
    prompt: int,
    answer: int,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Speed]:
    """Each form's best of `repeats`, measured in turns so that other work on the machine strikes all alike.

    With one thread in the options, `clock` may be time.thread_time, which other work hardly touches. Raises
    ModelDamaged or ModelError when a form cannot be opened.
    """
    best = dict.fromkeys(forms, Speed(0.0, 0.0))
    with ExitStack() as stack:
        contexts = {name: _open(stack, path, options, prompt + answer) for name, (path, options) in forms.items()}
        for context in contexts.values():
            _once(context, 32, 1, clock)
        for _ in range(repeats):
            for name, context in contexts.items():
                now = _once(context, prompt, answer, clock)
                best[name] = Speed(max(best[name].prefill, now.prefill), max(best[name].decode, now.decode))
    return best


def _open(stack: ExitStack, path: Path, options: Options, tokens: int) -> Context:
    model = stack.enter_context(closing(Model(path, options)))
    return stack.enter_context(closing(model.context(replace(options, context_tokens=-(-tokens // 256) * 256))))


def _once(context: Context, prompt: int, answer: int, clock: Callable[[], float]) -> Speed:
    tokens = context.model.tokenize(TEXT, special=False)[: prompt + answer]
    context.keep(0)
    start = clock()
    context.extend(tokens[:prompt], _never)
    context.logits()
    read = clock()
    for token in tokens[prompt:]:
        context.extend([token], _never)
        context.logits()
    written = clock()
    return Speed(prompt / (read - start), answer / (written - read))


def _never() -> bool:
    return False


def loglikelihood(path: Path, options: Options, text: str = TEXT) -> tuple[float, int]:
    """The natural log of the probability that the model gives the text after its first token, and its tokens."""
    with ExitStack() as stack:
        model = stack.enter_context(closing(Model(path, options)))
        tokens = model.tokenize(text, special=False)
        context = stack.enter_context(closing(model.context(replace(options, context_tokens=len(tokens) + 8))))
        return sum(token_logprobs(context, tokens, options.ubatch_tokens)), len(tokens) - 1


def token_logprobs(context: Context, tokens: list[int], ubatch: int) -> Iterator[float]:
    """Log-probability of every token after the first; empties the window before."""
    context.keep(0)
    for start in range(0, len(tokens) - 1, ubatch):
        rows = context.every_logits(tokens[start : start + ubatch])
        following = tokens[start + 1 : start + ubatch + 1]
        yield from (log_probability(row, token) for row, token in zip(rows, following, strict=False))
