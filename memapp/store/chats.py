"""Chat sessions: the turns that are kept, and the erasing of those that quote what was forgotten.

`erase` and `repoint` run inside the log's transactions; the rest is called with a store.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from memapp.store.debt import owe
from memapp.store.engine import parts
from memapp.store.schema import documents, passages, readings, turns
from memapp.types import Answer, Citation, SessionInfo, StoredTurn

if TYPE_CHECKING:
    from memapp.store.log import Store

_SHINGLE = 6
"""So many words in a row that stand in both make a quotation."""


def erase(connection: sa.Connection, namespace: int, ranges: Sequence[tuple[int, int]], texts: Iterable[str]) -> int:
    """Empties the turns that read these passages or quote these texts; returns how many.

    A turn stays in its session, marked as erased, so that the person sees why it is empty.
    """
    alive = sa.select(turns.c.id, turns.c.question, turns.c.answer).where(
        turns.c.namespace == namespace, turns.c.erased.is_(False)
    )
    candidates = connection.execute(alive).all()
    if not candidates:
        return 0
    gone: set[int] = set()
    for first, last in ranges:
        gone.update(
            connection.execute(sa.select(readings.c.turn).where(readings.c.passage.between(first, last))).scalars()
        )
    quoted = {shingle for text in texts for shingle in _shingles(text)}
    gone.update(row.id for row in candidates if not quoted.isdisjoint(_shingles(f"{row.question}\n{row.answer}")))
    gone &= {row.id for row in candidates}
    if gone:
        ids = [{"t": id} for id in sorted(gone)]
        connection.execute(sa.delete(readings).where(readings.c.turn == sa.bindparam("t")), ids)
        emptied = sa.update(turns).where(turns.c.id == sa.bindparam("t")).values(question="", answer="", erased=True)
        connection.execute(emptied, ids)
    return len(gone)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    if len(words) < _SHINGLE:
        return {tuple(words)} if len(words) > 2 else set()
    return {tuple(words[i : i + _SHINGLE]) for i in range(len(words) - _SHINGLE + 1)}


def repoint(connection: sa.Connection, old: tuple[int, int], new: int) -> None:
    """Lets the turns that read a replaced document count as readers of its new version.

    So that a later forget still finds them, though the passages that they cite are gone.
    """
    readers = connection.execute(sa.select(readings.c.turn).where(readings.c.passage.between(*old)).distinct())
    rows = [{"turn": turn, "passage": new, "n": 0, "start": 0, "end": 0} for turn in readers.scalars()]
    if rows:
        connection.execute(sa.delete(readings).where(readings.c.passage.between(*old)))
        connection.execute(sa.insert(readings), rows)


def keep(store: Store, session: str, answer: Answer, at: str) -> int:
    """Keeps one turn with the passages that its answer was written from; returns its id.

    A passage that was forgotten while the answer was written leaves an erased turn behind.
    """
    read = {(hit.passage.id, 0): (0, 0) for hit in answer.hits if hit.rank not in answer.dropped}
    read.update({(c.passage, c.n): (c.start, c.end) for c in answer.citations})
    with store.database.writing() as connection:
        wanted = sorted({passage for passage, _ in read})
        alive = set(connection.execute(sa.select(passages.c.id).where(passages.c.id.in_(wanted))).scalars())
        erased = not alive.issuperset(wanted)
        values = {
            "namespace": store.claim_namespace(connection),
            "session": session,
            "question": "" if erased else answer.question,
            "answer": "" if erased else answer.text,
            "erased": erased,
            "at": at,
        }
        turn = int(connection.execute(sa.insert(turns).values(values)).inserted_primary_key[0])  # type: ignore[index]
        rows = [
            {"turn": turn, "passage": passage, "n": n, "start": start, "end": end}
            for (passage, n), (start, end) in read.items()
        ]
        if rows and not erased:
            connection.execute(sa.insert(readings), rows)
    return turn


def sessions(store: Store) -> list[SessionInfo]:
    """Every session, the one spoken in last first."""
    last = sa.func.max(turns.c.at)
    query = (
        sa.select(turns.c.session, sa.func.count(), sa.func.min(turns.c.at), last)
        .where(turns.c.namespace == store.number())
        .group_by(turns.c.session)
        .order_by(last.desc())
    )
    with store.database.reading() as connection:
        return [SessionInfo(*row) for row in connection.execute(query)]


def of_session(store: Store, session: str) -> list[StoredTurn]:
    """The turns of a session in the order in which they were spoken."""
    return _turns(store, turns.c.session == session, turns.c.id.asc(), None)


def search(store: Store, text: str, limit: int) -> list[StoredTurn]:
    """Turns whose question or answer contains `text`, whatever its case, newest first."""
    contains = sa.or_(
        turns.c.question.icontains(text, autoescape=True), turns.c.answer.icontains(text, autoescape=True)
    )
    return _turns(store, contains, turns.c.id.desc(), limit)


def delete(store: Store, session: str) -> int:
    """Deletes a session; returns the number of its turns."""
    where = (turns.c.namespace == store.number()) & (turns.c.session == session)
    with store.database.writing() as connection:
        owe(connection, store.claim_namespace(connection))
        ids = sa.select(turns.c.id).where(where)
        connection.execute(sa.delete(readings).where(readings.c.turn.in_(ids)))
        return connection.execute(sa.delete(turns).where(where)).rowcount


def _turns(
    store: Store, where: sa.ColumnElement[bool], order: sa.ColumnElement[int], limit: int | None
) -> list[StoredTurn]:
    query = sa.select(turns).where(turns.c.namespace == store.number(), where).order_by(order).limit(limit)
    with store.database.reading() as connection:
        rows = connection.execute(query).all()
        cited: dict[int, list[Citation]] = {row.id: [] for row in rows}
        for part in parts([row.id for row in rows]):
            for row in connection.execute(_CITED.where(readings.c.turn.in_(part))):
                text = row.text[row.start - row.offset : row.end - row.offset]
                cited[row.turn].append(
                    Citation(row.n, row.key, row.title, text, row.start, row.end, row.passage, row.source, row.page)
                )
    return [
        StoredTurn(row.id, row.session, row.question, row.answer, row.at, tuple(cited[row.id]), row.erased)
        for row in rows
    ]


_CITED = (
    sa.select(
        readings,
        passages.c.text,
        passages.c.start.label("offset"),
        passages.c.page,
        documents.c.key,
        documents.c.title,
        documents.c.source,
    )
    .join(passages, passages.c.id == readings.c.passage)
    .join(documents, documents.c.id == passages.c.document)
    .where(readings.c.n > 0)
    .order_by(readings.c.turn, readings.c.n)
)
