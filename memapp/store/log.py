"""The log of one namespace: what comes, what goes, and what of it still stands.

Every method is scoped to the namespace that the store was opened for; nothing here can reach
another one. Sessions, rows and SQL stay inside this package.
"""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from memapp.errors import EmbedderMismatch
from memapp.protocols import EmbedderIdentity
from memapp.store import chats, debt, fulltext
from memapp.store.engine import Database, locate, parts
from memapp.store.schema import (
    changes,
    documents,
    extraction_failures,
    extractions,
    facts,
    namespaces,
    passages,
    states,
    vectors,
)
from memapp.types import Change, Document, Extraction, ItemState, LogEntry, Span, Vectors

REEMBEDDED = "reembedded"
"""The fact that holds the last passage with a new vector while a change of embedder is under way."""

_REBUILD = "Embed everything anew with `memapp rebuild dense`."


@dataclass(frozen=True, slots=True)
class Entry:
    """A document made ready: where its passages lie, and their vectors."""

    document: Document
    spans: tuple[Span, ...]
    vectors: Vectors
    """Shape (len(spans), dimension)."""
    extractions: tuple[Extraction, ...] = ()
    """What each passage speaks of; none when nobody looked yet."""
    origin: str = ""
    """What extracted that."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a forget took out."""

    documents: tuple[str, ...]
    passages: int
    turns: int
    texts: tuple[str, ...]
    """The erased texts, for a proof that no trace is left; held in memory only."""


def content_hash(document: Document) -> str:
    """Hash of what makes a document what it is; the same hash is the same content."""
    value = [document.title, document.text, dict(document.metadata)]
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


