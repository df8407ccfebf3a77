"""What reaches a terminal: no control codes, whole words, one JSON document."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.cli import output

DANGEROUS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@given(st.text())
def test_plain_text_never_steers_a_terminal(text: str) -> None:
    assert not DANGEROUS.search(output.plain(text))


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "Zs"))))
def test_plain_text_keeps_letters_of_every_script(text: str) -> None:
    assert output.plain(text) == text


def test_colours_go_whole_and_other_sequences_lose_their_escape() -> None:
    assert output.plain("a\x1b]0;title\x07b\x1b[31mred\x9b2J") == "a]0;titlebred"


def test_every_line_break_becomes_a_newline() -> None:
    assert output.plain("a\r\nb\rc\u2028d\x85e\n\tf") == "a\nb\nc\nd\ne\n\tf"


def test_one_line_has_no_break_and_single_blanks() -> None:
    assert output.one_line("  a\r\n\tb\u2029 c ") == "a b c"


@dataclass(frozen=True)
class Leaf:
    name: str
    more: MappingProxyType[str, tuple[int, ...]]


def test_json_is_made_of_dataclasses_mappings_and_tuples(capsys: pytest.CaptureFixture[str]) -> None:
    output.out_json({"leaves": (Leaf("ü", MappingProxyType({"n": (1, 2)})),), "none": None})
    text = capsys.readouterr().out
    assert "ü" in text
    assert json.loads(text) == {"leaves": [{"name": "ü", "more": {"n": [1, 2]}}], "none": None}


def test_json_with_half_a_character_is_still_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.out_json({"text": "a\ud800b\x1b"})
    text = capsys.readouterr().out
    text.encode("utf-8")
    assert "\x1b" not in text
    assert json.loads(text) == {"text": "a\ud800b\x1b"}


def test_snippet_shows_where_the_words_are() -> None:
    text = "filler words here " * 60 + "the lighthouse of Brindle was painted white " + "other things there " * 60
    found = output.snippet(text, "Who painted the lighthouse?")
    assert "lighthouse of Brindle was painted" in found
    assert found.startswith("... ")
    assert found.endswith(" ...")
    assert len(found) < 300


@given(st.text(min_size=1, max_size=2000), st.text(max_size=60))
def test_snippet_is_a_stretch_of_the_text(text: str, question: str) -> None:
    found = output.snippet(text, question)
    assert len(found) <= 290
    assert found.removeprefix("... ").removesuffix(" ...") in output.one_line(text)


def test_short_text_is_its_own_snippet() -> None:
    assert output.snippet("One line\nand another.", "line") == "One line and another."


def test_emphasis_marks_the_words_of_the_question_and_their_forms() -> None:
    marked = output.emphasised("The Painter painted; whoever is a pain.", "Who painted it (and why)?")
    assert marked == "The \x1b[1mPainter\x1b[0m \x1b[1mpainted\x1b[0m; whoever is a pain."


@pytest.mark.parametrize("question", ["", "?", "the of", "(.*+[", "\\"])
def test_emphasis_without_a_word_changes_nothing(question: str) -> None:
    assert output.emphasised("The (.*+[ text \\ of it", question) == "The (.*+[ text \\ of it"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_400_000, "3.4 MB"), (5 * 10**12, "5.0 TB")]
)
def test_sizes_are_read_by_people(count: int, text: str) -> None:
    assert output.size(count) == text


def test_columns_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    output.columns([("a", "bb", "c"), ("aaa", "b", "\x1bc\nd")])
    assert capsys.readouterr().out == "a    bb  c\naaa  b   c d\n"
