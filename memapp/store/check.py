"""Checks that a store is what it should be: whole documents, a full index, a log that agrees."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from memapp.errors import StoreError
from memapp.store import erase, fulltext
from memapp.store.log import Store, living
from memapp.store.schema import changes, documents, passages, vectors
from memapp.types import Change, Check

_RESTORE = "Restore a backup, or export what is left and import it into a new store."
_PATIENCE = 5.0
"""Seconds to wait for other processes."""


def verify(store: Store) -> list[Check]:
    """The file, the log, the documents and the full-text index, one check each; pays what an erasing still owes."""
    checks = [
        _scrubbed(store),
        _check(store, "file", _file, _RESTORE),
        _check(store, "log", _log, _RESTORE),
        _check(store, "documents", _documents, _RESTORE),
        _check(store, "vectors", _vectors, "Run `memapp rebuild dense`."),
        _check(store, "full text", _fulltext, "Run `memapp rebuild lexical`.", writes=True),
    ]
    return checks


def fulltext_size(store: Store) -> tuple[int, int]:
    """Passages in the full-text index, and its bytes."""
    number = store.number()
    if number < 0:
        return 0, 0
    with store.database.reading() as connection:
        return len(fulltext.ids(connection, number)), fulltext.size(connection, number)


def _scrubbed(store: Store) -> Check:
    try:
        if erase.scrub(store.database, _PATIENCE):
            return Check("erased text", True, "What was erased has left the files.")
        message = "Another process is reading an older state, so erased text may stand in the write-ahead log."
        return Check("erased text", False, message, "End that process and run `memapp verify` again.")
    except StoreError as error:
        return Check("erased text", False, error.message, error.hint)


def _check(
    store: Store, name: str, check: Callable[[sa.Connection, int], tuple[bool, str]], remedy: str, writes: bool = False
) -> Check:
    try:
        with store.database.writing() if writes else store.database.reading() as connection:
            ok, message = check(connection, store.number())
    except StoreError as error:
        ok, message = False, error.message
    return Check(name, ok, message, "" if ok else remedy)


def _file(connection: sa.Connection, _: int) -> tuple[bool, str]:
    damage = list(connection.exec_driver_sql("PRAGMA integrity_check(5)").scalars())
    orphans = len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())
    if damage != ["ok"]:
        return False, f"The file is damaged: {damage[0]}."
    return orphans == 0, "Every page is sound." if not orphans else f"{orphans} rows refer to nothing."


def _log(connection: sa.Connection, number: int) -> tuple[bool, str]:
    columns = (changes.c.position, changes.c.kind, changes.c.first, changes.c.last)
    query = sa.select(*columns).where(changes.c.namespace == number).order_by(changes.c.position)
    alive = living(Change(*row) for row in connection.execute(query))
    kept = sa.select(documents.c.id, documents.c.last).where(documents.c.namespace == number)
    stored = {row.id: row.last for row in connection.execute(kept)}
    wrong = len(alive.items() ^ stored.items())
    return wrong == 0, f"{len(stored)} documents, as the log says." if not wrong else f"{wrong} documents disagree."


def _documents(connection: sa.Connection, number: int) -> tuple[bool, str]:
    """Every document is whole: its passages follow one another and its text has the length it came with."""
    length = sa.func.sum(sa.func.length(passages.c.gap) + sa.func.length(passages.c.text))
    query = (
        sa.select(documents.c.id, documents.c.last, documents.c.characters, sa.func.count(passages.c.id), length)
        .outerjoin(passages, passages.c.document == documents.c.id)
        .where(documents.c.namespace == number)
        .group_by(documents.c.id)
    )
    rows = connection.execute(query).all()
    torn = sum(count != last - first + 1 or size != text for first, last, size, count, text in rows)
    return torn == 0, f"{len(rows)} documents are whole." if not torn else f"{torn} documents are torn."


def _vectors(connection: sa.Connection, number: int) -> tuple[bool, str]:
    query = (
        sa.select(sa.func.count(passages.c.id), sa.func.count(vectors.c.passage))
        .select_from(passages)
        .join(documents, documents.c.id == passages.c.document)
        .outerjoin(vectors, vectors.c.passage == passages.c.id)
        .where(documents.c.namespace == number)
    )
    expected, found = connection.execute(query).one()
    return expected == found, f"{found} of {expected} passages have a vector."


def _fulltext(connection: sa.Connection, number: int) -> tuple[bool, str]:
    query = (
        sa.select(passages.c.id)
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace == number)
    )
    expected = set(connection.execute(query).scalars())
    if number < 0:
        return True, "The namespace is empty."
    fulltext.examine(connection, number)
    indexed = set(fulltext.ids(connection, number))
    return expected == indexed, f"{len(indexed)} of {len(expected)} passages are indexed."