class Store:
    """One namespace of a store. Safe from several threads and processes."""

    def __init__(self, location: str | Path, namespace: str, *, busy_seconds: float = 60.0, create: bool = True):
        """Opens the store at `location`; raises StoreError leaves as `Database` does."""
        self.database = Database(locate(location), busy_seconds, create)
        self.namespace = namespace
        self._id: int | None = None

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return self.database.path

    def close(self) -> None:
        """Lets go of every connection."""
        self.database.close()

    # The log

    def head(self) -> int:
        """Position of the newest change; 0 for an empty namespace."""
        with self.database.reading() as connection:
            return self._head(connection)

    def changes(self, after: int = 0) -> list[Change]:
        """Changes at positions above `after`, in order."""
        query = (
            sa.select(changes.c.position, changes.c.kind, changes.c.first, changes.c.last)
            .where(changes.c.namespace == self.number(), changes.c.position > after)
            .order_by(changes.c.position)
        )
        with self.database.reading() as connection:
            return [Change(*row) for row in connection.execute(query)]

    def mark(self, position: int) -> str:
        """What the change at `position` is known by; empty when there is none. Derived files carry it."""
        query = sa.select(changes).where(changes.c.namespace == self.number(), changes.c.position == position)
        with self.database.reading() as connection:
            row = connection.execute(query).first()
        return f"{row.kind} {row.first}-{row.last} {row.at}" if row else ""

    def entries(self, limit: int | None = None) -> list[LogEntry]:
        """The log as a person reads it, newest first."""
        query = (
            sa.select(changes, documents.c.key)
            .outerjoin(documents, documents.c.id == changes.c.first)
            .where(changes.c.namespace == self.number())
            .order_by(changes.c.position.desc())
            .limit(limit)
        )
        with self.database.reading() as connection:
            return [
                LogEntry(row.position, row.at, row.kind, row.key or "", row.last - row.first + 1)
                for row in connection.execute(query)
            ]

    # What comes

    def hashes(self, keys: Iterable[str]) -> dict[str, str]:
        """Content hashes of those of these documents that are remembered."""
        found: dict[str, str] = {}
        with self.database.reading() as connection:
            for part in parts(list(keys)):
                query = sa.select(documents.c.key, documents.c.content_hash).where(
                    documents.c.namespace == self.number(), documents.c.key.in_(part)
                )
                found.update((row.key, row.content_hash) for row in connection.execute(query))
        return found

    def put(self, entries: Sequence[Entry], identity: EmbedderIdentity) -> list[ItemState]:
        """Keeps these documents, all or none, and tells what became of each.

        A document whose id is known with the same content is left alone, with other content
        replaced. Raises EmbedderMismatch when the store's vectors are another embedder's.
        """
        if not entries:
            return []
        with self.database.writing() as connection:
            self._claim(connection, identity)
            number = self.claim_namespace(connection)
            return [state for run in _runs(entries) for state in self._put(connection, number, run)]

    def _put(self, connection: sa.Connection, number: int, entries: Sequence[Entry]) -> list[ItemState]:
        """`entries` have ids of their own, each."""
        states: list[ItemState] = []
        fresh: list[Entry] = []
        replaced: list[sa.Row[Any]] = []
        known = self._known(connection, number, [entry.document.id for entry in entries])
        for entry in entries:
            row = known.get(entry.document.id)
            if row and row.content_hash == content_hash(entry.document):
                states.append("unchanged")
                continue
            fresh.append(entry)
            states.append("updated" if row else "added")
            if row:
                replaced.append(row)
        if replaced:
            self._erase(connection, number, replaced)
        firsts = self._insert(connection, number, fresh)
        for row in replaced:
            chats.repoint(connection, (row.id, row.last), firsts[row.key])
        return states

    # What goes

    def forget(self, keys: Iterable[str]) -> Forgotten:
        """Erases these documents with their passages, words, vectors and the chat turns that quote them.

        Unknown ids are left out of the result. One transaction; `erase.scrub` finishes the work on
        the files.
        """
        with self.database.writing() as connection:
            number = self.claim_namespace(connection)
            rows = list(self._known(connection, number, list(keys)).values())
            if not rows:
                return Forgotten((), 0, 0, ())
            texts = self._erase(connection, number, rows)
            turns = chats.erase(connection, number, [(row.id, row.last) for row in rows], texts)
            return Forgotten(tuple(row.key for row in rows), len(texts), turns, texts)

    # The embedder

    def embedder(self) -> EmbedderIdentity | None:
        """Whose vectors the store holds; None before the first."""
        with self.database.reading() as connection:
            return stored_identity(connection)

    def require(self, identity: EmbedderIdentity) -> None:
        """Raises EmbedderMismatch unless vectors of `identity` may be compared with all of the store's."""
        with self.database.reading() as connection:
            stored = stored_identity(connection)
            unfinished = connection.execute(sa.select(facts.c.value).where(facts.c.name == REEMBEDDED)).scalar()
        if stored is not None and stored != identity:
            raise _mismatch(stored, identity)
        if unfinished is not None:
            raise EmbedderMismatch("Some of the store's vectors are still another embedder's.", _REBUILD)

    # Inside a transaction

    def number(self) -> int:
        """The namespace's number; -1, which matches nothing, while it has none."""
        if self._id is None:
            with self.database.reading() as connection:
                self._id = self._find(connection)
        return -1 if self._id is None else self._id

    def _find(self, connection: sa.Connection) -> int | None:
        query = sa.select(namespaces.c.id).where(namespaces.c.name == self.namespace)
        number = connection.execute(query).scalar()
        return None if number is None else int(number)

    def claim_namespace(self, connection: sa.Connection) -> int:
        """The namespace's number, given now if it has none yet; inside a write transaction."""
        number = self._find(connection)
        if number is None:
            inserted = connection.execute(sa.insert(namespaces).values(name=self.namespace))
            number = int(inserted.inserted_primary_key[0])  # type: ignore[index]
            fulltext.create(connection, number)
        return number

    def _head(self, connection: sa.Connection) -> int:
        query = sa.select(sa.func.max(changes.c.position)).where(changes.c.namespace == self.number())
        return connection.execute(query).scalar() or 0

    def _claim(self, connection: sa.Connection, identity: EmbedderIdentity) -> None:
        stored = stored_identity(connection)
        if stored is None:
            connection.execute(sa.insert(facts).values(name="embedder", value=dump(identity)))
        elif stored != identity:
            raise _mismatch(stored, identity)

    def _known(self, connection: sa.Connection, number: int, keys: list[str]) -> dict[str, sa.Row[Any]]:
        columns = (documents.c.id, documents.c.last, documents.c.key, documents.c.title, documents.c.content_hash)
        rows: dict[str, sa.Row[Any]] = {}
        for part in parts(keys):
            query = sa.select(*columns).where(documents.c.namespace == number, documents.c.key.in_(part))
            rows.update({row.key: row for row in connection.execute(query)})
        return rows

    def _insert(self, connection: sa.Connection, number: int, entries: list[Entry]) -> dict[str, int]:
        """Returns the number of each new document by its id."""
        if not entries:
            return {}
        next_id = _newest(connection) + 1
        position = (connection.execute(sa.select(sa.func.max(changes.c.position))).scalar() or 0) + 1
        at = now()
        rows: dict[sa.Table, list[dict[str, Any]]] = {
            table: [] for table in (documents, passages, vectors, extractions, changes)
        }
        words: list[fulltext.Row] = []
        for offset, entry in enumerate(entries):
            first, last = next_id, next_id + len(entry.spans) - 1
            next_id = last + 1
            rows[documents].append(_document_row(entry.document, number, first, last, at))
            stretch = _passage_rows(entry, first)
            rows[passages].extend(stretch)
            half = entry.vectors.astype("<f2")
            rows[vectors].extend({"passage": first + i, "vector": half[i].tobytes()} for i in range(len(entry.spans)))
            rows[extractions].extend(
                extraction_row(first + i, entry.origin, found) for i, found in enumerate(entry.extractions)
            )
            words.extend((row["id"], entry.document.title, row["text"]) for row in stretch)
            rows[changes].append(_change_row(position + offset, number, "insert", first, last, at))
        for target, values in rows.items():
            if values:
                connection.execute(sa.insert(target), values)
        fulltext.insert(connection, number, words)
        return {row["key"]: row["id"] for row in rows[documents]}

    def _erase(self, connection: sa.Connection, number: int, rows: Sequence[sa.Row[Any]]) -> tuple[str, ...]:
        """Returns the texts of the passages that went."""
        words: list[fulltext.Row] = []
        texts = sa.select(passages.c.id, passages.c.text)
        for row in rows:
            found = connection.execute(texts.where(passages.c.id.between(row.id, row.last)))
            words.extend((id, row.title, text) for id, text in found)
        debt.owe(connection, number)
        fulltext.delete(connection, number, words)
        ranges = [{"lo": row.id, "hi": row.last} for row in rows]
        beside = (each.c.passage for each in (vectors, extractions, extraction_failures, states))
        for column in (*beside, passages.c.id, documents.c.id):
            within = column.between(sa.bindparam("lo"), sa.bindparam("hi"))
            connection.execute(sa.delete(column.table).where(within), ranges)
        at = now()
        position = (connection.execute(sa.select(sa.func.max(changes.c.position))).scalar() or 0) + 1
        connection.execute(
            sa.insert(changes),
            [_change_row(position + i, number, "forget", row.id, row.last, at) for i, row in enumerate(rows)],
        )
        return tuple(text for _, _, text in words)


