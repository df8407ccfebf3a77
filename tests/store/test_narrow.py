"""Narrowing a full-text search changes what is read, not the order of what is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from memapp.store import fulltext, narrow
from memapp.store.terms import terms

WORDS = ["ash", "birch", "cedar", "elm", "fir"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def connection() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def _filled(connection: sa.Connection, texts: Sequence[str]) -> None:
    fulltext.drop(connection, 1)
    fulltext.create(connection, 1)
    fulltext.insert(connection, 1, [(id, "", text) for id, text in enumerate(texts)])


@given(texts=TEXTS, budget=st.integers(0, 12), enough=st.integers(0, 4))
def test_the_order_and_the_ratios_stay(
    connection: sa.Connection, texts: list[list[str]], budget: int, enough: int
) -> None:
    _filled(connection, [" ".join(text) for text in texts])
    wanted = terms("ash birch cedar elm")
    every = dict(fulltext.search(connection, 1, " OR ".join(wanted), 100))
    expression = narrow.expression(connection, 1, wanted, budget, enough)
    found = fulltext.search(connection, 1, expression, 100)
    assert {id for id, _ in found} <= set(every)
    assert len(found) >= min(enough, len(every), 1)
    times = 2 if " AND " in expression else 1
    assert [score for _, score in found] == pytest.approx([times * every[id] for id, _ in found])


def test_common_words_are_not_read_alone_but_still_count(connection: sa.Connection) -> None:
    _filled(connection, [*["elm"] * 20, "yew elm", "yew fir"])
    wanted = terms("yew elm")
    assert len(fulltext.search(connection, 1, narrow.expression(connection, 1, wanted), 100)) == 22
    narrowed = narrow.expression(connection, 1, wanted, budget=5, enough=2)
    assert [id for id, _ in fulltext.search(connection, 1, narrowed, 100)] == [20, 21]


def test_a_word_that_is_nowhere_does_not_shut_the_others_out(connection: sa.Connection) -> None:
    _filled(connection, ["elm"] * 20)
    expression = narrow.expression(connection, 1, terms("zzz elm"), budget=5, enough=2)
    assert len(fulltext.search(connection, 1, expression, 100)) == 20
