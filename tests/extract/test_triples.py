"""What of lists of text can be kept as phrases and facts, and what a file of them may look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.errors import Malformed, TooLarge, Unreadable
from memapp.extract import triples
from memapp.extract.phrases import LONGEST, normal
from memapp.extract.triples import Entry, facts_in, phrases_in, read, stands, worded
from memapp.types import Fact, Failure

LARGEST = 1 << 20
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(values)
def test_whatever_comes_each_item_is_kept_or_counted(value: Any) -> None:
    for keep in (phrases_in, facts_in):
        kept, dropped = keep(value)
        parts = [part for one in kept for part in ((one,) if isinstance(one, str) else (one.subject, one.predicate))]
        assert all(normal(part) for part in parts)
        assert len(set(kept)) == len(kept)
        if isinstance(value, list):
            assert len(kept) + dropped.total() <= len(value)
            assert bool(value) == bool(kept or dropped)
        else:
            assert (kept, dropped.total()) == ((), 1)


def test_each_reason_is_counted() -> None:
    long = "x" * (LONGEST + 1)
    facts, dropped = facts_in(
        [
            ["Ada", " wrote\nto ", "Bob"],
            ["a", "b"],
            "abc",
            ["a", 1, "b"],
            ["a", "", "b"],
            ["a", "b", long],
            ["Ada", "wrote to", "Bob"],
        ]
    )
    assert facts == (Fact("Ada", "wrote to", "Bob"),)
    assert dropped == {triples.NOT_THREE: 2, triples.NOT_TEXT: 1, triples.LENGTH: 2}
    assert phrases_in("Ada") == ((), {triples.NO_LIST: 1})
    assert phrases_in(["Ada", None, "...", long]) == (("Ada",), {triples.NOT_TEXT: 1, triples.LENGTH: 2})


def test_half_characters_and_nul_are_taken_out() -> None:
    (phrase,) = phrases_in(["A\udc00da\x00"])[0]
    assert phrase == "A?da"


@pytest.mark.parametrize(
    ("phrase", "text", "there"),
    [
        ("ADA LOVELACE", "met Ada  Lovelace, once", True),
        ("Ada’s mother", "Ada's mother came", True),
        ("Ada", "Adam came", False),
        ("Lovelace Ada", "Ada Lovelace", False),
        ("...", "...", False),
        ("北京", "他在北京工作", True),
    ],
)
def test_what_stands_in_a_text(phrase: str, text: str, there: bool) -> None:
    assert stands(phrase, worded(text)) is there


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_entries_and_failures_come_in_order(tmp_path: Path) -> None:
    docs = [
        {
            "idx": "x",
            "passage": "T\ntext",
            "extracted_entities": ["Ada"],
            "extracted_triples": [["Ada", "met", "Bob"], []],
        },
        {"extracted_entities": ["Ada"]},
        "nothing",
        {"passage": 3},
        {"passage": "only this"},
    ]
    first, *failed, last = read(written(tmp_path / "f.json", {"docs": docs}), LARGEST)
    assert isinstance(first, Entry)
    assert isinstance(last, Entry)
    assert (first.content, first.extraction.phrases) == ("T\ntext", ("Ada",))
    assert first.extraction.facts == (Fact("Ada", "met", "Bob"),)
    assert first.dropped == {triples.NOT_THREE: 1}
    assert [one.source for one in failed if isinstance(one, Failure)] == ["docs[1]", "docs[2]", "docs[3]"]
    assert (last.name, last.extraction.phrases, last.dropped) == ("docs[4]", (), {})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"docs": {}}', "[" * 100_000, "\x00", '{"docs": 1' + "0" * 5000 + "}"]
)
def test_a_file_of_another_form_is_malformed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.json"
    path.write_text(text)
    with pytest.raises(Malformed) as error:
        list(read(path, LARGEST))
    assert "docs" in error.value.hint


def test_a_file_that_is_not_there_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        list(read(tmp_path / "none.json", LARGEST))
    with pytest.raises(Unreadable):
        list(read(tmp_path, LARGEST))
    with pytest.raises(TooLarge):
        list(read(written(tmp_path / "f.json", {"docs": ["x" * 100]}), 50))
