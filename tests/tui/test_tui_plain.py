"""What the chat does with text, lines and values, without a screen."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.errors import UsageError
from memapp.tui import commands, export
from memapp.tui.app import fitting_theme
from memapp.tui.document import highlighted
from memapp.tui.ingest import report_text
from memapp.tui.status import meter
from memapp.tui.text import local_time, one_line, plain
from memapp.tui.view import Source, code_blocks, entry_of_answer, entry_of_turn, facts, session_name
from memapp.types import Answer, Citation, Hit, IngestReport, Item, Passage, Span, StoredTurn, Tokens

ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()))  # lone surrogates too


@given(ANY_TEXT)
def test_plain_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    clean = plain(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", clean)
    clean.encode("utf-8")
    assert plain(clean) == clean


def test_plain_keeps_ordinary_text_and_tells_of_what_it_replaced() -> None:
    assert plain("a\tb\r\nc\rd\x0ce") == "a\tb\nc\nd\ne"
    assert plain("\x1b]8;;http://x\x1b\\link\x1b[31m") == "]8;;http://x\\link[31m"
    assert plain("ab\u202ecd\ud800") == "ab\ufffdcd\ufffd"
    assert plain("Zoë שלום 你好 👩‍👩‍👧") == "Zoë שלום 你好 👩‍👩‍👧"


@given(ANY_TEXT, st.integers(2, 60))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line


def test_local_time_shows_the_date_only_when_it_is_another_day() -> None:
    now = datetime(2026, 3, 4, 12, 0).astimezone()
    assert local_time(now.astimezone(UTC).isoformat(), now) == "12:00"
    assert local_time("2026-01-02T12:00:00+00:00", now).startswith("02 Jan")
    assert local_time("2024-01-02T12:00:00+00:00", now) == "02 Jan 2024"
    assert local_time("not a time\x1b", now) == "not a time"


@pytest.mark.parametrize(
    ("line", "name", "argument"),
    [("/ingest a b", "ingest", "a b"), ("/HELP", "help", ""), ("  /new  my talk ", "new", "my talk")],
)
def test_a_command_line_is_read(line: str, name: str, argument: str) -> None:
    command, rest = commands.parse(line)
    assert (command.name, rest) == (name, argument)


@pytest.mark.parametrize("line", ["/etc/hosts says what?", "what is /help", "/help\nand more", ""])
def test_a_question_is_not_a_command(line: str) -> None:
    assert not commands.is_command(line)


def test_commands_that_cannot_be_carried_out_teach() -> None:
    with pytest.raises(UsageError, match=r"Did you mean /search\?"):
        commands.parse("/serach x")
    with pytest.raises(UsageError, match="Write /forget DOCUMENT"):
        commands.parse("/forget  ")


def test_paths_are_split_as_in_a_shell_unless_they_exist(tmp_path: Path) -> None:
    spaced = tmp_path / "two words.txt"
    spaced.write_text("x")
    assert commands.split_paths(str(spaced)) == [str(spaced)]
    assert commands.split_paths("'a b' c") == ["a b", "c"]
    assert commands.split_paths("~/x")[0] == str(Path.home() / "x")
    with pytest.raises(UsageError, match="quote"):
        commands.split_paths("'open")


def test_completions_never_fail(tmp_path: Path) -> None:
    assert [each.value for each in commands.completions("/e")] == ["/export "]
    assert commands.completions("/ingest \x00") == []
    assert commands.completions("/ingest ~nobodyatall/x") == []
    assert commands.completions(f"/ingest {tmp_path}/") == []
    assert [each.value for each in commands.completions("/theme me", ["memapp-dark", "nord"])] == ["/theme memapp-dark"]


def _hit(rank: int, passage: int) -> Hit:
    return Hit(rank, 1 / rank, Passage(passage, f"d{passage}", f"T{passage}", "some text", 10, 19, source="s"))


def _citation(n: int, passage: int, start: int) -> Citation:
    return Citation(n, f"d{passage}", f"T{passage}", "text", start, start + 4, passage, "s", None)


def test_cited_sources_come_first_by_number_with_all_their_quotes() -> None:
    answer = Answer(
        "q",
        "a [2] b [1] c [2]",
        (_citation(2, 7, 10), _citation(1, 8, 12), _citation(2, 7, 15)),
        confidence=0.5,
        hits=(_hit(1, 6), _hit(2, 7), _hit(3, 8)),
        dropped=(4,),
        finish="length",
    )
    entry = entry_of_answer(answer, "2026-01-01", 1.25)
    assert [(source.label, source.document, len(source.quotes)) for source in entry.sources] == [
        ("1", "d8", 1),
        ("2", "d7", 2),
        ("·", "d6", 0),
    ]
    assert entry.sources[1].passage == Span(10, 19)
    assert facts(entry) == "cut at the length limit · 2 sources · confidence 50% · 1 passage unread · 1.2 s"


@pytest.mark.parametrize(
    ("confidence", "citations", "abstained", "shown"),
    [(0.49, 1, False, "not sure · 1 source · confidence 49%"), (0.5, 1, False, "1 source · confidence 50%"),
     (0.0, 0, False, "no source cited · confidence 0%"), (0.2, 0, True, "not in memory")],
)  # fmt: skip
def test_an_answer_that_is_no_likelier_right_than_wrong_is_said_to_be(
    confidence: float, citations: int, abstained: bool, shown: str
) -> None:
    answer = Answer("q", "a", (_citation(1, 7, 10),) * citations, confidence=confidence, abstained=abstained)
    assert facts(entry_of_answer(answer, "2026-01-01")) == shown


def test_a_kept_turn_shows_its_citations_and_an_erased_one_nothing() -> None:
    kept = entry_of_turn(StoredTurn(3, "s", "q", "a [1]", "2026-01-01", (_citation(1, 7, 10),)))
    assert [(source.label, source.passage, source.quotes) for source in kept.sources] == [("1", None, (Span(10, 14),))]
    assert facts(kept) == "1 source"
    assert facts(entry_of_turn(StoredTurn(3, "s", "q", "", "2026-01-01", (), True))) == ""


def test_an_excerpt_is_what_is_cited_or_what_follows_the_title() -> None:
    text = "# Otters\n\nOtters hold hands. They sleep."
    start = text.index("They")
    cited = Source("1", "d", "Otters", text, Span(100, 100 + len(text)), (Span(100 + start, 100 + start + 11),))
    assert cited.excerpt == "They sleep."
    assert Source("·", "d", "Otters", text, Span(0, len(text))).excerpt == "Otters hold hands. They sleep."
    assert Source("1", "d", "Otters", "kept quote", None, (Span(3, 9),)).excerpt == "kept quote"


def test_session_names_are_not_taken_twice() -> None:
    assert session_name("Who was Ada?", frozenset()) == "Who was Ada?"
    taken = frozenset({"Who was Ada?", "Who was Ada? (2)"})
    assert session_name("Who was Ada?", taken) == "Who was Ada? (3)"
    assert session_name("Who was Ada?", None).startswith("Who was Ada? · ")


def test_highlights_stay_right_where_characters_are_dropped() -> None:
    text = "be\x00fore \x1bPASSAGE with QUO\x00TE in\x00 it after"
    start, end = text.index("\x1bPASSAGE"), text.index(" after")
    quote = Span(text.index("QUO"), text.index(" in"))
    source = Source("1", "d", "t", "", Span(start, end), (quote,))
    content = highlighted(text, Span(0, len(text)), source, "bold", "reverse")
    assert content.plain == "before PASSAGE with QUOTE in it after"
    marks = [(content.plain[span.start : span.end], str(span.style)) for span in content.spans]
    assert marks == [("PASSAGE with ", "bold"), ("QUOTE", "reverse"), (" in it", "bold")]


def test_highlights_outside_the_window_are_left_out() -> None:
    source = Source("1", "d", "t", "", Span(90, 200), (Span(5, 9),))
    assert highlighted("x" * 300, Span(50, 100), source, "bold", "reverse").plain == "x" * 50


def test_code_blocks_are_found_fenced_and_indented() -> None:
    assert code_blocks("a\n\n```py\nx = '[/]'\n```\n\n    y\n\nb `c`") == ["x = '[/]'", "y"]


def test_a_session_becomes_markdown(tmp_path: Path) -> None:
    turns = [
        StoredTurn(1, "s", "What?\nNow", "This [1]\x1b[0m.", "2026-01-01", (_citation(1, 7, 1), _citation(1, 7, 9))),
        StoredTurn(2, "s", "And?", "", "2026-01-01", (), True),
    ]
    text = export.markdown_of("my talk", turns)
    assert "# my talk\n\n2 questions.\n" in text
    assert "## What? Now" in text
    assert "This [1][0m." in text
    assert text.count("- [1] T7 (s): “text”") == 1
    assert "*(erased with a forgotten document)*" in text
    assert export.default_path("a/b: c?") == Path("a-b-c.md")
    export.write(tmp_path / "x.md", text)
    assert (tmp_path / "x.md").read_text() == text
    assert [each.name for each in tmp_path.iterdir()] == ["x.md"]
    with pytest.raises(UsageError, match="cannot be written"):
        export.write(tmp_path / "x.md" / "y.md", text)


def test_the_meter_shows_how_full_the_window_is() -> None:
    assert meter(Tokens()).plain == ""
    assert meter(Tokens(1500, 500, 4000)).plain == "━━━━━───── 2,000/4,000 tokens"
    assert meter(Tokens(9000, 0, 4000)).plain.startswith("━━━━━━━━━━ ")


def test_an_ingest_report_lists_only_the_first_failures() -> None:
    items = tuple(Item(f"f{n}", "failed", reason="why") for n in range(20))
    text = report_text(IngestReport(items, {}, interrupted=True))
    assert text.count("✗") == 8
    assert "… and 12 more" in text
    assert "stopped early" in text


def test_the_theme_fits_the_terminal() -> None:
    assert fitting_theme({}, "truecolor") == "memapp-dark"
    assert fitting_theme({"COLORFGBG": "0;15"}, "256") == "memapp-light"
    assert fitting_theme({}, "standard") == "ansi-dark"
    assert fitting_theme({"COLORFGBG": "0;default;15"}, "standard") == "ansi-light"
    assert fitting_theme({"TEXTUAL_THEME": "nord"}, "standard") == "nord"
