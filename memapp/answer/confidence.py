"""How far an answer can be relied on, and when it is better not given."""

from __future__ import annotations

import math
import re

ABSTAIN_BELOW = 0.2
"""Confidence under which the answer is withheld."""
NOTHING = "Memory does not hold an answer to that."

_UNSURE = re.compile(
    r"\b(?:i (?:do not|don't|don’t) know|(?:not|isn't|is not) (?:mentioned|stated|given|specified|provided)|no information)\b",
    re.IGNORECASE,
)


def confidence(text: str, support: float, logprob: float, tokens: int, score: float) -> float:
    """In [0, 1]: support by the passages, times the model's own certainty and the search's, each softened.

    `support` is the share of content words found in cited spans; `logprob` the sum over `tokens`
    generated tokens, natural logarithm; `score` the best hit's fused score in [0, 1].
    """
    if not text.strip() or _UNSURE.search(text):
        return 0.0
    certainty = math.exp(logprob / tokens) if tokens else 0.0
    return float(max(0.0, min(1.0, support * certainty**0.5 * score**0.25)))
