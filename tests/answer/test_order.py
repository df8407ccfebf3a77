"""In which order passages are read, and what is known of a model's places."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.answer import order, prompt
from memapp.errors import UsageError
from memapp.models import profiles
from memapp.profile import at_each_place
from memapp.types import Hit, Passage


def hit(rank: int) -> Hit:
    return Hit(rank, 1 / rank, Passage(rank, f"doc-{rank}", f"Note {rank}", f"Text {rank}.", 0, 7))


HITS = tuple(hit(rank) for rank in range(1, 6))


def test_the_published_rule_puts_the_best_first_the_second_last_and_the_worst_in_the_middle() -> None:
    assert [one.rank for one in order.arranged(HITS, "ends")] == [1, 3, 5, 4, 2]
    assert [rank + 1 for rank in order.ranks(6, "ends")] == [1, 3, 5, 6, 4, 2]


def test_the_best_stands_where_the_model_reads_best() -> None:
    assert [one.rank for one in order.arranged(HITS, "profile", [-3, -5, -4, -2, -1])] == [3, 5, 4, 2, 1]
    # Three places of a curve of five: its ends and its middle.
    assert order.ranks(3, "profile", [-1, -9, -3, -9, -2]) == [0, 2, 1]


def test_without_a_profile_few_passages_stay_and_many_follow_the_rule() -> None:
    assert order.ranks(5, "profile") == [0, 1, 2, 3, 4]
    assert order.ranks(order.MANY, "profile") == order.ranks(order.MANY, "ends")


@given(st.integers(0, 30), st.sampled_from(order.ORDERS), st.lists(st.floats(-9, 0), max_size=7))
def test_every_passage_is_read_once(count: int, way: str, curve: list[float]) -> None:
    assert sorted(order.ranks(count, way, curve)) == list(range(count))


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(UsageError, match="'alphabetic'"):
        order.arranged(HITS, "alphabetic")


def test_a_prompt_numbers_passages_as_they_are_read_and_leaves_out_the_worst() -> None:
    def count(messages: object) -> int:
        return sum(len(message.content.split()) for message in messages)  # type: ignore[attr-defined]

    whole = prompt.build("Who?", HITS, (), 10_000, count, arrange=lambda hits: hits[::-1])
    assert [one.rank for one in whole.used] == [5, 4, 3, 2, 1]
    assert whole.messages[-1].content.index("[1] Note 5") < whole.messages[-1].content.index("[5] Note 1")
    tight = prompt.build("Who?", HITS, (), count(whole.messages) - 1, count, arrange=lambda hits: hits[::-1])
    assert ([one.rank for one in tight.used], tight.dropped) == ([4, 3, 2, 1], (5,))


def test_the_right_passage_is_measured_at_each_place() -> None:
    read: list[list[int]] = []

    def measure(hits: object) -> float:
        read.append([one.rank for one in hits])  # type: ignore[attr-defined]
        return -float(len(read))

    assert at_each_place(HITS[0], HITS[1:3], measure) == [-1, -2, -3]
    assert read == [[1, 2, 3], [2, 1, 3], [2, 3, 1]]


def test_profiles_are_kept_by_model_and_damaged_ones_are_none(tmp_path: Path) -> None:
    assert profiles.curve("small@1", tmp_path) == ()
    path = profiles.keep("small@1", [-1.25, -2.0], tmp_path)
    profiles.keep("large@2", [-0.5], tmp_path)
    assert profiles.curve("small@1", tmp_path) == (-1.25, -2.0)
    assert profiles.curve("large@2", tmp_path) == (-0.5,)
    path.write_text('{"small@1": ["x"], "large@2": 3}')
    assert profiles.curve("small@1", tmp_path) == profiles.curve("large@2", tmp_path) == ()
