"""`memapp extract`: read, bounded, from a file, how far, dropped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Call = Callable[..., Result]
GOOD = '{"entities": ["Holm"], "triples": [["Holm", "had", "quarry"]]}'
"""Serves both calls."""


@pytest.fixture
def filled(call: Call, tmp_path: Path) -> Path:
    """Three records, remembered."""
    path = tmp_path / "notes.jsonl"
    texts = ["The quarry at Holm closed.", "Bees make honey.", "The quarry of Holm was deep."]
    path.write_text("".join(json.dumps({"id": f"n{i}", "text": text}) + "\n" for i, text in enumerate(texts)))
    assert call("ingest", str(path)).exit_code == 0
    return path


def document(result: Result) -> Any:
    """The one JSON document that a command printed."""
    return json.loads(result.stdout)


def test_all_is_read_within_the_budget(call: Call, filled: Path, answers: list[str]) -> None:
    answers.append(GOOD)
    first = call("extract", "--limit", "2")
    assert (first.exit_code, first.stdout) == (0, "")
    assert "2 passages read, 1 fact; left out: 2 not in the passage; 1 left" in first.stderr
    assert call("extract", "--minutes", "0").stderr.startswith("0 passages read")
    second = call("extract", "--json", "--minutes", "5")
    assert second.exit_code == 0
    assert {key: document(second)[key] for key in ("read", "facts", "failed", "remaining")} == {
        "read": 1,
        "facts": 1,
        "failed": [],
        "remaining": 0,
    }
    assert "Nothing to do" in call("extract").stderr


def test_what_fails_is_listed_and_gives_exit_code_1(call: Call, filled: Path) -> None:
    result = call("extract")
    assert result.exit_code == 1
    assert [line.split(":")[0].split() for line in result.stderr.splitlines()[:3]] == [
        ["failed", "n0"],
        ["failed", "n1"],
        ["failed", "n2"],
    ]
    status = call("extract", "--status")
    assert [line.split() for line in status.stdout.splitlines()] == [
        ["openie", "0", "of", "3", "passages,", "3", "failed"],
        ["tagger", "3", "of", "3", "passages,", "0", "failed"],
    ]
    assert document(call("extract", "--status", "--json"))["origins"][0] == {
        "origin": "openie",
        "passages": 0,
        "unread": 3,
        "failed": 3,
    }


def test_facts_come_from_a_file_and_go(call: Call, filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    docs = [{"passage": "Bees make honey.", "extracted_triples": [["Bees", "make", "honey"]]}]
    file.write_text(json.dumps({"docs": docs}))
    assert call("extract", "--import", str(file)).exit_code == 0
    again = call("extract", "--import", str(file), "--json")
    assert (document(again)["stored"], document(again)["unchanged"]) == (0, 1)
    file.write_text(json.dumps({"docs": [*docs, {"passage": "Unknown."}]}))
    result = call("extract", "--import", str(file))
    assert result.exit_code == 1
    assert "docs[1]: No passage has this text." in result.stderr
    assert document(call("extract", "--drop", "import", "--json")) == {"origin": "import", "passages": 1}
    assert call("extract", "--drop", "import").exit_code == 2
    file.write_text("no JSON")
    assert call("extract", "--import", str(file)).exit_code == 1


def test_one_thing_at_a_time(call: Call, filled: Path) -> None:
    assert call("extract", "--status", "--limit", "1").exit_code == 2
    assert call("extract", "--status", "--drop", "openie").exit_code == 2
