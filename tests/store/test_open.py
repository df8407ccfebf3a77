"""Opening: what is a store, what is not, and that what is not stays as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memapp.errors import MemappError, StoreBusy, StoreError, StoreForeign, StoreFull, StoreVersion, UsageError
from memapp.protocols import EmbedderIdentity
from memapp.store import check, content
from memapp.store.engine import locate
from memapp.store.log import Entry, Store
from memapp.store.schema import HEAD, metadata
from memapp.types import Document

NOISE = EmbedderIdentity("noise", 16, "0" * 64)
Made = Callable[..., Entry]


def opened(path: Path, **options: Any) -> None:
    Store(path, "default", **options).close()


def test_migrations_make_the_schema(store: Store) -> None:
    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _own})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD


def _own(name: str | None, type_: str, _: Any) -> bool:
    return type_ != "table" or name in metadata.tables


def test_the_newest_migration_is_the_head() -> None:
    from alembic.script import ScriptDirectory

    import memapp.store

    folder = Path(memapp.store.__file__).with_name("migrations")
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_every_connection_is_set_up(store: Store) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 5000}
    with store.database.reading() as one, store.database.reading() as two:
        for connection in (one, two):
            assert {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted} == wanted
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert locate("x.db") == Path("x.db")
    assert locate(tmp_path) == tmp_path / "memory.db"
    assert locate("~/x.db") == Path("/home/somebody/x.db")
    assert locate("sqlite:///notes.db") == Path("notes.db")
    assert locate(f"sqlite:///{tmp_path}/n.db") == tmp_path / "n.db"
    assert locate("sqlite+pysqlite:////a/b.db") == Path("/a/b.db")
    for wrong in ("postgresql://host/db", "mysql://x", "sqlite://", "sqlite:///:memory:", "http://x/y"):
        with pytest.raises(UsageError):
            locate(wrong)


def test_there_must_be_one_unless_it_may_be_made(path: Path) -> None:
    with pytest.raises(StoreForeign, match="memapp init"):
        opened(path, create=False)
    assert not path.parent.exists()
    opened(path)
    opened(path, create=False)


def test_names_that_are_hard_on_urls(tmp_path: Path, entry: Made) -> None:
    for name in ("a b", "ä%20?x=1#y", "50%", "'quoted\"", "日本", "a;b"):
        store = Store(tmp_path / name / f"{name}.db", name)
        store.put([entry(Document("a", "", "one"))], NOISE)
        store.close()
        assert (tmp_path / name / f"{name}.db").stat().st_size > 10_000
        again = Store(tmp_path / name / f"{name}.db", name, create=False)
        assert content.totals(again)[0] == 1
        again.close()


def test_a_newer_store_is_refused(path: Path) -> None:
    opened(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreVersion, match="newer memapp"):
        opened(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_stays_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute("INSERT INTO theirs VALUES (1)")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreForeign, match="another program") as error:
        opened(path)
    assert error.value.hint
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=5000))
def test_bytes_that_are_no_database_stay_as_they_are(tmp_path: Path, noise: bytes) -> None:
    path = tmp_path / "noise"
    path.write_bytes(noise)
    with pytest.raises(StoreForeign) as error:
        opened(path)
    assert error.value.hint
    assert path.read_bytes() == noise


@pytest.mark.parametrize("left", [0.3, 0.6, 0.95])
def test_a_truncated_store_is_noticed_and_kept(path: Path, entry: Made, left: float) -> None:
    store = Store(path, "default")
    store.put([entry(Document(f"d{i}", "", f"text {i} " * 50)) for i in range(200)], NOISE)
    store.close()
    size = int(path.stat().st_size * left)
    os.truncate(path, size)
    with pytest.raises(StoreForeign) as error:
        _used(path)
    assert "backup" in error.value.hint
    assert path.stat().st_size == size


def _used(path: Path) -> None:
    store = Store(path, "default")
    try:
        wrong = [each for each in check.verify(store) if not each.ok]
        assert wrong
        list(content.every_document(store))
    finally:
        store.close()


def test_a_page_that_was_overwritten_is_noticed(path: Path, entry: Made) -> None:
    store = Store(path, "default")
    store.put([entry(Document(f"d{i}", "", f"text {i} " * 50)) for i in range(200)], NOISE)
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(40, 60):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    again = Store(path, "default")
    checks = {each.name: each for each in check.verify(again)}
    again.close()
    assert not checks["file"].ok
    assert checks["file"].remedy


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "memory.db").mkdir()
    with pytest.raises(StoreError) as error:
        opened(tmp_path)
    assert error.value.hint


def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="can be created"):
        opened(tmp_path / "file" / "notes.db")


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write anywhere")
def test_a_folder_that_is_read_only(path: Path, entry: Made) -> None:
    store = Store(path, "default")
    store.put([entry(Document("a", "", "one"))], NOISE)
    store.close()
    for parent in list(path.parents)[:4]:
        parent.chmod(0o755) if os.access(parent, os.W_OK) and "pytest" in str(parent) else None
    path.chmod(0o444)
    path.parent.chmod(0o555)
    script = (
        "import sys\nfrom memapp.store.log import Store\nfrom memapp.errors import StoreError\n"
        "try:\n    Store(sys.argv[1], 'default', busy_seconds=1)\n"
        "except StoreError as error:\n    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    path.parent.chmod(0o755)
    if "Permission denied" in done.stderr:
        pytest.skip("the interpreter itself is out of that user's reach")
    assert "cannot be opened" in done.stdout, done.stdout + done.stderr


def test_a_full_disk_loses_nothing(path: Path, entry: Made) -> None:
    store = Store(path, "default")
    store.put([entry(Document("a", "", "one"))], NOISE)
    with store.database.unbound() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(StoreFull, match="nothing was lost"):
        store.put([entry(Document("b", "", "word " * 20_000)), entry(Document("a", "", "changed"))], NOISE)
    assert [info.id for info in content.infos(store)] == ["a"]
    found = content.document(store, "a")
    assert found is not None
    assert found.text == "one"
    assert all(each.ok for each in check.verify(store))
    store.close()


_FILLS_UP = """
import resource, signal, sys
from memapp.errors import StoreError
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
memory = Memory.open(sys.argv[1], embedder=ScriptedEmbedder())
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
kept = 0
try:
    while True:
        memory.add(f"text {kept} " * 500, id=str(kept))
        kept += 1
