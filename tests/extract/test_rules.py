"""Dates, quoted names and titles by their form alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.extract import rules


def at(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It opened on 12 May 1984.", ["12 May 1984"]),
        ("Born January 31, 1950, died 2001", ["January 31, 1950", "2001"]),
        ("in the 1940s and in May 1945", ["1940s", "May 1945"]),
        ("on the 4th of July", ["4th of July"]),
        ("2024-02-30 or 490 BC", ["2024-02-30", "490 BC"]),
        ("(1914-1918)", ["1914"]),
        ("1,500 of 12345 cost 1999.50, and 0x1984 too", []),
        ("You may march in 30 minutes", []),
        ("", []),
    ],
)
def test_dates(text: str, found: list[str]) -> None:
    assert at(text, rules.dates(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('He wrote "War and Peace" and “Resurrection”.', ["War and Peace", "Resurrection"]),
        ("«Война и мир» 《红楼梦》 「東京」", ["Война и мир", "東京"]),
        ('"I never said that you should go there today," she said.', []),
        ('a "small" thing', []),
        ('an open " quote', []),
    ],
)
def test_quoted_names(text: str, found: list[str]) -> None:
    assert at(text, rules.quoted(text)) == found


def test_capitals() -> None:
    text = 'The mill of Alba Roth stood in Brest. It was the Bank of France\'s. "Who knew?" Ann Lee did.\nNow Paris'
    assert at(text, rules.capitals(text)) == ["Alba Roth", "Brest", "Bank of France's", "Ann Lee", "Now Paris"]
    assert rules.capitals("") == rules.capitals("no names. None") == []


def test_titles() -> None:
    assert rules.title_forms("Rock (band)") == ("Rock (band)", "Rock")
    assert rules.title_forms("Rock") == ("Rock",)
    assert rules.title_forms("(band)") == ("(band)",)
    assert rules.title_forms("") == ()
    assert rules.title_forms("x" * 10_000) == ()


def test_places_are_whole_words() -> None:
    assert at("Ann, Anna and Ann.", rules.places("Ann, Anna and Ann.", "Ann")) == ["Ann", "Ann"]
    assert rules.places("a" * 10_000, "a" * 9_000) == []
    assert rules.places("Ann", "") == []


def test_what_is_part_of_something_longer() -> None:
    outer = [(2, 5), (8, 12)]
    inner = [(2, 5), (2, 4), (3, 5), (0, 1), (4, 9), (9, 11), (12, 13)]
    assert rules.within(inner, outer) == [False, True, True, False, False, True, False]
    assert rules.within(inner, []) == [False] * len(inner)


def test_mending() -> None:
    text = "Diana Forbes-Robertson of and Paris, or Saint-Denis the"
    spans = [(0, 12), (13, 29), (30, 39), (40, 55)]
    assert at(text, rules.mended(text, spans)) == ["Diana Forbes-Robertson", "Paris", "Saint-Denis"]
    assert rules.mended("Anna-lena", [(0, 4), (5, 9)]) == [(0, 4), (5, 9)]
    assert rules.mended(" , ", [(0, 3)]) == []


spans = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)).map(lambda pair: (pair[0], sum(pair))), max_size=8)


@given(spans, spans)
def test_merging_keeps_the_first_and_no_overlap(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    merged = rules.merged(first, second)
    assert merged == sorted(merged)
    assert all(one[1] <= other[0] for one, other in pairwise(merged))
    assert set(merged) <= {*first, *second}
    for span in (*first, *second):
        assert any(span[0] < end and start < span[1] for start, end in merged)


@given(st.text(alphabet=" \"“”'`0123456789.,-:MayJn", max_size=400))
def test_any_text_gives_spans_within_it(text: str) -> None:
    for start, end in (*rules.dates(text), *rules.quoted(text)):
        assert 0 <= start < end <= len(text)
