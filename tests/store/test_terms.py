"""Folding and matching, proved on the real full-text index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.store.terms import MAX_TERMS, fold, match, words


def _index(*texts: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(text, tokenize='porter unicode61 remove_diacritics 2')")
    connection.executemany("INSERT INTO t(rowid, text) VALUES (?, ?)", list(enumerate(map(fold, texts))))
    return connection


def _found(connection: sqlite3.Connection, question: str) -> set[int]:
    expression = match(question)
    if expression is None:
        return set()
    return {row[0] for row in connection.execute("SELECT rowid FROM t WHERE t MATCH ?", (expression,))}


@pytest.fixture(scope="module")
def index() -> Iterator[sqlite3.Connection]:
    connection = _index("a text")
    yield connection
    connection.close()


@given(question=st.text())
def test_no_question_is_a_syntax_error(index: sqlite3.Connection, question: str) -> None:
    _found(index, question)


@given(question=st.lists(st.sampled_from(['"', "*", "AND", "NOT", "NEAR(", "^", "-", "t:", "{", "}", "(", "\0", "a"])))
def test_the_index_own_language_is_only_words(index: sqlite3.Connection, question: list[str]) -> None:
    expression = match("".join(question))
    assert expression is None or _found(index, "".join(question)) <= {0}


@given(st.text())
def test_folding_twice_finds_the_same_words(text: str) -> None:
    once = fold(text)
    assert once.isascii() is False or fold(once) == once
    once.encode("utf-8")


@given(st.text(st.characters(categories=["P", "S", "Z", "Cc"])))
def test_signs_alone_match_nothing(question: str) -> None:
    if fold(question).strip() == question.strip():
        assert match(question) is None


def test_c_and_its_relatives_are_three_words() -> None:
    connection = _index("The C language", "The C++ language", "The C# language")
    assert [_found(connection, question) for question in ("C", "c++", "C#")] == [{0}, {1}, {2}]
    assert _found(_index("since C++11", "since 11"), "C++") == {0}
    connection.close()


@pytest.mark.parametrize(
    ("text", "question", "other"),
    [
        ("東京都知事の選挙", "京都", "大阪府"),
        ("東京都知事の選挙", "選挙", "選択"),
        ("東京都知事の選挙", "挙", "山"),
        ("我们在北京大学学习", "北京大学", "上海"),
        ("サーバーが止まった", "ｻｰﾊﾞｰ", "クライアント"),
        ("ภาษาไทยเป็นภาษาที่สวย", "ภาษา", "อังกฤษ"),
        ("서울은 한국의 수도이다", "서울", "부산"),
        ("हिन्दी भाषा", "हिन्दी", "तमिल"),
        ("Straße in Zürich", "STRASSE", "weg"),
        ("the ﬁne café", "fine CAFE", "coarse"),
        ("Ölçüm İstanbul'da", "istanbul", "ankara"),
    ],
)
def test_every_script_is_found(text: str, question: str, other: str) -> None:
    connection = _index(text, "nothing of the kind")
    assert _found(connection, question) == {0}
    assert _found(connection, other) == set()
    connection.close()


def test_a_pair_across_words_is_not_found() -> None:
    assert _found(_index("東 京"), "東京") == set()


def test_stop_words_count_only_when_there_is_nothing_else() -> None:
    assert match("Who is the king of Spain?") == '"king" OR "spain"'
    assert match("The Who") == '"the" OR "who"'
    assert words("What's Newton's second law?") == ["newton", "second", "law"]


def test_words_are_asked_for_once_and_a_page_is_capped() -> None:
    assert match("ring ring RING") == '"ring"'
    expression = match(" ".join(f"word{n}" for n in range(10 * MAX_TERMS)))
    assert expression is not None
    assert expression.count(" OR ") == MAX_TERMS - 1


def test_none_without_a_word() -> None:
    assert [match(question) for question in ("", "  ", "?!", '""', "\u0301", "🙂")] == [None] * 6
