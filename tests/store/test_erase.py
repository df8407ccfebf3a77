"""Erased text leaves every file of the store, whatever SQLite did with its rows before."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.store import debt, erase, fulltext, raw
from memapp.store.engine import Database
from memapp.store.log import Store
from memapp.types import Answer, Citation, Document

ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", np.uint8)
LENGTHS = (3, 8, 20, 40, 60, 90, 200, 700)


class Words:
    """Words of 14 characters that are never given twice. They end in a digit, so that no stemmer changes them."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def take(self, count: int) -> list[str]:
        letters = ALPHABET[self._random.integers(0, 36, (count, 14))]
        letters[:, -1] = ALPHABET[self._random.integers(26, 36, count)]
        return [row.tobytes().decode() for row in letters]


def owed(memory: Memory) -> dict[int, str]:
    with memory._store.database.reading() as connection:
        return debt.owed(connection)


def traces(folder: Path, words: list[str]) -> set[str]:
    """Words of which ten bytes in a row stand in a file: the index cuts off what a word shares with its neighbour."""
    stretches = {word[4:].encode(): word for word in words}
    heads = np.unique(np.array([stretch[:8] for stretch in stretches], "S8").view("<u8"))
    found: set[str] = set()
    for path in folder.rglob("*"):
        if path.is_dir() or path.stat().st_size < 10:
            continue
        data = path.read_bytes()
        windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), 8)
        for start in range(0, len(windows), 1 << 20):
            values = np.ascontiguousarray(windows[start : start + (1 << 20)]).view("<u8").ravel()
            places = np.minimum(np.searchsorted(heads, values), len(heads) - 1)
            for offset in np.flatnonzero(heads[places] == values) + start:
                found |= {stretches[data[offset : offset + 10]]} if data[offset : offset + 10] in stretches else set()
    return found


