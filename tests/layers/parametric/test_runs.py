"""Longest matches are those of a plain search, whatever came and went."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memapp.layers.parametric.runs import NOTHING, Runs
from memapp.layers.parametric.suffix import LONGEST, SuffixArray
from memapp.store.states import Read

texts = st.lists(st.lists(st.integers(0, 3), max_size=30), max_size=6)
contexts = st.lists(st.integers(0, 3), min_size=1, max_size=8)


def tokens(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(values, np.int32)


def plainly(runs: Sequence[Sequence[int]], context: Sequence[int]) -> tuple[int, list[int]]:
    """The longest end of the context with a token after it, and all these tokens."""
    for length in range(len(context), 0, -1):
        end = list(context[-length:])
        following = [
            run[at + length] for run in runs for at in range(len(run) - length) if list(run[at : at + length]) == end
        ]
        if following:
            return length, sorted(following)
    return 0, []


@given(texts, contexts)
def test_the_longest_match_is_that_of_a_plain_search(runs: list[list[int]], context: list[int]) -> None:
    found = SuffixArray([tokens(run) for run in runs]).longest(context)
    assert (found.length, sorted(found.following.tolist())) == plainly(runs, context)


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 2), max_size=12)), max_size=12), contexts)
def test_any_history_finds_what_lives(history: list[tuple[bool, list[int]]], context: list[int]) -> None:
    runs, alive = Runs(), dict[int, list[int]]()
    for number, (stays, values) in enumerate(history):
        runs.add([Read(number, number, tokens(values), np.empty((len(values), 0), np.uint8))])
        alive[number] = values
        if not stays:
            runs.remove([number // 2])
            alive.pop(number // 2, None)
    found = runs.longest(context, LONGEST)
    assert (found.length, sorted(found.tokens.tolist())) == plainly(list(alive.values()), context)
    assert set(found.passages.tolist()) <= alive.keys()


def test_a_run_goes_on_into_the_next_passage_of_its_document_only() -> None:
    runs = Runs()
    parts = [(1, 1, [1, 2]), (2, 1, [3, 4]), (3, 3, [5, 6])]
    runs.add(
        [Read(passage, document, tokens(values), np.empty((2, 0), np.uint8)) for passage, document, values in parts]
    )
    over = runs.longest([1, 2], LONGEST)
    assert (over.length, over.tokens.tolist(), over.passages.tolist()) == (2, [3], [2])
    assert runs.longest([3, 4], LONGEST) == NOTHING
    assert runs.longest([9], LONGEST) == NOTHING


def test_a_single_token_repeated() -> None:
    array = SuffixArray([tokens([5] * 3000)])
    found = array.longest([5] * 200)
    assert found.length == LONGEST
    assert set(found.following.tolist()) == {5}
    assert len(found.following) <= 512


def test_an_empty_corpus_matches_nothing() -> None:
    assert SuffixArray([]).longest([1, 2]).length == 0
    assert SuffixArray([tokens([])]).longest([1]).length == 0
    assert Runs().longest([1], LONGEST) == NOTHING
