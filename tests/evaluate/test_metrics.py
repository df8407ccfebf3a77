"""Figures of merit against values worked out by hand."""

from __future__ import annotations

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.evaluate import metrics

RANKING = ["a", "b", "c", "d"]


def test_recall_is_the_share_of_the_gold_in_the_first_k() -> None:
    gold = {"b": 1, "z": 1}
    assert [metrics.recall(RANKING, gold, k) for k in (1, 2, 4)] == [0.0, 0.5, 0.5]
    assert metrics.all_gold(RANKING, gold, 4) == 0.0
    assert metrics.all_gold(RANKING, {"b": 1, "d": 1}, 4) == 1.0
    assert metrics.all_gold(RANKING, {"b": 1, "d": 1}, 3) == 0.0


def test_a_document_found_twice_counts_once() -> None:
    assert metrics.recall(["a", "a"], {"a": 1, "b": 1}, 2) == 0.5


def test_ndcg_weighs_grades_by_rank() -> None:
    gold = {"a": 1, "b": 2}
    best = 3 / log2(2) + 1 / log2(3)
    assert metrics.ndcg(["b", "a"], gold, 10) == 1.0
    assert metrics.ndcg(["a", "x", "b"], gold, 10) == pytest.approx((1 / log2(2) + 3 / log2(4)) / best)
    assert metrics.ndcg(["a", "b"], gold, 1) == pytest.approx(1 / 3)


def test_reciprocal_rank_is_of_the_first_gold() -> None:
    assert metrics.reciprocal_rank(RANKING, {"c": 1, "d": 1}) == pytest.approx(1 / 3)
    assert metrics.reciprocal_rank(RANKING, {"z": 1}) == 0.0


@pytest.mark.parametrize("measure", [metrics.recall, metrics.ndcg])
def test_without_gold_there_is_no_figure(measure: object) -> None:
    with pytest.raises(ValueError, match="gold"):
        measure(RANKING, {}, 5)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1", "contains"),
    [
        ("The Eiffel Tower.", ["eiffel tower"], 1, 1, 1),
        ("It is the Eiffel Tower in Paris", ["Eiffel Tower", "tower"], 0, 4 / 8, 1),
        ("1889", ["In 1889"], 0, 2 / 3, 0),
        ("18891", ["1889"], 0, 0, 0),
        ("no no no", ["no"], 0, 1 / 2, 1),
        ("", ["yes"], 0, 0, 0),
        ("the", ["a"], 1, 1, 0),
        ("anything", [], 0, 0, 0),
    ],
)
def test_answers_are_compared_as_in_squad(
    answer: str, right: list[str], exact: float, f1: float, contains: float
) -> None:
    assert metrics.exact_match(answer, right) == exact
    assert metrics.f1(answer, right) == pytest.approx(f1)
    assert metrics.contains(answer, right) == contains


@given(st.text(), st.lists(st.text(), max_size=3))
def test_measures_of_answers_are_shares_and_exact_is_the_strictest(answer: str, right: list[str]) -> None:
    exact, f1 = metrics.exact_match(answer, right), metrics.f1(answer, right)
    assert 0 <= exact <= f1 <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_interval_holds_the_mean_and_is_always_the_same(values: list[float]) -> None:
    first = metrics.interval(values, samples=200)
    assert min(values) - 1e-9 <= first.low <= first.high <= max(values) + 1e-9
    assert first == metrics.interval(values, samples=200)


def test_the_interval_is_paired() -> None:
    low, high = [0.0, 0.2, 0.4, 0.6], [0.1, 0.3, 0.5, 0.7]
    found = metrics.interval(high, low)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    unpaired = metrics.interval(low)
    assert unpaired.low < 0.2 < 0.4 < unpaired.high


def test_an_interval_needs_pairs() -> None:
    with pytest.raises(ValueError, match="values"):
        metrics.interval([], [])
    with pytest.raises(ValueError, match="as many"):
        metrics.interval([1.0], [1.0, 2.0])


def test_auroc_is_how_often_the_right_is_above_the_wrong() -> None:
    assert metrics.auroc([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert metrics.auroc([0.1], [0.9]) == 0.0
    assert metrics.auroc([0.5, 0.9], [0.5, 0.1]) == 0.875
    with pytest.raises(ValueError, match="both kinds"):
        metrics.auroc([], [0.1])


def test_calibration_error_is_the_gap_between_what_is_said_and_what_comes() -> None:
    assert metrics.calibration_error([0.95] * 4, [1, 1, 1, 1]) == pytest.approx(0.05)
    assert metrics.calibration_error([0.95] * 4, [0, 0, 0, 0]) == pytest.approx(0.95)
    # Two halves that are wrong in opposite directions do not make up for each other.
    assert metrics.calibration_error([0.95, 0.05], [0, 1]) == pytest.approx(0.95)