except StoreError as error:
    assert "has room; nothing was lost" in str(error)
    print(type(error).__name__, kept, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(len(memory.documents()), all(check.ok for check in memory.verify()))
memory.add("there is room again", id="last")
memory.close()
"""


def test_a_file_that_may_not_grow(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FILLS_UP, str(path)], capture_output=True, text=True, check=False)
    assert not done.stderr
    first, second = done.stdout.splitlines()
    name, kept = first.split()
    assert name == "StoreError"
    assert second == f"{kept} True"
    assert int(kept) > 3
    store = Store(path, "default", create=False)
    assert content.totals(store)[0] == int(kept) + 1
    assert all(each.ok for each in check.verify(store))
    store.close()


def test_a_lock_that_is_held_for_too_long(path: Path, entry: Made) -> None:
    first, second = Store(path, "default"), Store(path, "default", busy_seconds=0.2)
    with first.database.writing(), pytest.raises(StoreBusy, match="raise busy_seconds"):
        second.put([entry(Document("a", "", "one"))], NOISE)
    assert second.put([entry(Document("a", "", "one"))], NOISE) == ["added"]
    first.close()
    second.close()


def test_two_may_create_it_at_once(path: Path) -> None:
    script = "import sys; from memapp.store.log import Store; Store(sys.argv[1], sys.argv[2]).forget(['x'])"
    children = [subprocess.Popen([sys.executable, "-c", script, str(path), f"n{i % 2}"]) for i in range(4)]
    assert [child.wait(60) for child in children] == [0] * 4
    store = Store(path, "n0")
    with store.database.reading() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM namespaces")).scalar() == 2
    store.close()


def test_what_is_raised_says_what_to_do(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"SQLite format 3\x00" + b"\x07" * 5000)
    with pytest.raises(MemappError) as error:
        opened(path)
    assert isinstance(error.value, StoreForeign)
    assert str(path) in error.value.message
