"""What passages speak of, kept beside them: written with them, erased with them, and replaced when known better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memapp.protocols import Embedder, Extractor
from memapp.store.content import joined
from memapp.store.engine import parts
from memapp.store.log import Store, extraction_row, log_extracted
from memapp.store.schema import documents, extractions, passages
from memapp.types import Extraction, Fact, Passage, Progress

TAGGER = "tagger"
"""The origin of what the extractor that every ingest calls has found; only one of it is kept at a time."""
_BATCH = 128
_STRETCH = 2_000


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
    columns = (passages.c.id, passages.c.document, documents.c.title, passages.c.text)
    query = (
        sa.select(*columns, extractions.c.phrases, extractions.c.facts)
        .join(documents, documents.c.id == passages.c.document)
        .outerjoin(extractions, extractions.c.passage == passages.c.id)
        .where(documents.c.namespace + 0 == store.number())
        .where(passages.c.id.between(sa.bindparam("lo"), sa.bindparam("hi")))
        .order_by(passages.c.id, extractions.c.origin)
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
    facts: list[Fact] = []
    for row in rows:
        if last is not None and row.id != last.id:
            yield Spoken(last.id, last.document, last.title, last.text, Extraction(tuple(phrases), tuple(facts)))
            phrases, facts = [], []
        last = row
        phrases += row.phrases or ()
        facts += [Fact(*fact) for fact in row.facts or ()]
    if last is not None:
        yield Spoken(last.id, last.document, last.title, last.text, Extraction(tuple(phrases), tuple(facts)))


def whole(store: Store, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges of all passages of the documents that live in these ranges, in order."""
    query = (
        sa.select(documents.c.id, documents.c.last)
        .where(documents.c.id <= sa.bindparam("hi"), documents.c.last >= sa.bindparam("lo"))
        .where(documents.c.namespace + 0 == store.number())
        .order_by(documents.c.id)
    )
    found: dict[int, int] = {}
    with store.database.reading() as connection:
        for first, last in joined(ranges):
            found.update((row.id, row.last) for row in connection.execute(query, {"lo": first, "hi": last}))
    return sorted(found.items())


def by_passage(store: Store, ids: Sequence[int]) -> dict[int, Extraction]:
    """What those of these passages speak of that live in this namespace, all extractors together."""
    found: dict[int, Extraction] = {}
    for part in parts(sorted(ids)):
        for one in spoken(store, [(id, id) for id in part]):
            found[one.passage] = one.extraction
    return found


def replace(store: Store, found: Mapping[int, Extraction], origin: str) -> int:
    """Puts these extractions in the place of earlier ones of the same origin, and logs it; returns how many.

    Passages that are gone meanwhile are left out.
    """
    with store.database.writing() as connection:
        number = store.claim_namespace(connection)
        ids: list[int] = []
        for part in parts(sorted(found)):
            alive = (
                sa.select(passages.c.id)
                .join(documents, documents.c.id == passages.c.document)
                .where(documents.c.namespace + 0 == number, passages.c.id.in_(part))
            )
            ids += sorted(connection.execute(alive).scalars())
        for part in parts(ids):
            old = sa.delete(extractions).where(extractions.c.passage.in_(part), extractions.c.origin == origin)
            connection.execute(old)
        if ids:
            connection.execute(sa.insert(extractions), [extraction_row(id, origin, found[id]) for id in ids])
            log_extracted(connection, number, ids)
    return len(ids)


def unread(store: Store, origin: str, after: int = 0, limit: int | None = None) -> list[Passage]:
    """Passages of this namespace that `origin` has not looked at, by id."""
    looked = sa.select(extractions.c.passage).where(extractions.c.origin == origin)
    query = (
        sa.select(passages.c.id, documents.c.key, documents.c.title, passages.c.text, passages.c.start, passages.c.end)
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace == store.number(), passages.c.id > after, passages.c.id.not_in(looked))
        .order_by(passages.c.id)
        .limit(limit)
    )
    with store.database.reading() as connection:
        return [Passage(*row) for row in connection.execute(query)]


def count_unread(store: Store, origin: str) -> int:
    """How many passages of this namespace `origin` has not looked at."""
    looked = sa.select(extractions.c.passage).where(extractions.c.origin == origin)
    query = (
        sa.select(sa.func.count(passages.c.id))
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace == store.number(), passages.c.id.not_in(looked))
    )
    with store.database.reading() as connection:
        return int(connection.execute(query).scalar_one())


def extract(
    store: Store,
    embedder: Embedder,
    extractor: Extractor,
    progress: Callable[[Progress], None] | None = None,
) -> int:
    """Looks at every passage that the extractor has not seen, in batches; returns how many. Resumable."""
    total, done = count_unread(store, TAGGER), 0
    after = 0
    while batch := unread(store, TAGGER, after, _BATCH):
        _, states = embedder.encode([passage.content for passage in batch])
        found = extractor.extract(batch, states)
        done += replace(store, {p.id: each for p, each in zip(batch, found, strict=True)}, TAGGER)
        after = batch[-1].id
        if progress:
            progress(Progress("extract", done, total))
    return done


def drop(store: Store, origin: str) -> int:
    """Drops all that an origin found in this namespace, and logs it; returns for how many passages."""
    query = (
        sa.select(extractions.c.passage)
        .join(passages, passages.c.id == extractions.c.passage)
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace == store.number(), extractions.c.origin == origin)
        .order_by(extractions.c.passage)
    )
    with store.database.writing() as connection:
        ids = list(connection.execute(query).scalars())
        for part in parts(ids):
            old = sa.delete(extractions).where(extractions.c.passage.in_(part), extractions.c.origin == origin)
            connection.execute(old)
        if ids:
            log_extracted(connection, store.claim_namespace(connection), ids)
    return len(ids)
