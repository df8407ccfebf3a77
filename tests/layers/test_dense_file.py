"""A saved index: the one that was written, or none."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import faiss
import numpy as np
import pytest

from memapp.layers import dense_file
from memapp.layers.dense_file import Stamp

STAMP = Stamp(7, "insert 1-2 now", "0" * 64, "exact")


def index(rows: int = 3) -> faiss.IndexFlatIP:
    made = faiss.IndexFlatIP(4)
    made.add(np.eye(4, dtype=np.float32)[:rows])
    return made


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "dense.faiss"
    assert dense_file.read(path) is None
    assert dense_file.write(path, index(), STAMP)
    read = dense_file.read(path)
    assert read is not None
    assert (read[0].ntotal, read[1]) == (3, STAMP)
    assert sorted(each.name for each in path.parent.iterdir()) == ["dense.faiss", "dense.json"]
    assert {each.stat().st_mode & 0o077 for each in path.parent.iterdir()} == {0}
    dense_file.remove(path)
    assert not list(path.parent.iterdir())
    dense_file.remove(path)


def test_what_a_kill_left_half_written_goes_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "dense.faiss.abc.part").write_bytes(b"x")
    (tmp_path / "dense.json.123.part").write_bytes(b"x")
    dense_file.remove(tmp_path / "dense.faiss")
    assert not list(tmp_path.iterdir())


def test_a_removal_while_it_is_written_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dense.faiss"
    synced = os.fsync

    def forgets(descriptor: int) -> None:
        synced(descriptor)
        dense_file.remove(path)

    monkeypatch.setattr(os, "fsync", forgets)
    assert not dense_file.write(path, index(), STAMP)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "dense.faiss"

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING):
        assert not dense_file.write(path, index(), STAMP)
    assert "No space left" in caplog.text
    assert not list(tmp_path.iterdir())


def test_an_index_of_a_kind_that_faiss_does_not_know_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dense.faiss"
    monkeypatch.setattr(faiss, "serialize_index", lambda _: np.frombuffer(b"another format", np.uint8))
    assert dense_file.write(path, index(), STAMP)
    assert dense_file.read(path) is None
