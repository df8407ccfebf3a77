"""The tables. Portable SQL only; what one database alone can do stands in fulltext.py and engine.py.

A document's passages tile it: `gap` is the white space before a passage, so that joining gap and
text over the passages gives the document's text back, and no text is stored twice.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

HEAD = "0004"
"""The newest migration in migrations/versions."""

metadata = MetaData()

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts on the store as a whole: what made it, and whose vectors it holds."""

namespaces = Table(
    "namespaces",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
)

documents = Table(
    "documents",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("namespace", ForeignKey("namespaces.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("media_type", String(255), nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("sections", JSON, nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("characters", Integer, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("added", String(32), nullable=False),
    UniqueConstraint("namespace", "key"),
    Index("documents_by_source", "namespace", "source"),
)
"""A document's id is that of its first passage, so that it is never given twice either."""

passages = Table(
    "passages",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("document", ForeignKey("documents.id"), nullable=False, index=True),
    Column("ordinal", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("gap", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("heading", Text, nullable=False),
    Column("page", Integer),
)

vectors = Table(
    "vectors",
    metadata,
    Column("passage", ForeignKey("passages.id"), primary_key=True, autoincrement=False),
    Column("vector", LargeBinary, nullable=False),
)
"""Unit vectors, little-endian float16."""

extractions = Table(
    "extractions",
    metadata,
    Column("passage", ForeignKey("passages.id"), primary_key=True, autoincrement=False),
    Column("origin", String(16), primary_key=True),
    Column("phrases", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
)
"""What a passage speaks of, as each extractor found it; facts are lists of subject, predicate and object."""

extraction_failures = Table(
    "extraction_failures",
    metadata,
    Column("passage", ForeignKey("passages.id"), primary_key=True, autoincrement=False),
    Column("origin", String(16), primary_key=True),
    Column("reason", String(255), nullable=False),
    Column("tries", Integer, nullable=False),
)
"""Passages that an extractor could not read, and how often it tried. A reason quotes nothing of the passage."""

states = Table(
    "states",
    metadata,
    Column("passage", ForeignKey("passages.id"), primary_key=True, autoincrement=False),
    Column("model", String(64), nullable=False),
    Column("tokens", LargeBinary, nullable=False),
    Column("keys", LargeBinary, nullable=False),
)
"""What the chat model made of a passage: its tokens, little-endian int32, and the hidden state before each, in codes
of one byte a component; `model` is the hash of what must agree before two keys may be compared."""

changes = Table(
    "changes",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("namespace", ForeignKey("namespaces.id"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("at", String(32), nullable=False),
    Index("changes_by_namespace", "namespace", "position"),
)
"""The log. It names passages by number alone: a number outlives what was forgotten and tells nothing of it."""

turns = Table(
    "turns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("namespace", ForeignKey("namespaces.id"), nullable=False),
    Column("session", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("erased", Boolean, nullable=False),
    Column("at", String(32), nullable=False),
    Index("turns_by_session", "namespace", "session", "id"),
)

readings = Table(
    "readings",
    metadata,
    Column("turn", ForeignKey("turns.id"), primary_key=True),
    Column("passage", BigInteger, primary_key=True, index=True),
    Column("n", Integer, primary_key=True),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
)
"""The passages that a turn's answer was written from; n is the citation's number, 0 for read but not cited."""
