"""How likely an answer is by what a span reader makes of its passage."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from memapp.protocols import Spans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Point = Callable[[str, Sequence[str]], Sequence[Spans]]
"""A question and passages to what a span reader makes of each."""


def logprob(spans: Spans, passage: str, answer: str) -> float:
    """Of all places in the passage that say the answer, together, in nats; minus infinity where none does."""
    found = [float(spans.starts[first] + spans.ends[last]) for first, last in places(passage, spans.offsets, answer)]
    top = max(found, default=-math.inf)
    return top + math.log(sum(math.exp(one - top) for one in found)) if found else top


def places(passage: str, offsets: Sequence[tuple[int, int]] | NDArray[np.int32], answer: str) -> list[tuple[int, int]]:
    """The first and last token of everything in the passage that is the answer, whatever its case."""
    text, said = passage.casefold(), answer.casefold()
    if len(text) != len(passage):
        text, said = passage, answer
    first = {int(start): n for n, (start, _) in enumerate(offsets)}
    last = {int(end): n for n, (_, end) in enumerate(offsets)}
    found, at = [], text.find(said) if said else -1
    while at >= 0:
        if at in first and at + len(said) in last:
            found.append((first[at], last[at + len(said)]))
        at = text.find(said, at + 1)
    return found