def churn(memory: Memory, seed: int, rounds: int) -> list[str]:
    """Inserts, replaces and forgets documents of many lengths; returns the words of those that went."""
    words, chance = Words(seed), random.Random(seed)
    alive: dict[str, list[str]] = {}
    dead: list[str] = []
    for _ in range(rounds):
        documents = []
        replaced = chance.sample(sorted(alive), len(alive) // 8)
        for name in [*replaced, *words.take(150)]:
            title, source, tag, *said = words.take(3 + chance.choice(LENGTHS))
            dead += alive.get(name, [])
            alive[name] = [title, source, tag, *said]
            documents.append(Document(name, title, " ".join(said), source, metadata={"tag": tag}))
        memory._ingest(documents)
        gone = chance.sample(sorted(alive), int(len(alive) * chance.random() * 0.7))
        if gone:
            memory.forget(*gone)
        dead += [word for name in gone for word in [name, *alive.pop(name)]]
    return dead


def test_no_word_of_what_was_forgotten_or_replaced_is_left(
    memory: Memory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite leaves copies of rows that it moved, so this must include a case that VACUUM is called for."""
    moved: list[int] = []
    seen = erase.leftovers

    def watched(path: Path) -> int:
        moved.append(seen(path))
        return moved[-1]

    monkeypatch.setattr(erase, "leftovers", watched)
    dead = churn(memory, seed=2, rounds=10)
    assert len(dead) > 100_000
    assert any(moved)
    assert seen(path) == 0
    assert not traces(path.parent, dead)
    assert all(check.ok for check in memory.verify())


def test_the_search_for_traces_finds_what_is_there(memory: Memory, path: Path) -> None:
    words = Words(1).take(40)
    memory.add(" ".join(words[:30]), title=words[30])
    assert traces(path.parent, words) == set(words[:31])


def test_a_replaced_text_leaves_with_the_ingest(memory: Memory, path: Path) -> None:
    old, new = Words(5).take(300), Words(6).take(300)
    memory.add(" ".join(old), id="a", title=old[0])
    memory.add(" ".join(new), id="a", title=new[0])
    assert not traces(path.parent, old)
    assert traces(path.parent, new) == set(new)


def test_a_chat_that_quotes_leaves_too(memory: Memory, path: Path) -> None:
    from memapp.store import chats

    said, question, answer = Words(1).take(50), Words(2).take(9), Words(3).take(9)
    memory.add(" ".join(said), id="a")
    passage = memory.passages("a")[0]
    cited = Citation(1, "a", "", passage.text[:14], 0, 14, passage.id)
    chats.keep(memory._store, "s", Answer(" ".join(question), " ".join(answer), (cited,)), "now")
    chats.keep(memory._store, "s", Answer("What?", "It says: " + " ".join(said[10:20])), "now")
    chats.keep(memory._store, "s", Answer("Else?", "Nothing of it."), "now")
    assert memory.forget("a").turns == 2
    assert not traces(path.parent, said + question + answer)
    assert [turn.erased for turn in memory.turns("s")] == [True, True, False]


def test_a_deleted_session_leaves(memory: Memory, path: Path) -> None:
    from memapp.store import chats

    said = Words(1).take(500)
    chats.keep(memory._store, "s", Answer("What?", " ".join(said)), "now")
    assert memory.delete_session("s") == 1
    assert not traces(path.parent, said)


def test_a_break_between_the_forget_and_the_scrub_is_made_up_for(memory: Memory, path: Path) -> None:
    said = Words(1).take(500)
    memory.add(" ".join(said), id="a")
    memory._store.forget(["a"])
    assert owed(memory)
    assert traces(path.parent, said)
    assert all(check.ok for check in memory.verify())
    assert not owed(memory)
    assert not traces(path.parent, said)


def test_a_reader_of_an_older_state_delays_it_and_no_writer_waits(memory: Memory, path: Path) -> None:
    said = Words(1).take(500)
    memory.add(" ".join(said), id="a")
    database = memory._store.database
    with database.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM passages").all()
        memory._store.forget(["a"])
        scrubbed: list[bool] = []
        thread = threading.Thread(target=lambda: scrubbed.append(erase.scrub(database, 2)))
        thread.start()
        time.sleep(0.3)
        with closing(Store(path, "other", busy_seconds=0.5)) as other, other.database.writing():
            assert thread.is_alive()
        thread.join()
        assert scrubbed == [False]
    assert owed(memory)
    assert erase.scrub(database, 2)
    assert not traces(path.parent, said)


_OPEN_AND_CLOSE = """
import sys
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
with Memory.open(sys.argv[1]) as memory:
    print(len(memory.documents()))
"""


def test_a_proof_keeps_the_locks_of_this_process(memory: Memory, path: Path) -> None:
    """Else the next process to close the store deletes the write-ahead log that this one writes to."""
    memory.add("one two three four five", id="a")
    memory.add("six seven eight nine ten", id="b")
    assert all(check.ok for check in memory.forget("a", verify=True).checks)
    log = path.with_name("notes.db-wal")
    before = log.stat().st_ino
    opened = [sys.executable, "-c", _OPEN_AND_CLOSE, str(path)]
    assert subprocess.run(opened, capture_output=True, check=True).stdout.strip() == b"1"
    assert log.stat().st_ino == before
    memory.add("eleven twelve thirteen", id="c")
    assert subprocess.run(opened, capture_output=True, check=True).stdout.strip() == b"2"


def test_a_proof_searches_every_file_and_excuses_what_is_still_said(memory: Memory, path: Path) -> None:
    same = "This sentence stands in two documents and stays in one of them."
    memory.add(same, id="a")
    memory.add("Before it. " + same, id="b")
    assert all(check.ok for check in memory.forget("a", verify=True).checks)
    (path.parent / "notes.db.layers").mkdir()
    (path.parent / "notes.db.layers" / "x").write_text("Before it. " + same)
    check = next(check for check in memory.forget("b", verify=True).checks if check.name == "no trace")
    assert not check.ok
    assert "x: " in check.message


@given(
    st.lists(st.binary(max_size=40), max_size=12),
    st.lists(st.binary(min_size=16, max_size=70), max_size=6),
    st.data(),
)
def test_traces_is_find(
    tmp_path_factory: pytest.TempPathFactory, noise: list[bytes], wanted: list[bytes], data
) -> None:  # type: ignore[no-untyped-def]
    parts = data.draw(st.permutations([*noise, *wanted[::2], *(needle[:-1] for needle in wanted)]))
    path = tmp_path_factory.getbasetemp() / "searched"
    path.write_bytes(b"".join(parts))
    content = path.read_bytes()
    assert erase.traces(path, wanted) == sorted({needle for needle in wanted if needle in content})


def test_traces_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from memapp.store import raw

    monkeypatch.setattr(raw, "_BLOCK", 64)
    needle = bytes(range(1, 60))
    for before in range(0, 140, 7):
        path = tmp_path / "searched"
        path.write_bytes(b"\0" * before + needle)
        assert erase.traces(path, [needle, needle[:16], b"absent" * 4]) == [needle[:16], needle]


def test_a_file_that_shrinks_while_it_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from memapp.store import raw

    monkeypatch.setattr(raw, "_BLOCK", 4096)
    path = tmp_path / "searched"
    path.write_bytes(b"x" * 100_000)
    seen = 0
    for _, block in raw.blocks(path):
        seen += len(block)
        path.write_bytes(b"")
    assert seen == 4096


def test_an_index_that_was_optimized_very_often_stays_sound(memory: Memory) -> None:
    """SQLite before 3.42 takes it for corrupt after a thousand forgets, so it is made anew long before."""
    words = Words(1)
    memory._ingest(Document(f"d{i}", "", f"heron {' '.join(words.take(200))}") for i in range(60))
    database = memory._store.database
    rounds = 0
    while rounds < 20 or not remade(database):
        rounds += 1
        with database.writing() as connection:
            row = (1000 + rounds, "", " ".join(words.take(200)))
            fulltext.insert(connection, 1, [row])
            fulltext.optimize(connection, 1)
            fulltext.delete(connection, 1, [row])
            debt.owe(connection, 1)
        assert erase.scrub(database, 5)
        assert rounds < 400
    with database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO fulltext_1(fulltext_1) VALUES ('integrity-check')")
    assert len(memory.recall("heron", 60, layers=["lexical"])) == 60
    assert all(check.ok for check in memory.verify())


def remade(database: Database) -> bool:
    """Whether the index's own table of contents is as short as that of a new one."""
    with database.reading() as connection:
        return (
            int(connection.exec_driver_sql("SELECT length(block) FROM fulltext_1_data WHERE id = 10").scalar_one()) < 60
        )


def test_definitions_of_many_tables_are_no_leftovers(path: Path) -> None:
    """VACUUM leaves copies of them between rows once they fill more than a page, and would be called for ever."""
    for namespace in map(str, range(12)):
        with Memory.open(path, namespace=namespace, embedder=ScriptedEmbedder(), engine=ScriptedEngine([])) as memory:
            memory.add(f"A note of namespace {namespace}.", id="note")
    connection = sqlite3.connect(path)
    connection.execute("VACUUM")
    connection.close()
    size = int.from_bytes(raw.head(path, 18)[16:], "big")
    pages = [raw.stretch(path, at, size) for at in range(0, path.stat().st_size, size)]
    assert any(erase._CONTENT.search(erase._between(page, 0)) for page in pages[1:])
    assert erase.leftovers(path) == 0
