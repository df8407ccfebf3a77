"""What passages speak of, kept beside them: written with them, erased with them, and replaced when known better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memapp.protocols import Embedder, Extractor
from memapp.store.content import joined
from memapp.store.engine import parts
from memapp.store.log import Store, extraction_row, log_known
from memapp.store.schema import documents, extraction_failures, extractions, facts, passages
from memapp.types import Extraction, Fact, OriginStats, Passage, Progress

TAGGER = "tagger"
"""The origin of what the extractor that every ingest calls has found; only one of it is kept at a time."""
OPENIE = "openie"
"""The origin of facts that the chat model read."""
IMPORT = "import"
"""The origin of facts that came from a file."""
TRIES = 3
"""How often a passage that could not be read is tried."""
_BATCH = 128
_STRETCH = 2_000
_PASSAGE = (
    passages.c.id,
    documents.c.key,
    documents.c.title,
    passages.c.text,
    passages.c.start,
    passages.c.end,
)


_SPOKEN = (
    sa.select(
        passages.c.id,
        passages.c.document,
        documents.c.title,
        passages.c.text,
        extractions.c.phrases,
        extractions.c.facts,
    )
    .join(documents, documents.c.id == passages.c.document)
    .outerjoin(extractions, extractions.c.passage == passages.c.id)
    .order_by(passages.c.id, extractions.c.origin)
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A passage as a graph sees it."""

    passage: int
    document: int
    title: str
    text: str
    extraction: Extraction
    """That of all extractors together."""


def spoken(store: Store, ranges: Iterable[tuple[int, int]]) -> Iterator[Spoken]:
    """The living passages of this namespace in these ranges, by id within a range."""
    query = _SPOKEN.where(documents.c.namespace + 0 == store.number()).where(
        passages.c.id.between(sa.bindparam("lo"), sa.bindparam("hi"))
    )
    for first, last in _steps(ranges):
        with store.database.reading() as connection:
            rows = connection.execute(query, {"lo": first, "hi": last}).all()
        yield from _joined(rows)


