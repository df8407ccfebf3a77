"""How far an answer can be relied on, and when it is better not given.

What it rests on is how well the best sentence of the passages fits the question. The constants were chosen on
questions put to passages that hold their answer and to passages that do not; `memapp bench qa` shows how often an
answer is withheld.
"""

from __future__ import annotations

import math
import re

from memapp.answer.cite import Cited
from memapp.types import Citation

ABSTAIN_BELOW = 0.45
"""Fit of the best sentence under which nothing is answered."""
SUPPORTED = 0.8
"""Share of an answer's words that its citations must hold."""
NOTHING = "Memory does not hold an answer to that."
OF_ANOTHER = "Memory does not hold that of {}. What comes nearest was said by {}."

_UNSURE = re.compile(
    r"\b(?:i (?:do not|don't|don’t) know|(?:not|isn't|is not) (?:mentioned|stated|given|specified|provided)|"
    r"no information)\b",
    re.IGNORECASE,
)


def stands(cited: Cited, best: Citation, trusted: bool) -> bool:
    """Whether the model's words are the answer.

    They are when the passages support them and, unless the model is `trusted`, when they rest on the
    sentence that fits the question best.
    """
    if not cited.citations or cited.support < SUPPORTED or _UNSURE.search(cited.text):
        return False
    return trusted or any((c.passage, c.start) == (best.passage, best.start) for c in cited.citations)


def of_quote(fit: float) -> float:
    """Confidence in [0, 1] in a quoted sentence, by its fit."""
    return round(min(1.0, 0.35 + 0.55 * fit), 4)


def of_text(fit: float, support: float, logprob: float, tokens: int) -> float:
    """Confidence in [0, 1] in words of the model's own: less, the less certain it was of them.

    `logprob` is the sum over `tokens` generated tokens, natural logarithm.
    """
    certainty = math.exp(logprob / tokens) if tokens else 0.0
    return round(of_quote(fit) * support * math.sqrt(certainty), 4)
