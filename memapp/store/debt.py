"""What an erasing still owes: its transaction is over, but the files are yet to be scrubbed. See erase.py."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import sqlalchemy as sa

from memapp.store.schema import facts

_OWED = "unscrubbed "


def owe(connection: sa.Connection, namespace: int) -> None:
    """Keeps it in mind with the erasing itself, so that a crash only delays the rest."""
    name = f"{_OWED}{namespace}"
    connection.execute(sa.delete(facts).where(facts.c.name == name))
    connection.execute(sa.insert(facts).values(name=name, value=secrets.token_hex(8)))


def owed(connection: sa.Connection) -> dict[int, str]:
    """The namespaces with something left to scrub, each with what tells this debt from a later one."""
    query = sa.select(facts.c.name, facts.c.value).where(facts.c.name.startswith(_OWED, autoescape=True))
    return {int(name.removeprefix(_OWED)): value for name, value in connection.execute(query)}


def pay(connection: sa.Connection, debts: Mapping[int, str]) -> None:
    """Strikes these debts out, unless others have taken their place."""
    same = (facts.c.name == sa.bindparam("n")) & (facts.c.value == sa.bindparam("v"))
    paid = [{"n": f"{_OWED}{namespace}", "v": value} for namespace, value in debts.items()]
    connection.execute(sa.delete(facts).where(same), paid)
