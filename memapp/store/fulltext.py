"""The store's own full-text index: SQLite FTS5, one contentless table a namespace.

It changes in the transaction of the passages that it indexes, so it can never lag behind them. The
index keeps no text, only words with positions; `fold` and the Porter stemmer make the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from memapp.store.terms import fold

TITLE_WEIGHT, TEXT_WEIGHT = 3.0, 1.0

_MOST = 1 << 31
WORN_BYTES = 1_000
"""Size of the index's own table of contents; a sound one has a few dozen."""

Row = tuple[int, str, str]
"""Passage id, title, text."""


def table(namespace: int) -> str:
    """Name of the namespace's table; a namespace is a number here, so nothing can be injected."""
    return f"fulltext_{namespace:d}"


def create(connection: sa.Connection, namespace: int) -> None:
    """Makes the index of a namespace unless it exists."""
    name = table(namespace)
    if connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).first():
        return
    connection.exec_driver_sql(
        f"CREATE VIRTUAL TABLE {name} USING fts5"
        "(title, text, content='', tokenize='porter unicode61 remove_diacritics 2')"
    )


def drop(connection: sa.Connection, namespace: int) -> None:
    """Removes the index of a namespace, also a damaged one."""
    name = table(namespace)
    if connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = ?", (f"{name}_data",)).first():
        connection.exec_driver_sql(f"REPLACE INTO {name}_data(id, block) VALUES (10, x'00000000000000')")
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


def insert(connection: sa.Connection, namespace: int, rows: Iterable[Row]) -> None:
    """Adds passages."""
    folded = [(id, fold(title), fold(text)) for id, title, text in rows]
    if folded:
        connection.exec_driver_sql(f"INSERT INTO {table(namespace)}(rowid, title, text) VALUES (?, ?, ?)", folded)


def delete(connection: sa.Connection, namespace: int, rows: Iterable[Row]) -> None:
    """Removes passages. The text must be what was inserted, because a contentless index keeps none.

    FTS5 only marks the words as deleted; they stay in the file until `optimize`.
    """
    name = table(namespace)
    folded = [(id, fold(title), fold(text)) for id, title, text in rows]
    if folded:
        connection.exec_driver_sql(f"INSERT INTO {name}({name}, rowid, title, text) VALUES ('delete', ?, ?, ?)", folded)


def optimize(connection: sa.Connection, namespace: int) -> None:
    """Writes the index anew without the words that were deleted.

    secure_delete, which every connection sets, zeroes the pages that this frees.
    """
    name = table(namespace)
    connection.exec_driver_sql(f"INSERT INTO {name}({name}) VALUES ('optimize')")


def worn(connection: sa.Connection, namespace: int) -> bool:
    """Whether the index is to be made anew, because it has been optimized very often.

    Each time, SQLite before 3.42 puts the index one level higher, and at 2000 takes it for corrupt.
    """
    query = f"SELECT length(block) FROM {table(namespace)}_data WHERE id = 10"
    return (connection.exec_driver_sql(query).scalar() or 0) > WORN_BYTES


def examine(connection: sa.Connection, namespace: int) -> None:
    """Raises what SQLite raises when the index is damaged; inside a write transaction."""
    name = table(namespace)
    connection.exec_driver_sql(f"INSERT INTO {name}({name}) VALUES ('integrity-check')")


def search(connection: sa.Connection, namespace: int, match: str, k: int) -> list[tuple[int, float]]:
    """The k best passages by BM25 (larger is better), ties by id."""
    name = table(namespace)
    found = connection.exec_driver_sql(
        f"SELECT rowid, -bm25({name}, ?, ?) AS score FROM {name} WHERE {name} MATCH ?"
        " ORDER BY score DESC, rowid LIMIT ?",
        (TITLE_WEIGHT, TEXT_WEIGHT, match, min(k, _MOST)),
    )
    return [(int(id), float(score)) for id, score in found]


def ids(connection: sa.Connection, namespace: int) -> Sequence[int]:
    """Ids of the indexed passages."""
    return [int(id) for id in connection.exec_driver_sql(f"SELECT id FROM {table(namespace)}_docsize").scalars()]


def size(connection: sa.Connection, namespace: int) -> int:
    """Bytes of the index's leaves."""
    query = f"SELECT coalesce(sum(length(block)), 0) FROM {table(namespace)}_data"
    return int(connection.exec_driver_sql(query).scalar_one())
