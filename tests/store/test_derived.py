"""A saved index: the one that was written, or none."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from memapp.store import derived
from memapp.store.derived import Stamp

STAMP = Stamp(7, "insert 1-2 now", "0" * 64, "exact")


def index(rows: int = 3) -> bytes:
    return b"abc" * rows


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "dense.faiss"
    assert derived.read(path, bytes) is None
    assert derived.write(path, index(), STAMP)
    read = derived.read(path, bytes)
    assert read is not None
    assert read == (index(), STAMP)
    assert sorted(each.name for each in path.parent.iterdir()) == ["dense.faiss", "dense.json"]
    assert {each.stat().st_mode & 0o077 for each in path.parent.iterdir()} == {0}
    derived.remove(path)
    assert not list(path.parent.iterdir())
    derived.remove(path)


def test_what_a_kill_left_half_written_goes_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "dense.faiss.abc.part").write_bytes(b"x")
    (tmp_path / "dense.json.123.part").write_bytes(b"x")
    derived.remove(tmp_path / "dense.faiss")
    assert not list(tmp_path.iterdir())


def test_a_removal_while_it_is_written_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dense.faiss"
    synced = os.fsync

    def forgets(descriptor: int) -> None:
        synced(descriptor)
        derived.remove(path)

    monkeypatch.setattr(os, "fsync", forgets)
    assert not derived.write(path, index(), STAMP)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "dense.faiss"

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING):
        assert not derived.write(path, index(), STAMP)
    assert "No space left" in caplog.text
    assert not list(tmp_path.iterdir())


def test_a_content_that_its_maker_does_not_know_is_none(tmp_path: Path) -> None:
    path = tmp_path / "dense.faiss"

    def unknown(_: bytes) -> None:
        raise RuntimeError("another format")

    assert derived.write(path, index(), STAMP)
    assert derived.read(path, unknown) is None
