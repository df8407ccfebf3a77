"""What the chat model made of passages, kept beside them: written when they were read, erased with them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from memapp.errors import StatesMismatch
from memapp.store.content import joined
from memapp.store.derived import Stamp
from memapp.store.log import Store, living, log_known
from memapp.store.schema import changes, documents, facts, passages, states
from memapp.types import Vectors

NETWORK = "parametric.safetensors"
"""The file of a namespace's network, among what layers derived."""
_STRETCH = 500


@dataclass(frozen=True, slots=True)
class Coding:
    """How hidden states become codes of one byte a component."""

    model: str
    """Hash of what must agree before two keys may be compared: weights, quantisation, tokenizer."""
    name: str
    """What a person calls the model."""
    spread: Vectors
    """Shape (dimension,): the largest magnitude of each component that a code can say."""

    def encode(self, keys: Vectors) -> NDArray[np.uint8]:
        """Codes, shape (n, dimension); what is beyond the spread is cut to it."""
        return np.asarray(np.rint(np.clip(keys / self.spread, -1, 1) * 127 + 128), np.uint8)

    def decode(self, codes: NDArray[np.uint8]) -> Vectors:
        """Hidden states again, to within 1/254 of the spread."""
        return np.asarray((codes.astype(np.float32) - 128) * (self.spread / 127), np.float32)


@dataclass(frozen=True, slots=True)
class Read:
    """A passage as the chat model read it."""

    passage: int
    document: int
    """The id of the first passage of its document."""
    tokens: NDArray[np.int32]
    codes: NDArray[np.uint8]
    """Shape (len(tokens), dimension): codes of the state from which each token was to be told."""


def coding(store: Store) -> Coding | None:
    """How this namespace's states are coded; None while there are none."""
    with store.database.reading() as connection:
        value = connection.execute(sa.select(facts.c.value).where(facts.c.name == _fact(store.number()))).scalar()
    if value is None:
        return None
    found = json.loads(value)
    spread = np.frombuffer(base64.b64decode(found["spread"]), "<f4")
    return Coding(found["model"], found["name"], spread)


def claim(store: Store, wanted: Coding) -> Coding:
    """Notes how this namespace's states are coded, if it is not known yet; returns what holds from now on.

    Raises StatesMismatch when the states here are another model's.
    """
    with store.database.writing() as connection:
        name = _fact(store.claim_namespace(connection))
        if connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).first() is None:
            spread = base64.b64encode(wanted.spread.astype("<f4").tobytes()).decode()
            value = json.dumps({"model": wanted.model, "name": wanted.name, "spread": spread})
            connection.execute(sa.insert(facts).values(name=name, value=value))
    held = coding(store)
    assert held is not None
    require(held, wanted.model, wanted.name)
    return held


def require(held: Coding, model: str, name: str) -> None:
    """Raises StatesMismatch unless states of this model may be compared with those that are held."""
    if held.model != model:
        raise StatesMismatch(
            f"The parametric memory was read by {held.name}, but the model in use is {name}.",
            "Use that model again, or have everything read anew: `memapp rebuild parametric`.",
        )


def drop(store: Store) -> int:
    """Drops all states of this namespace and how they are coded; returns of how many passages."""
    mine = sa.select(passages.c.id).join(documents, documents.c.id == passages.c.document)
    with store.database.writing() as connection:
        number = store.claim_namespace(connection)
        ids = mine.where(documents.c.namespace == number)
        dropped = connection.execute(sa.delete(states).where(states.c.passage.in_(ids))).rowcount
        connection.execute(sa.delete(facts).where(facts.c.name == _fact(number)))
    return int(dropped)


def put(store: Store, found: Sequence[Read], model: str) -> int:
    """Keeps what was read, and logs it; returns how many. Passages that are gone meanwhile are left out."""
    by_id = {one.passage: one for one in found}
    alive = sa.select(passages.c.id).join(documents, documents.c.id == passages.c.document).order_by(passages.c.id)
    with store.database.writing() as connection:
        number = store.claim_namespace(connection)
        query = alive.where(documents.c.namespace + 0 == number, passages.c.id.between(min(by_id), max(by_id)))
        ids = [id for id in connection.execute(query).scalars() if id in by_id]
        if ids:
            connection.execute(
                sa.delete(states).where(states.c.passage == sa.bindparam("id")), [{"id": i} for i in ids]
            )
            connection.execute(sa.insert(states), [_row(by_id[id], model) for id in ids])
            log_known(connection, number, ids, "read")
    return len(ids)


def _row(one: Read, model: str) -> dict[str, Any]:
    tokens = one.tokens.astype("<i4").tobytes()
    return {"passage": one.passage, "model": model, "tokens": tokens, "keys": one.codes.tobytes()}


