"""What is remembered, read back: passages, vectors, whole documents, counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from memapp.store import fulltext
from memapp.store.engine import parts
from memapp.store.log import Store, unpack
from memapp.store.schema import changes, documents, passages, vectors
from memapp.types import Document, DocumentInfo, Passage, Section, Vectors

_PASSAGE = (
    sa.select(
        passages.c.id,
        documents.c.key,
        documents.c.title,
        passages.c.text,
        passages.c.start,
        passages.c.end,
        passages.c.ordinal,
        passages.c.heading,
        passages.c.page,
        documents.c.source,
        documents.c.metadata,
    )
    .join(documents, documents.c.id == passages.c.document)
    .order_by(passages.c.id)
)


def passages_by_id(store: Store, ids: Sequence[int]) -> dict[int, Passage]:
    """Those of these passages that live in this namespace. The last guard against leaks and forgotten text."""
    found: dict[int, Passage] = {}
    with store.database.reading() as connection:
        for part in parts(list(ids)):
            # An expression has no index: SQLite would else go through every document of the namespace.
            query = _PASSAGE.where(documents.c.namespace + 0 == store.number(), passages.c.id.in_(part))
            found.update({row.id: Passage(*row) for row in connection.execute(query)})
    return found


def passages_of(store: Store, key: str) -> list[Passage]:
    """The passages of a document in order; empty when it is unknown."""
    query = _PASSAGE.where(documents.c.namespace == store.number(), documents.c.key == key)
    with store.database.reading() as connection:
        return [Passage(*row) for row in connection.execute(query)]


def spoken(store: Store, ranges: Iterable[tuple[int, int]]) -> list[Passage]:
    """The passages in these ranges that live and are turns of conversations, by id."""
    # What is looked for in the text of the metadata is only a first sieve.
    query = _PASSAGE.where(
        documents.c.namespace + 0 == store.number(), sa.cast(documents.c.metadata, sa.Text).contains('"speaker')
    )
    found: list[Passage] = []
    with store.database.reading() as connection:
        for first, last in joined(ranges):
            rows = connection.execute(query.where(passages.c.id.between(first, last)))
            found += [Passage(*row) for row in rows]
    return [passage for passage in found if passage.said is not None]


def turns(store: Store) -> int:
    """How many turns of conversations the namespace holds."""
    return len(spoken(store, [(0, (1 << 63) - 1)]))


def stretches(store: Store, ranges: Iterable[tuple[int, int]], dimension: int) -> tuple[NDArray[np.int64], Vectors]:
    """Ids, shape (n,), and vectors, shape (n, dimension), of the living passages in these ranges, by id."""
    ids: list[int] = []
    blobs: list[bytes] = []
    query = sa.select(vectors.c.passage, vectors.c.vector).order_by(vectors.c.passage)
    with store.database.reading() as connection:
        for first, last in joined(ranges):
            for id, blob in connection.execute(query.where(vectors.c.passage.between(first, last))):
                ids.append(id)
                blobs.append(blob)
    return np.array(ids, dtype=np.int64), unpack(blobs, dimension)


def living(connection: sa.Connection, number: int, passage: int | None = None) -> set[int]:
    """The passages of a namespace, or the one if it lives."""
    query = sa.select(passages.c.id).join(documents, documents.c.id == passages.c.document)
    query = query.where(documents.c.namespace + 0 == number)
    return set(connection.execute(query if passage is None else query.where(passages.c.id == passage)).scalars())


def ids(store: Store) -> list[int]:
    """Every passage, in the order in which they came."""
    with store.database.reading() as connection:
        return sorted(living(connection, store.number()))


def vectors_by_id(store: Store, ids: Sequence[int], dimension: int) -> tuple[NDArray[np.int64], Vectors]:
    """Those of these passages that have a vector, by id, and the vectors, shape (n, dimension).

    Not scoped to the namespace: `ids` must be of passages that live in it.
    """
    found: list[tuple[int, bytes]] = []
    with store.database.reading() as connection:
        for part in parts(list(ids)):
            query = sa.select(vectors.c.passage, vectors.c.vector).where(vectors.c.passage.in_(part))
            found += [(row.passage, row.vector) for row in connection.execute(query.order_by(vectors.c.passage))]
    return np.array([id for id, _ in found], np.int64), unpack([blob for _, blob in found], dimension)


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Adjacent ranges made one, in order, so that a bulk load is one query."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and joined[-1][1] + 1 >= first:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def document(store: Store, key: str) -> Document | None:
    """A document with its whole text, put together from its passages; None when it is unknown."""
    query = sa.select(documents).where(documents.c.namespace == store.number(), documents.c.key == key)
    with store.database.reading() as connection:
        row = connection.execute(query).first()
        return _document(connection, row) if row else None


def every_document(store: Store) -> Iterator[Document]:
    """All documents in the order in which they came; each is read when it is asked for."""
    after = 0
    while True:
        query = (
            sa.select(documents)
            .where(documents.c.namespace == store.number(), documents.c.id > after)
            .order_by(documents.c.id)
            .limit(256)
        )
        with store.database.reading() as connection:
            rows = connection.execute(query).all()
            batch = [_document(connection, row) for row in rows]
        yield from batch
        if not rows:
            return
        after = rows[-1].id


def infos(store: Store, source: str | None = None, limit: int | None = None) -> list[DocumentInfo]:
    """Documents without their text, oldest first; `source` is a file or a folder that holds it."""
    query = sa.select(documents).where(documents.c.namespace == store.number()).order_by(documents.c.id).limit(limit)
    if source is not None:
        folder = source.rstrip("/") + "/"
        # Not LIKE, which takes another case for the same.
        inside = sa.func.substr(documents.c.source, 1, len(folder)) == folder
        query = query.where((documents.c.source == source) | (inside if source else sa.false()))
    return _infos(store, query)


def containing(store: Store, text: str) -> list[DocumentInfo]:
    """Documents with a passage that contains `text`, whatever its case."""
    matches = sa.select(passages.c.document).where(passages.c.text.icontains(text, autoescape=True))
    titled = documents.c.title.icontains(text, autoescape=True)
    where = (documents.c.namespace == store.number()) & (documents.c.id.in_(matches) | titled)
    return _infos(store, sa.select(documents).where(where).order_by(documents.c.id))


def still_said(store: Store, stretch: bytes) -> bool:
    """Whether a living passage or title, of any namespace, holds these bytes of UTF-8."""
    with store.database.reading() as connection:
        for column in (passages.c.text, documents.c.title):
            held = sa.func.instr(sa.cast(column, sa.LargeBinary), stretch) > 0
            if connection.execute(sa.select(sa.literal(1)).where(held).limit(1)).first():
                return True
    return False


def totals(store: Store) -> tuple[int, int, int, int]:
    """Documents, passages, characters and changes of the namespace."""
    number = store.number()
    count = sa.func.count(documents.c.id)
    length = sa.func.coalesce(sa.func.sum(documents.c.last - documents.c.id + 1), 0)
    characters = sa.func.coalesce(sa.func.sum(documents.c.characters), 0)
    with store.database.reading() as connection:
        query = sa.select(count, length, characters).where(documents.c.namespace == number)
        first, second, third = connection.execute(query).one()
        logged = connection.execute(sa.select(sa.func.count()).where(changes.c.namespace == number)).scalar_one()
    return int(first), int(second), int(third), int(logged)


def reindex(connection: sa.Connection, number: int) -> None:
    """Makes the full-text index of a namespace anew; inside a write transaction."""
    query = (
        sa.select(passages.c.id, documents.c.title, passages.c.text)
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace == number)
        .order_by(passages.c.id)
    )
    fulltext.drop(connection, number)
    fulltext.create(connection, number)
    for batch in connection.execute(query).partitions(1000):
        fulltext.insert(connection, number, [(row.id, row.title, row.text) for row in batch])


def _infos(store: Store, query: sa.Select[Any]) -> list[DocumentInfo]:
    with store.database.reading() as connection:
        return [
            DocumentInfo(
                row.key,
                row.title,
                row.source,
                row.media_type,
                row.last - row.id + 1,
                row.characters,
                row.added,
                row.metadata,
            )
            for row in connection.execute(query)
        ]


def _document(connection: sa.Connection, row: sa.Row[Any]) -> Document:
    query = sa.select(passages.c.gap, passages.c.text).where(passages.c.document == row.id).order_by(passages.c.id)
    text = "".join(gap + text for gap, text in connection.execute(query))
    sections = tuple(Section(*section) for section in row.sections)
    return Document(row.key, row.title, text, row.source, row.media_type, row.metadata, sections)
