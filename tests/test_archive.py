"""Export and import: what is remembered goes out whole and comes back the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memapp.errors import UsageError
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder
from memapp.types import Document, Progress, Section


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "notes.db", embedder=ScriptedEmbedder()) as opened:
        yield opened


DOCUMENTS = [
    Document("a", "Títle", "one\n\ntwo \u2028 three\ttab", "/f/a.md", "text/markdown", {"k": [1, {"x": None}]}),
    Document("b", "", "Ünïcödé 👩‍👩‍👧 日本", "", "application/pdf", {}, (Section(0, "H", 1), Section(4, "", 2))),
    Document("c", "", "odd metadata", metadata={"\ud800": "\udfff"}),
    Document("d", "long", "A sentence of some words stands here. " * 300 + "End."),
]


def test_there_and_back(memory: Memory, tmp_path: Path) -> None:
    memory._ingest(DOCUMENTS)
    seen: list[Progress] = []
    assert memory.export(tmp_path / "all.jsonl", seen.append) == 4
    assert [one.done for one in seen] == [1, 2, 3, 4]
    assert len((tmp_path / "all.jsonl").read_bytes().splitlines()) == 4
    assert (tmp_path / "all.jsonl").stat().st_mode & 0o077 == 0
    with Memory.open(tmp_path / "other.db", embedder=ScriptedEmbedder()) as other:
        assert len(other.import_(tmp_path / "all.jsonl").added) == 4
        assert [other.document(one.id) for one in DOCUMENTS] == DOCUMENTS
        assert len(other.import_(tmp_path / "all.jsonl").unchanged) == 4
        other.export(tmp_path / "again.jsonl")
        assert all(check.ok for check in other.verify())
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "all.jsonl").read_bytes()


GOOD = {"id": "good", "text": "a good one"}


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        *(
            json.dumps({**GOOD, **wrong}).encode()
            for wrong in (
                {"id": None},
                {"id": ""},
                {"id": 5},
                {"id": "\ud800"},
                {"text": None},
                {"text": " \n"},
                {"text": "a\ud800"},
                {"text": "a\x00b"},
                {"title": 5},
                {"metadata": 5},
                {"metadata": [1]},
                {"sections": 5},
                {"sections": [[1]]},
                {"sections": [["x", "y", None]]},
                {"sections": [[0, "y", "z"]]},
            )
        ),
    ],
)
def test_a_line_that_is_no_document_is_reported_and_the_rest_goes_in(
    memory: Memory, tmp_path: Path, line: bytes
) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b'{"id": "first", "text": "one"}\n' + line + b'\n{"id": "last", "text": "two"}')
    report = memory.import_(path)
    assert [item.document for item in report.added] == ["first", "last"]
    assert [item.source for item in report.failed] == [f"{path}:2"]
    assert all(check.ok for check in memory.verify())


def test_files_that_cannot_be_used(memory: Memory, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        memory.import_(tmp_path / "absent")
    with pytest.raises(UsageError):
        memory.export(tmp_path / "absent" / "file")
    with pytest.raises(UsageError):
        memory.export(tmp_path)


def test_an_export_that_breaks_leaves_the_old_one(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory._ingest(DOCUMENTS)
    path = tmp_path / "all.jsonl"
    path.write_text("old")

    def breaks(progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memory.export(path, breaks)
    assert path.read_text() == "old"
    assert not list(tmp_path.glob("*.part"))


def test_the_store_is_no_place_for_an_export(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory.open(path, embedder=ScriptedEmbedder()) as memory:
        memory.add("One.")
        with pytest.raises(UsageError, match="belongs to the store"):
            memory.export(path)
        assert len(memory.documents()) == 1
