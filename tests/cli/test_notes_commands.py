"""Notes from the command line: kept, listed, edited, taken back."""

from __future__ import annotations

import json
from collections.abc import Callable

from typer.testing import Result


def test_a_note_from_telling_it_to_taking_it_back(call: Callable[..., Result]) -> None:
    kept = json.loads(call("note", "I live in Oslo.", "--json").stdout)
    assert kept["text"] == "I live in Oslo."
    told = call("note", "I live in Bergen.", "--replace", kept["id"]).stderr
    assert f"memapp forget {kept['id']}" in told
    listed = json.loads(call("notes", "--json").stdout)["notes"]
    assert [(one["id"], one["text"]) for one in listed] == [(kept["id"], "I live in Bergen.")]
    assert "I live in Bergen." in call("notes").stdout
    assert call("forget", kept["id"], "--yes").exit_code == 0
    assert "No notes" in call("notes").stderr


def test_what_cannot_be_kept(call: Callable[..., Result]) -> None:
    assert call("note", "  ").exit_code == 2
    assert call("note", "I live in Oslo.", "--replace", "note:none").exit_code == 2
