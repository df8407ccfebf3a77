"""States of passages on disk: found again, within a budget, and gone with their passage."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from memapp.memory import Memory
from memapp.protocols import StateKey
from memapp.store import content, kv
from memapp.store.kv import PassageStates
from memapp.store.log import Store

MB = 1 << 20
STATE = b"keys and values" * 100


@pytest.fixture
def ids(memory: Memory) -> list[int]:
    """Passages of three documents."""
    for name in ("lamp", "mill", "pier"):
        memory.add(f"The {name} is old, and nobody mends it.", id=name)
    return [passage.id for name in ("lamp", "mill", "pier") for passage in memory.passages(name)]


def key(passage: int, depends: str = "0") -> StateKey:
    return StateKey(passage, depends * 64)


def files(store: Store) -> list[Path]:
    return sorted(kv.folder(store.database.derived, store.number()).glob("*"))


def test_what_is_put_is_found_by_another_process_too(store: Store, ids: list[int]) -> None:
    mine, others = PassageStates(store, MB, MB), PassageStates(store, MB, 0)
    assert mine.get(key(ids[0])) is None
    mine.put(key(ids[0]), STATE)
    assert mine.get(key(ids[0])) == others.get(key(ids[0])) == STATE
    assert others.get(key(ids[0], "1")) is others.get(key(ids[1])) is None
    assert files(store)[0].stat().st_mode & 0o077 == 0
    mine.drop(key(ids[0]))
    assert mine.get(key(ids[0])) is others.get(key(ids[0])) is None


def test_another_namespace_has_other_names(path: Path, store: Store, ids: list[int]) -> None:
    PassageStates(store, MB, 0).put(key(ids[0]), STATE)
    other = Store(path, "other")
    assert PassageStates(other, MB, 0).get(key(ids[0])) is None
    other.close()


@pytest.mark.parametrize("damage", ["cut short", "empty", "a bit turned", "another's"])
def test_a_damaged_file_is_removed_and_said(
    store: Store, ids: list[int], caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    states = PassageStates(store, MB, 0)
    states.put(key(ids[0]), STATE)
    (file,) = files(store)
    data = file.read_bytes()
    if damage == "another's":
        states.put(key(ids[0], "1"), b"other" * 99)
        data = next(each for each in files(store) if each != file).read_bytes()
    spoiled = {"cut short": data[:-9], "empty": b"", "a bit turned": data[:99] + bytes([data[99] ^ 1]) + data[100:]}
    file.write_bytes(spoiled.get(damage, data))
    with caplog.at_level(logging.WARNING):
        assert states.get(key(ids[0])) is None
    assert "damaged" in caplog.text
    assert not file.exists()
    states.put(key(ids[0]), STATE)
    assert states.get(key(ids[0])) == STATE


def test_what_was_used_longest_ago_goes_first(store: Store, ids: list[int]) -> None:
    states = PassageStates(store, 2 * len(STATE) + 200, 0)
    states.put(key(ids[0]), STATE)
    states.put(key(ids[1]), STATE)
    assert states.get(key(ids[0])) == STATE
    states.put(key(ids[2]), STATE)
    assert states.get(key(ids[1])) is None
    assert states.get(key(ids[0])) == states.get(key(ids[2])) == STATE
    states.put(key(ids[1]), STATE * 3)
    assert states.get(key(ids[1])) is None, "larger than the budget"
    assert states.get(key(ids[0])) == STATE


@pytest.mark.parametrize("disk", [0, 10])
def test_a_budget_of_nothing_keeps_nothing(store: Store, ids: list[int], disk: int) -> None:
    states = PassageStates(store, disk, 0)
    states.put(key(ids[0]), STATE)
    assert states.get(key(ids[0])) is None
    assert not files(store)


def test_memory_has_a_budget_too(store: Store, ids: list[int]) -> None:
    states = PassageStates(store, 0, 2 * len(STATE))
    for id in ids:
        states.put(key(id), STATE)
    assert [states.get(key(id)) for id in ids] == [None, STATE, STATE]
    states.empty_memory()
    assert states.get(key(ids[2])) is None


def test_forgetting_takes_the_states_of_what_is_forgotten(memory: Memory, store: Store, ids: list[int]) -> None:
    states, another = PassageStates(store, MB, MB), PassageStates(store, MB, MB)
    for each in (states, another):
        each.put(key(ids[0]), STATE)
        each.put(key(ids[1]), STATE)
    assert len(files(store)) == 2
    report = memory.forget("lamp", verify=True)
    assert all(check.ok for check in report.checks)
    assert any(check.name == "states of passages" for check in report.checks)
    assert [kv._passage(file) for file in files(store)] == [ids[1]]
    assert states.get(key(ids[0])) is another.get(key(ids[0])) is None, "not from memory either"
    assert states.get(key(ids[1])) == STATE


def test_a_passage_that_was_forgotten_while_it_was_read_leaves_nothing(
    memory: Memory, store: Store, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    states = PassageStates(store, MB, MB)
    written = kv._write

    def forgets(path: Path, data: bytes) -> None:
        memory.forget("lamp")
        path.parent.mkdir(parents=True, exist_ok=True)
        written(path, data)

    monkeypatch.setattr(kv, "_write", forgets)
    states.put(key(ids[0]), STATE)
    monkeypatch.undo()
    assert not files(store)
    states.put(key(ids[0]), STATE)
    assert not files(store)
    assert states.get(key(ids[0])) is None


def test_a_changed_document_takes_its_states_along(memory: Memory, store: Store, ids: list[int]) -> None:
    PassageStates(store, MB, 0).put(key(ids[0]), STATE)
    memory.add("The lamp was mended.", id="lamp")
    assert not files(store)


def test_verify_tells_of_stale_and_damaged_files(memory: Memory, store: Store, ids: list[int]) -> None:
    states = PassageStates(store, MB, 0)
    states.put(key(ids[0]), STATE)
    assert kv.check(store).ok
    (file,) = files(store)
    stale = file.with_name(f"999-{'0' * 64}.kv")
    stale.write_bytes(file.read_bytes())
    assert not kv.check(store).ok
    stale.unlink()
    file.write_bytes(b"")
    found = kv.check(store)
    assert not found.ok
    assert "1 are damaged" in found.message
    assert found in memory.verify()


_WRITER = """
import sys
from memapp.protocols import StateKey
from memapp.store.kv import PassageStates
from memapp.store.log import Store
store = Store(sys.argv[1], "default")
states = PassageStates(store, 30_000, 0)
for n in range(40):
    key = StateKey(int(sys.argv[2]), f"{n % 25:064d}")
    states.put(key, b"%064d" % (n % 25) * 60)
    assert states.get(key) in (None, b"%064d" % (n % 25) * 60)
store.close()
"""


def test_two_processes_share_a_folder(path: Path, store: Store, ids: list[int]) -> None:
    command = [sys.executable, "-c", _WRITER, str(path), str(ids[0])]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], told
    assert kv.check(store).ok
    assert 0 < sum(file.stat().st_size for file in files(store)) <= 40_000
    assert not [file for file in files(store) if file.suffix != ".kv"]


def test_a_closed_store_keeps_nothing(path: Path, memory: Memory, ids: list[int]) -> None:
    assert content.totals(memory._store)[1] == len(ids)
    store = Store(path, "default")
    states = PassageStates(store, MB, 0)
    monkey = key(10**6)
    states.put(monkey, STATE)
    assert states.get(monkey) is None
    store.close()
