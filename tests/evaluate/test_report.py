"""Tables, JSON and the file of results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memapp.errors import Unreadable
from memapp.evaluate.report import Circumstances, Report, circumstances, machine, record, section, table, write_json

WHEN = Circumstances("a machine", "2026-01-02", "memapp bench x")
REPORT = Report("x: set", ("name", "value"), (("a|b", 0.12345), ("c", 12345)), {"a": 1}, ("A note.",))


def test_a_table_is_aligned_markdown() -> None:
    lines = table(REPORT).splitlines()
    assert lines[0] == "| name | value  |"
    assert lines[2:] == ["| a\\|b | 0.123  |", "| c    | 12,345 |"]
    assert len({len(line) for line in lines}) == 1


def test_results_are_replaced_by_title_and_nothing_else_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "RESULTS.md"
    record(path, REPORT, WHEN)
    record(path, Report("y: set", ("n",), (("first",),)), WHEN)
    assert path.read_text().count("0.123") == 1
    by_hand = path.read_text() + "\n## By hand\n\nwritten by a person\n"
    path.write_text(by_hand)
    record(path, Report("x: set", ("name", "value"), (("new", 0.5),)), WHEN)
    text = path.read_text()
    assert text.startswith("# Results\n\n## x: set\n")
    assert "0.500" in text
    assert "0.123" not in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## x: set", "## y: set", "## By hand"]
    record(path, Report("x: set", ("name", "value"), (("new", 0.5),)), WHEN)
    assert path.read_text() == text


def test_a_section_says_where_when_and_how() -> None:
    assert "a machine; 2026-01-02; `memapp bench x`" in section(REPORT, WHEN)
    assert section(REPORT, WHEN).endswith("A note.\n")


def test_json_holds_everything(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", REPORT, WHEN)
    value = json.loads((tmp_path / "x.json").read_text())
    assert value["machine"] == "a machine"
    assert value["figures"] == {"a": 1}
    assert value["rows"] == [["a|b", 0.12345], ["c", 12345]]


def test_a_place_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreadable):
        record(tmp_path / "file" / "RESULTS.md", REPORT, WHEN)


def test_private_folders_are_not_told() -> None:
    when = circumstances(["memapp", "bench", "x", "--set", "/home/somebody/private/set.json"])
    assert when.command == "memapp bench x --set set.json"
    assert "cores" in machine()


def test_a_command_is_told_so_that_it_can_be_given_again() -> None:
    when = circumstances(["memapp", "bench", "reader", "--ways", "gold alone", "found by recall"])
    assert when.command == "memapp bench reader --ways 'gold alone' 'found by recall'"
