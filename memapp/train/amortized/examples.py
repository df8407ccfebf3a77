"""What the amortizer is trained and measured with: passages and questions as tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.train.ragged import Ragged

SETS = ("squad1190", "nq2655")
KINDS = (*SETS, "blank", "rest", "fact")
"""Where a question comes from: a data set, a sentence with a gap, a sentence that stops, an extracted triple."""
LONGEST, LONGEST_ANSWER = 256, 24
"""Tokens of a passage and of an answer; held-out ones are cut, or left out, the same."""
OTHERS, NEAREST = 100, 8
"""Passages in the bank beside the right one, and how many of all of them are kept, most similar first."""


@dataclass(frozen=True, slots=True)
class Examples:
    """All that is learned from and measured on. Rows of `questions`, `answers`, `of`, `kind` belong together."""

    passages: Ragged
    held: NDArray[np.bool_]
    """By passage: only measured on."""
    neighbours: NDArray[np.int32]
    """By passage, three others that are like it, of the same half; -1 where there is none."""
    questions: Ragged
    """From the end of the passages in the prompt to where the answer begins."""
    answers: Ragged
    """With the token that ends a turn."""
    of: NDArray[np.int32]
    """The passage that answers."""
    kind: NDArray[np.int8]
    nearest: NDArray[np.int32]
    """By question; for those that are measured, the NEAREST of the right passage and OTHERS more, most similar first;
    -1 for the rest."""
    heads: Ragged
    """Prompt before the passages, before a question without passages, and the request to repeat what was read."""
    begin: int
    """The token that begins a text to the encoder."""
