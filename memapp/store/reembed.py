"""A change of embedder: every vector of every namespace is made anew, resumably.

While it is under way the fact `reembedded` holds how far it came, and nobody may compare vectors.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from memapp.protocols import Embedder, EmbedderIdentity
from memapp.store.log import REEMBEDDED, Store, dump, stored_identity
from memapp.store.schema import documents, facts, passages, vectors
from memapp.types import Passage, Progress

_BATCH = 256


def unfinished(store: Store, identity: EmbedderIdentity) -> bool:
    """Whether any vector of the store may be another embedder's."""
    with store.database.reading() as connection:
        stored = stored_identity(connection)
        pending = connection.execute(sa.select(facts.c.value).where(facts.c.name == REEMBEDDED)).first()
    return stored is not None and (stored != identity or pending is not None)


def reembed(store: Store, embedder: Embedder, progress: Callable[[Progress], None] | None = None) -> int:
    """Gives every passage a vector of `embedder`; returns how many. Goes on where an earlier run broke off."""
    identity = embedder.identity
    with store.database.writing() as connection:
        after = 0
        if stored_identity(connection) == identity:
            value = connection.execute(sa.select(facts.c.value).where(facts.c.name == REEMBEDDED)).scalar()
            after = int(value or 0)
        _set(connection, "embedder", dump(identity))
        _set(connection, REEMBEDDED, str(after))
        total = connection.execute(sa.select(sa.func.count()).select_from(passages)).scalar_one()
    done = 0
    while batch := _next(store, after):
        matrix = embedder.embed([passage.content for passage in batch]).astype("<f2")
        rows = [{"passage": p.id, "vector": row.tobytes()} for p, row in zip(batch, matrix, strict=True)]
        with store.database.writing() as connection:
            connection.execute(
                sa.delete(vectors).where(vectors.c.passage == sa.bindparam("p")), [{"p": p.id} for p in batch]
            )
            alive = set(
                connection.execute(
                    sa.select(passages.c.id).where(passages.c.id.between(batch[0].id, batch[-1].id))
                ).scalars()
            )
            rows = [row for row in rows if row["passage"] in alive]
            if rows:
                connection.execute(sa.insert(vectors), rows)
            after = batch[-1].id
            _set(connection, REEMBEDDED, str(after))
        done += len(rows)
        if progress:
            progress(Progress("embed", done, total))
    with store.database.writing() as connection:
        connection.execute(sa.delete(facts).where(facts.c.name == REEMBEDDED))
    return done


def _set(connection: sa.Connection, name: str, value: str) -> None:
    connection.execute(sa.delete(facts).where(facts.c.name == name))
    connection.execute(sa.insert(facts).values(name=name, value=value))


def _next(store: Store, after: int) -> list[Passage]:
    query = (
        sa.select(passages.c.id, documents.c.key, documents.c.title, passages.c.text, passages.c.start, passages.c.end)
        .join(documents, documents.c.id == passages.c.document)
        .where(passages.c.id > after)
        .order_by(passages.c.id)
        .limit(_BATCH)
    )
    with store.database.reading() as connection:
        return [Passage(*row) for row in connection.execute(query)]