def living(changes: Iterable[Change]) -> dict[int, int]:
    """First and last passage of each document that stands after these changes, in the order in which they came."""
    alive: dict[int, int] = {}
    for change in changes:
        if change.kind == "insert":
            alive[change.first] = change.last
        elif change.kind == "forget":
            alive.pop(change.first, None)
    return alive


def _newest(connection: sa.Connection) -> int:
    """The highest number that a passage was ever given: numbers ascend with the log, and none is given twice."""
    query = sa.select(changes.c.last).where(changes.c.kind == "insert").order_by(changes.c.position.desc()).limit(1)
    return int(connection.execute(query).scalar() or 0)


def _runs(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Stretches in which no id occurs twice, so that the last of the same id counts wherever a batch ends."""
    run: dict[str, Entry] = {}
    for entry in entries:
        if entry.document.id in run:
            yield list(run.values())
            run = {}
        run[entry.document.id] = entry
    yield list(run.values())


def now() -> str:
    """The time, ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def stored_identity(connection: sa.Connection) -> EmbedderIdentity | None:
    value = connection.execute(sa.select(facts.c.value).where(facts.c.name == "embedder")).scalar()
    return EmbedderIdentity(**json.loads(value)) if value else None


def dump(identity: EmbedderIdentity) -> str:
    return json.dumps({"name": identity.name, "dimension": identity.dimension, "sha256": identity.sha256})


def _mismatch(stored: EmbedderIdentity, given: EmbedderIdentity) -> EmbedderMismatch:
    return EmbedderMismatch(
        f"The store's vectors were made by {stored.name} ({stored.sha256[:12]}), not by {given.name}"
        f" ({given.sha256[:12]}).",
        f"Use that embedder again. {_REBUILD}",
    )


def _document_row(document: Document, number: int, first: int, last: int, at: str) -> dict[str, Any]:
    return {
        "id": first,
        "namespace": number,
        "key": document.id,
        "title": document.title,
        "source": document.source,
        "media_type": document.media_type,
        "metadata": json.loads(json.dumps(dict(document.metadata), default=str)),
        "sections": [[section.start, section.heading, section.page] for section in document.sections],
        "content_hash": content_hash(document),
        "characters": len(document.text),
        "last": last,
        "added": at,
    }


def _passage_rows(entry: Entry, first: int) -> list[dict[str, Any]]:
    text, sections = entry.document.text, entry.document.sections
    starts = [section.start for section in sections]
    rows, end = [], 0
    for ordinal, span in enumerate(entry.spans):
        index = bisect.bisect_right(starts, span.start) - 1
        section = sections[index] if index >= 0 else None
        rows.append(
            {
                "id": first + ordinal,
                "document": first,
                "ordinal": ordinal,
                "start": span.start,
                "end": span.end,
                "gap": text[end : span.start],
                "text": text[span.start : span.end],
                "heading": section.heading if section else "",
                "page": section.page if section else None,
            }
        )
        end = span.end
    return rows


def extraction_row(passage: int, origin: str, found: Extraction) -> dict[str, Any]:
    """The row of one passage's extraction."""
    facts = [[fact.subject, fact.predicate, fact.object] for fact in found.facts]
    return {"passage": passage, "origin": origin, "phrases": list(found.phrases), "facts": facts}


def log_known(connection: sa.Connection, number: int, ids: Sequence[int], kind: Literal["extract", "read"]) -> None:
    """Logs that more or other things are known of these passages, in order of id; inside a write transaction."""
    runs: list[tuple[int, int]] = []
    for id in ids:
        if runs and runs[-1][1] + 1 == id:
            runs[-1] = (runs[-1][0], id)
        else:
            runs.append((id, id))
    position = (connection.execute(sa.select(sa.func.max(changes.c.position))).scalar() or 0) + 1
    at = now()
    rows = [_change_row(position + i, number, kind, first, last, at) for i, (first, last) in enumerate(runs)]
    connection.execute(sa.insert(changes), rows)


def _change_row(position: int, number: int, kind: str, first: int, last: int, at: str) -> dict[str, Any]:
    return {"position": position, "namespace": number, "kind": kind, "first": first, "last": last, "at": at}


def unpack(blobs: Sequence[bytes], dimension: int) -> Vectors:
    """Vectors from their rows, float32, shape (len(blobs), dimension)."""
    return np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(blobs), dimension).astype(np.float32)