def stretches(store: Store, ranges: Iterable[tuple[int, int]], dimension: int) -> Iterator[Read]:
    """What was read of the living passages of this namespace in these ranges, by id."""
    query = (
        sa.select(states.c.passage, passages.c.document, states.c.tokens, states.c["keys"])
        .join(passages, passages.c.id == states.c.passage)
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace + 0 == store.number())
        .order_by(states.c.passage)
    )
    for first, last in joined(ranges):
        for start in range(first, last + 1, _STRETCH):
            within = query.where(states.c.passage.between(start, min(start + _STRETCH - 1, last)))
            with store.database.reading() as connection:
                rows = connection.execute(within).all()
            for passage, document, tokens, codes in rows:
                yield Read(
                    passage,
                    document,
                    np.frombuffer(tokens, "<i4"),
                    np.frombuffer(codes, np.uint8).reshape(-1, dimension),
                )


def unread(store: Store) -> list[tuple[int, str, list[int]]]:
    """Documents with passages that were not read: number, id, and these passages."""
    query = (
        sa.select(documents.c.id, documents.c.key, passages.c.id)
        .join(passages, passages.c.document == documents.c.id)
        .outerjoin(states, states.c.passage == passages.c.id)
        .where(documents.c.namespace == store.number(), states.c.passage.is_(None))
        .order_by(passages.c.id)
    )
    found: dict[int, tuple[int, str, list[int]]] = {}
    with store.database.reading() as connection:
        for document, key, passage in connection.execute(query):
            found.setdefault(document, (document, key, []))[2].append(passage)
    return list(found.values())


def everything(store: Store, dimension: int) -> list[Read]:
    """All that was read in this namespace, by passage."""
    return list(stretches(store, living(store.changes()).items(), dimension))


def counts(store: Store) -> tuple[int, int]:
    """How many passages of this namespace were read, and how many were not."""
    query = (
        sa.select(sa.func.count(states.c.passage), sa.func.count())
        .select_from(passages)
        .join(documents, documents.c.id == passages.c.document)
        .outerjoin(states, states.c.passage == passages.c.id)
        .where(documents.c.namespace == store.number())
    )
    with store.database.reading() as connection:
        read, total = connection.execute(query).one()
    return int(read), int(total - read)


def size(store: Store) -> tuple[int, int]:
    """Bytes of keys and tokens of this namespace, and how many tokens they are of."""
    length = sa.func.sum(sa.func.length(states.c.tokens)), sa.func.sum(sa.func.length(states.c["keys"]))
    query = (
        sa.select(*length)
        .join(passages, passages.c.id == states.c.passage)
        .join(documents, documents.c.id == passages.c.document)
        .where(documents.c.namespace == store.number())
    )
    with store.database.reading() as connection:
        tokens, codes = connection.execute(query).one()
    return int(tokens or 0) + int(codes or 0), int(tokens or 0) // 4


def note_learned(store: Store, stamp: Stamp) -> None:
    """Notes what the network of this namespace was made from, so that it is known when that was forgotten."""
    with store.database.writing() as connection:
        name = _learned(store.claim_namespace(connection))
        connection.execute(sa.delete(facts).where(facts.c.name == name))
        connection.execute(sa.insert(facts).values(name=name, value=json.dumps(asdict(stamp))))


def learned(store: Store) -> Stamp | None:
    """What the newest network of this namespace was made from; None before the first."""
    with store.database.reading() as connection:
        value = connection.execute(sa.select(facts.c.value).where(facts.c.name == _learned(store.number()))).scalar()
    return Stamp(**json.loads(value)) if value else None


def outdated(connection: sa.Connection, number: int, stamp: Stamp) -> bool:
    """Whether something that a network made from this had learned was forgotten since."""
    came = sa.select(changes.c.first).where(
        changes.c.namespace == number, changes.c.kind == "insert", changes.c.position <= stamp.position
    )
    gone = sa.select(changes.c.first).where(
        changes.c.namespace == number,
        changes.c.kind == "forget",
        changes.c.position > stamp.position,
        changes.c.first.in_(came),
    )
    return connection.execute(gone.limit(1)).first() is not None


def is_outdated(store: Store, stamp: Stamp) -> bool:
    """`outdated`, of this namespace."""
    with store.database.reading() as connection:
        return outdated(connection, store.number(), stamp)


def network_to_keep(connection: sa.Connection, number: int) -> bool:
    """Whether the network of this namespace has learned nothing that was forgotten since."""
    value = connection.execute(sa.select(facts.c.value).where(facts.c.name == _learned(number))).scalar()
    return value is not None and not outdated(connection, number, Stamp(**json.loads(value)))


def _learned(number: int) -> str:
    return f"network {number}"


def _fact(number: int) -> str:
    return f"states {number}"