def _steps(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same ranges in stretches whose texts are read at once."""
    for first, last in ranges:
        for start in range(first, last + 1, _STRETCH):
            yield start, min(start + _STRETCH - 1, last)


def _joined(rows: Iterable[Any]) -> Iterator[Spoken]:
    """One value a passage, whatever the number of its extractions."""
    last: Any = None
    phrases: list[str] = []
    known: list[Fact] = []
    for row in rows:
        if last is not None and row.id != last.id:
            yield Spoken(last.id, last.document, last.title, last.text, Extraction(tuple(phrases), tuple(known)))
            phrases, known = [], []
        last = row
        phrases += row.phrases or ()
        known += [Fact(*fact) for fact in row.facts or ()]
    if last is not None:
        yield Spoken(last.id, last.document, last.title, last.text, Extraction(tuple(phrases), tuple(known)))


def whole(store: Store, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges of all passages of the documents that live in these ranges, in order; costs what they hold."""
    query = (
        sa.select(documents.c.id, documents.c.last)
        .join(passages, passages.c.document == documents.c.id)
        .where(passages.c.id.between(sa.bindparam("lo"), sa.bindparam("hi")))
        .where(documents.c.namespace + 0 == store.number())
        .distinct()
    )
    found: dict[int, int] = {}
    with store.database.reading() as connection:
        for first, last in joined(ranges):
            found.update((row.id, row.last) for row in connection.execute(query, {"lo": first, "hi": last}))
    return sorted(found.items())


def by_passage(store: Store, ids: Sequence[int]) -> dict[int, Extraction]:
    """What those of these passages speak of that live in this namespace, all extractors together."""
    query = _SPOKEN.where(documents.c.namespace + 0 == store.number())
    found: dict[int, Extraction] = {}
    with store.database.reading() as connection:
        for part in parts(list(ids)):
            rows = connection.execute(query.where(passages.c.id.in_(part)))
            found.update((one.passage, one.extraction) for one in _joined(rows))
    return found


def replace(store: Store, found: Mapping[int, Extraction], origin: str) -> int:
    """Puts these extractions in the place of earlier ones of the same origin, and logs it; returns how many.

    Passages that are gone meanwhile are left out.
    """
    with store.database.writing() as connection:
        number = store.claim_namespace(connection)
        ids = _alive(connection, number, found)
        _delete(connection, ids, origin)
        if ids:
            connection.execute(sa.insert(extractions), [extraction_row(id, origin, found[id]) for id in ids])
            log_known(connection, number, ids, "extract")
    return len(ids)


def failed(store: Store, passage: int, origin: str, reason: str) -> None:
    """Keeps that a passage could not be read, once more; one that is gone meanwhile is left out.

    The reason must quote nothing of the passage.
    """
    own = (extraction_failures.c.passage == passage, extraction_failures.c.origin == origin)
    with store.database.writing() as connection:
        if not _alive(connection, store.claim_namespace(connection), [passage]):
            return
        tries = connection.execute(sa.select(extraction_failures.c.tries).where(*own)).scalar() or 0
        connection.execute(sa.delete(extraction_failures).where(*own))
        row = {"passage": passage, "origin": origin, "reason": reason, "tries": tries + 1}
        connection.execute(sa.insert(extraction_failures), [row])


def _alive(connection: sa.Connection, number: int, ids: Iterable[int]) -> list[int]:
    """Those of these passages that live in the namespace, in order."""
    found: list[int] = []
    for part in parts(sorted(ids)):
        query = (
            sa.select(passages.c.id)
            .join(documents, documents.c.id == passages.c.document)
            .where(documents.c.namespace + 0 == number, passages.c.id.in_(part))
        )
        found += sorted(connection.execute(query).scalars())
    return found


def _delete(connection: sa.Connection, ids: list[int], origin: str) -> None:
    """Deletes what the origin found in these passages, and that it failed there."""
    for table in (extractions, extraction_failures):
        for part in parts(ids):
            connection.execute(sa.delete(table).where(table.c.passage.in_(part), table.c.origin == origin))


def waiting(store: Store, origin: str, after: int = 0, limit: int | None = None) -> list[tuple[Passage, int]]:
    """As `unread`, with how often each was tried, without those that were tried TRIES times."""
    tries = sa.func.coalesce(extraction_failures.c.tries, 0)
    query = (
        _unread(store, origin, *_PASSAGE, tries)
        .outerjoin(extraction_failures, _failure_of(origin))
        .where(passages.c.id > after, tries < TRIES)
        .order_by(passages.c.id)
        .limit(limit)
    )
    with store.database.reading() as connection:
        return [(Passage(*row[:-1]), row[-1]) for row in connection.execute(query)]


def count_waiting(store: Store, origin: str) -> int:
    """How many passages `waiting` has."""
    tries = sa.func.coalesce(extraction_failures.c.tries, 0)
    query = _unread(store, origin, sa.func.count(passages.c.id)).outerjoin(extraction_failures, _failure_of(origin))
    with store.database.reading() as connection:
        return int(connection.execute(query.where(tries < TRIES)).scalar_one())


def _failure_of(origin: str) -> sa.ColumnElement[bool]:
    return sa.and_(extraction_failures.c.passage == passages.c.id, extraction_failures.c.origin == origin)


def _unread(store: Store, origin: str, *columns: Any) -> sa.Select[Any]:
    looked = sa.select(extractions.c.passage).where(extractions.c.origin == origin)
    return (
        sa.select(*columns)
        .select_from(passages)
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace == store.number(), passages.c.id.not_in(looked))
    )


def of_origin(store: Store, origin: str, ids: Sequence[int]) -> dict[int, Extraction]:
    """What this origin found in those of these passages that it looked at and that live in this namespace."""
    found: dict[int, Extraction] = {}
    with store.database.reading() as connection:
        for part in parts(_alive(connection, store.number(), ids)):
            query = sa.select(extractions).where(extractions.c.passage.in_(part), extractions.c.origin == origin)
            for row in connection.execute(query):
                found[row.passage] = Extraction(tuple(row.phrases), tuple(Fact(*fact) for fact in row.facts))
    return found


