"""Connections: how a store is opened, locked and migrated, and the one place that maps database errors."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from memapp.errors import StoreBusy, StoreError, StoreForeign, StoreFull, StoreVersion, UsageError
from memapp.store import raw
from memapp.store.schema import HEAD, facts

_APPLICATION_ID = 0x6D656D61
_MAGIC = b"SQLite format 3\0"
_SURROGATE = re.compile("[\ud800-\udfff]")
_PARAMETERS = 500
_T = TypeVar("_T")
_MIGRATIONS = Path(__file__).with_name("migrations")


def parts(keys: list[_T]) -> Iterator[list[_T]]:
    """`keys` in stretches that one statement may hold as parameters."""
    return (keys[i : i + _PARAMETERS] for i in range(0, len(keys), _PARAMETERS))


def locate(store: str | Path) -> Path:
    """The SQLite file that `store` names: a file, a folder that holds memory.db, or a sqlite URL."""
    text = str(store)
    scheme = re.match(r"([a-z0-9+]+)://", text)
    if scheme is None:
        path = Path(text).expanduser()
        return path / "memory.db" if path.is_dir() else path
    if not scheme[1].startswith("sqlite"):
        raise UsageError(f"Stores on {scheme[1]} are not supported.", "Name a file or a sqlite:/// URL.")
    database = sa.make_url(text).database
    if not database or database == ":memory:":
        raise UsageError("A store needs a file.", "Name one: sqlite:///notes.db.")
    return Path(database)


def _as_json(value: Any) -> str:
    """Letters as they are: half the size where they are not Latin, and found by whoever searches for them."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Half characters have no UTF-8 form.
    return json.dumps(value) if _SURROGATE.search(text) else text


class Database:
    """A SQLite database in WAL mode, with read and write transactions. Safe from several threads."""

    def __init__(self, path: Path, busy_seconds: float, create: bool) -> None:
        """Opens the file, creating or migrating it as needed.

        Raises StoreForeign when it is absent and `create` is False, or not a store; StoreVersion
        when a newer memapp wrote it; StoreBusy, StoreFull and StoreError as the names say.
        """
        self.path = path
        self._busy_seconds = busy_seconds
        self._user: raw.Key | None = None
        self.engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)),
            json_serializer=_as_json,
            poolclass=sa.QueuePool,
            pool_size=8,
            max_overflow=-1,
            connect_args={"check_same_thread": False, "timeout": busy_seconds, "isolation_level": None},
        )
        event.listen(self.engine, "connect", self._configure)
        event.listen(self.engine, "begin", _begin)
        try:
            self._find(create)
            with self.errors_mapped():
                self._open()
        except OSError as error:
            self.close()
            raise StoreError(
                f"{path} cannot be opened: {error.strerror}.", "Check its owner, its folder and its mode."
            ) from error
        except BaseException:
            self.close()
            raise

    def derived(self, namespace: int) -> Path:
        """The folder for files that layers derive from a namespace; it need not exist."""
        return self.path.with_name(self.path.name + ".layers") / str(namespace)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view of the store."""
        with self.errors_mapped(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """The write lock and a transaction: all of what is done inside is kept, or nothing."""
        with (
            self.errors_mapped(),
            self.engine.connect().execution_options(memapp_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def unbound(self) -> Iterator[Any]:
        """A driver connection outside any transaction, for pragmas."""
        with self.errors_mapped():
            pooled = self.engine.raw_connection()
            try:
                yield pooled.driver_connection
            finally:
                pooled.close()

    def close(self) -> None:
        """Lets go of every connection."""
        self.engine.dispose()
        if self._user is not None:
            raw.leave(self._user)
            self._user = None

    @contextmanager
    def errors_mapped(self) -> Iterator[None]:
        """Turns the driver's exceptions into StoreError leaves."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self._mapped(error.orig or error) from error
        except sqlite3.Error as error:
            raise self._mapped(error) from error
        except sa.exc.TimeoutError as error:
            raise StoreBusy("Every connection of the store is in use.", "Ask less at once.") from error

    def _mapped(self, error: BaseException) -> StoreError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return StoreBusy(
                f"Another process held the store {self.path} for over {self._busy_seconds:.0f} s.",
                "Wait for it to end, or raise busy_seconds.",
            )
        if "full" in text:
            return StoreFull(
                f"No room is left on the disk of {self.path}.", "Free some and try again; nothing was lost."
            )
        if "not a database" in text or "malformed" in text or "corrupt" in text:
            return StoreForeign(
                f"{self.path} is damaged or not a memapp store ({text}).",
                "Put a backup in its place, or name another store.",
            )
        if "disk I/O" in text:
            return StoreError(
                f"The disk of {self.path} failed ({text}).", "Check that it is sound and has room; nothing was lost."
            )
        if "readonly" in text or "unable to open" in text:
            return StoreError(f"{self.path} cannot be opened for writing.", "Check its owner, its folder and its mode.")
        return StoreError(f"The store {self.path} failed: {text}.", "Run `memapp doctor`.")

    def _configure(self, connection: Any, _: ConnectionPoolEntry) -> None:
        # SQLite's own knows no letters beyond ASCII, so that a search would mind the case of the others.
        connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)
        for pragma in (
            f"busy_timeout = {int(self._busy_seconds * 1000)}",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
            "temp_store = MEMORY",
            "cache_size = -32000",
            "mmap_size = 268435456",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    def _find(self, create: bool) -> None:
        if not self.path.exists():
            if not create:
                raise StoreForeign(
                    f"There is no store at {self.path}.", "Create it with `memapp init` or `memapp ingest`."
                )
            _create_file(self.path)
        self._user = raw.enter(self.path)
        # SQLite takes a file shorter than its smallest page for an empty one, and would overwrite it.
        if raw.head(self.path, len(_MAGIC)) not in (b"", _MAGIC):
            raise StoreForeign(f"{self.path} is not a memapp store.", "Name another file.")

    def _open(self) -> None:
        with self.engine.begin() as connection:
            version = self._version(connection)
        with self.unbound() as connection:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if version == HEAD:
            return
        with self.engine.connect().execution_options(memapp_write=True) as connection, connection.begin():
            version = self._version(connection)
            if version != HEAD:
                _migrate(connection, self.path)
            if version is None:
                connection.execute(sa.insert(facts).values(name="format", value="memapp"))
                connection.exec_driver_sql(f"PRAGMA application_id = {_APPLICATION_ID}")

    def _version(self, connection: sa.Connection) -> str | None:
        """The store's migration; None for an empty file."""
        tables = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
        if not tables:
            return None
        if not {"alembic_version", "facts"} <= tables:
            raise StoreForeign(f"{self.path} is a database of another program.", "Name another file.")
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if version is None or str(version) > HEAD:
            raise StoreVersion(f"{self.path} was written by a newer memapp.", "Upgrade memapp.")
        return str(version)


def _create_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"No store can be created at {path}: {error.strerror}.", "Name another place.") from error


def _begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("memapp_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _migrate(connection: sa.Connection, path: Path) -> None:
    from alembic import command, util
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except util.CommandError as error:
        raise StoreVersion(f"{path} cannot be migrated: {error}.", "Upgrade memapp.") from error
