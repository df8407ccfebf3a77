"""Where an answer stands in a passage, and how likely a span reader holds it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from memapp.answer import pointing
from memapp.protocols import Spans

PASSAGE = "Ann met Bo. Then ANN left."


def offsets(passage: str) -> list[tuple[int, int]]:
    """Words and marks, as a tokenizer has them."""
    found, at = [], 0
    for word in passage.replace(".", " .").split():
        at = passage.index(word, at)
        found.append((at, at + len(word)))
        at += len(word)
    return found


def spans(passage: str) -> Spans:
    """Every token as likely as any other, and that nothing tells."""
    where = np.array(offsets(passage), np.int32).reshape(-1, 2)
    even = np.full(len(where), -math.log(len(where) + 1), np.float32)
    return Spans(where, even, even, -2 * math.log(len(where) + 1))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("ann", [(0, 0), (5, 5)]),
        ("Ann met Bo", [(0, 2)]),
        ("Bo.", [(2, 3)]),
        ("An", []),
        ("nobody", []),
        ("", []),
    ],
)
def test_whole_tokens_that_say_it_are_its_places(answer: str, found: list[tuple[int, int]]) -> None:
    assert pointing.places(PASSAGE, offsets(PASSAGE), answer) == found


def test_letters_that_fold_to_several_move_no_place() -> None:
    text = "Die Straße nach Ulm"
    assert pointing.places(text, offsets(text), "Ulm") == [(3, 3)]


def test_all_places_count_together() -> None:
    made = spans(PASSAGE)
    once, twice = pointing.logprob(made, PASSAGE, "Bo"), pointing.logprob(made, PASSAGE, "Ann")
    assert once == pytest.approx(-2 * math.log(9))
    assert twice == pytest.approx(once + math.log(2))
    assert pointing.logprob(made, PASSAGE, "nobody") == -math.inf
    assert pointing.logprob(spans(""), "", "Ann") == -math.inf
