"""Splitting: exact spans, whole sentences, any script."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memapp.read import split, split_all
from memapp.read.sentence import boundaries
from memapp.types import Document, Section, Span


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


def document(text: str, *sections: int) -> Document:
    return Document("d", "", text, sections=tuple(Section(start, f"heading {start}") for start in sections))


def passages(text: str, budget: int, *sections: int) -> list[str]:
    return [text[span.start : span.end] for span in split(document(text, *sections), budget, words)]


def sentences(text: str) -> list[str]:
    edges = [0, *(offset for offset, _ in boundaries(text, 0, len(text))), len(text)]
    return [text[start:end].strip() for start, end in itertools.pairwise(edges)]


def is_one_character(text: str) -> bool:
    return all(unicodedata.category(c)[0] == "M" or c in "\u200c\u200d" for c in text[1:])


PIECES = st.sampled_from(
    [
        "word ",
        "a",
        ". ",
        "! ",
        "\n",
        "\n\n",
        "  ",
        "Dr. ",
        "3.14 ",
        "。",
        "漢字",
        "สวัสดี",
        "é",
        "é",
        "🙂",
        "\t- ",
        "؟ ",
        "| a | b |\n",
        "```\n",
        "U.S. ",
        "longerword" * 3,
        "\xa0",
        "\u3000",
        "।",
        "Ünï. Ünï ",
        "1. ",
        '"Ha!" ',
        "\u200d",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=200))


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.integers(1, 30), st.sampled_from([words, characters]), st.lists(st.integers(0, 300), max_size=5))
def test_spans_are_exact_ordered_complete_and_within_the_budget(text, budget, count, starts):
    spans = split(document(text, *(start * len(text) // 300 for start in starts)), budget, count)
    assert all(0 <= a.start < a.end <= b.start for a, b in itertools.pairwise(spans))
    assert "".join("".join(text[s.start : s.end].split()) for s in spans) == "".join(text.split())
    for span in spans:
        passage = text[span.start : span.end]
        assert passage == passage.strip() != ""
        assert count([passage])[0] <= budget or is_one_character(passage)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=5), st.integers(1, 30), st.one_of(st.none(), st.integers(1, 60)))
def test_many_documents_split_as_each_alone(texts, budget, whole):
    documents = [document(text) for text in texts]
    assert split_all(documents, budget, words, whole) == [split(d, budget, words, whole) for d in documents]


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(1, 100))
def test_a_short_record_stays_one_passage(text, whole):
    spans = split(document(text), 5, words, whole=whole)
    if text.strip() and len(text.split()) <= whole:
        assert [text[s.start : s.end] for s in spans] == [text.strip()]


def test_no_budget_is_refused():
    with pytest.raises(ValueError, match="budget"):
        split(document("a"), 0, words)


def test_counting_is_done_in_few_batches():
    batches: list[int] = []

    def count(texts: list[str]) -> list[int]:
        batches.append(len(texts))
        return words(texts)

    split(document("One two three. " * 500), 20, count)
    assert batches == [500]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Watson met Mr. J. R. Smith in the U.S. Senate.",
        "See p. 5 and Fig. 3, No. 7, vol. 2 of it.",
        "It costs $3.50 ... or so",
        "Pi is 3.14159 and e is 2.71828.",
        "He works for Acme Inc. Berlin, e.g. On Mondays.",
        "Das ist z.B. Herr Dr. Meier.",
        "1. First do this",
        "“Really?” he asked.",
    ],
)
def test_a_dot_that_ends_no_sentence(text):
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('He said "Stop." Then he left!', ['He said "Stop."', "Then he left!"]),
        ("今日は晴れ。明日は雨！「本当？」はい。", ["今日は晴れ。", "明日は雨！", "「本当？」", "はい。"]),
        ("राम घर गया। सीता आई।", ["राम घर गया।", "सीता आई।"]),
        ("هل أنت بخير؟ نعم. شكرا", ["هل أنت بخير؟", "نعم.", "شكرا"]),
        ("Он пришёл. Она ушла.", ["Он пришёл.", "Она ушла."]),
        ("It is no. Then go.", ["It is no.", "Then go."]),
        ("In 1999. After that 2000 came.", ["In 1999.", "After that 2000 came."]),
        ("To do:\n- buy milk\n- call Ann\n", ["To do:", "- buy milk", "- call Ann"]),
        ("A title\n\nA line\nwrapped here.", ["A title", "A line\nwrapped here."]),
        ("| a | b |\n| 1 | 2 |", ["| a | b |", "| 1 | 2 |"]),
    ],
)
def test_where_sentences_end(text, expected):
    assert sentences(text) == expected


def test_sentences_stay_whole_and_passages_even():
    text = "One two three four five. " * 5
    assert [len(passage.split()) for passage in passages(text, 20)] in ([15, 10], [10, 15])


def test_the_last_passage_is_no_crumb():
    text = " ".join(f"This sentence has number {n}." for n in range(21))
    assert min(len(passage.split()) for passage in passages(text, 50)) >= 30


def test_paragraphs_are_preferred():
    text = "One two three. Four five six.\n\nSeven eight nine. Ten eleven twelve."
    assert passages(text, 9) == ["One two three. Four five six.", "Seven eight nine. Ten eleven twelve."]


def test_a_passage_keeps_to_its_section():
    first, second = "Aa bb cc dd ee ff.", "Gg hh ii jj kk ll."
    text = f"{first} {second}"
    assert passages(text, 20) == [text]
    assert passages(text, 20, 0, len(first) + 1) == [first, second]


def test_a_heading_goes_with_what_follows():
    text = "Title\n\n" + "Some words of the body here, quite a few of them."
    assert passages(text, 30, 0, 7) == [text]
    text = "A body of several words that is long enough to be one.\n\nThe end."
    assert passages(text, 30, 0, text.index("The end")) == [text]


def test_a_long_sentence_is_cut_at_clauses():
    text = "one two three four, five six seven eight, nine ten eleven twelve, thirteen fourteen fifteen"
    assert all(passage.endswith(",") for passage in passages(text, 9)[:-1])
    assert max(len(passage.split()) for passage in passages(text, 9)) <= 9


def test_text_without_spaces_is_cut_between_whole_characters():
    text = "ก็ไม่รู้" * 40
    spans = split(document(text), 25, characters)
    assert max(span.end - span.start for span in spans) <= 25
    assert not any(text[span.start] in "็ไม่รู้".replace("ไ", "").replace("ม", "").replace("ร", "") for span in spans)


def test_an_endless_word_is_cut():
    text = "x" * 10_000
    assert split(document(text), 1000, characters)[0].start == 0
    assert max(s.end - s.start for s in split(document(text), 1000, characters)) <= 1000
    assert split(document(""), 5, words) == []
    assert split(document("  \n "), 5, words, whole=10) == []
    assert split(document(" a "), 5, words) == [Span(1, 2)]
