"""The full-text expression for a question's words, narrowed to the rare ones where a store is large.

BM25 reads every passage that holds any word, and a common word stands in a quarter of them. Passages that hold
none of the rare words hardly ever come to the top, so those are not read; of the others, all words count as ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from memapp.store.fulltext import table

BUDGET = 10_000
"""Passages to read, about; measured at 100,000, the ten best are the same and a search takes a quarter of the time."""
ENOUGH = 1_000
"""Below so many passages a further word is let in, however common it is."""


def expression(
    connection: sa.Connection, namespace: int, terms: Sequence[str], budget: int = BUDGET, enough: int = ENOUGH
) -> str:
    """An FTS5 expression for passages with any of these terms, or with any of the rarest where that would be many.

    When narrowed, every term stands in it twice, which doubles all scores and changes no order. `terms` are FTS5
    strings, one or more.
    """
    name = table(namespace)
    query = f"SELECT count(*) FROM {name} WHERE {name} MATCH ?"
    held = {term: int(connection.exec_driver_sql(query, (term,)).scalar_one()) for term in terms}
    rare: list[str] = []
    total = 0
    for term in sorted(held, key=lambda term: (held[term], term)):
        if total >= max(enough, 1) and total + held[term] > budget:
            break
        rare.append(term)
        total += held[term]
    common = [term for term in terms if term not in rare]
    if not common:
        return _any(terms)
    return f"({_any(rare)}) AND ({_any([*rare, *common, *common])})"


def _any(terms: Sequence[str]) -> str:
    return " OR ".join(terms)