def origins(store: Store) -> list[OriginStats]:
    """What each origin has looked at and where it failed, in this namespace, by name."""
    with store.database.reading() as connection:
        counts = {table: _by_origin(store, connection, table) for table in (extractions, extraction_failures)}
    read, missed = counts[extractions], counts[extraction_failures]
    return [
        OriginStats(name, read.get(name, 0), count_unread(store, name), missed.get(name, 0))
        for name in sorted({*read, *missed})
    ]


def _by_origin(store: Store, connection: sa.Connection, table: sa.Table) -> dict[str, int]:
    query = (
        sa.select(table.c.origin, sa.func.count())
        .join(passages, passages.c.id == table.c.passage)
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace == store.number())
        .group_by(table.c.origin)
    )
    return {origin: int(count) for origin, count in connection.execute(query)}


def unread(store: Store, origin: str, after: int = 0, limit: int | None = None) -> list[Passage]:
    """Passages of this namespace that `origin` has not looked at, by id."""
    query = _unread(store, origin, *_PASSAGE).where(passages.c.id > after).order_by(passages.c.id).limit(limit)
    with store.database.reading() as connection:
        return [Passage(*row) for row in connection.execute(query)]


def count_unread(store: Store, origin: str) -> int:
    """How many passages of this namespace `origin` has not looked at."""
    query = _unread(store, origin, sa.func.count(passages.c.id))
    with store.database.reading() as connection:
        return int(connection.execute(query).scalar_one())


def claim(store: Store, extractor: Extractor) -> None:
    """Notes whose phrases this namespace holds, if it holds none yet."""
    with store.database.writing() as connection:
        name = _fact(store.claim_namespace(connection))
        if connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).first() is None:
            connection.execute(sa.insert(facts).values(name=name, value=extractor.identity))


def renew(
    store: Store,
    embedder: Embedder,
    extractor: Extractor,
    progress: Callable[[Progress], None] | None = None,
) -> int:
    """Looks at every passage that this extractor has not looked at; returns how many. Resumable.

    What another extractor of the same origin found is dropped first.
    """
    if origin_of(store) != extractor.identity:
        drop(store, TAGGER)
        with store.database.writing() as connection:
            name = _fact(store.claim_namespace(connection))
            connection.execute(sa.delete(facts).where(facts.c.name == name))
            connection.execute(sa.insert(facts).values(name=name, value=extractor.identity))
    total, done, after = count_unread(store, TAGGER), 0, 0
    while batch := unread(store, TAGGER, after, _BATCH):
        _, states = embedder.encode([passage.content for passage in batch])
        found = extractor.extract(batch, states)
        done += replace(store, {p.id: each for p, each in zip(batch, found, strict=True)}, TAGGER)
        after = batch[-1].id
        if progress:
            progress(Progress("extract", done, total))
    return done


def origin_of(store: Store) -> str:
    """The identity of the extractor whose phrases this namespace holds; empty when there is none."""
    with store.database.reading() as connection:
        value = connection.execute(sa.select(facts.c.value).where(facts.c.name == _fact(store.number()))).scalar()
    return value or ""


def _fact(number: int) -> str:
    return f"extractor {number}"


def drop(store: Store, origin: str) -> int:
    """Drops all that an origin found in this namespace, and where it failed; logs it; returns for how many passages."""
    with store.database.writing() as connection:
        ids, failures = (_seen(store, connection, origin, table) for table in (extractions, extraction_failures))
        _delete(connection, sorted({*ids, *failures}), origin)
        if ids:
            log_known(connection, store.claim_namespace(connection), ids, "extract")
    return len(ids)


def _seen(store: Store, connection: sa.Connection, origin: str, table: sa.Table) -> list[int]:
    """The passages of this namespace that have a row of this origin, in order."""
    query = (
        sa.select(table.c.passage)
        .join(passages, passages.c.id == table.c.passage)
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace == store.number(), table.c.origin == origin)
        .order_by(table.c.passage)
    )
    return list(connection.execute(query).scalars())
