"""What a person at a terminal sees while an answer comes about."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout

import pytest

from memapp.cli.ask import _print_evidence, _print_stream
from memapp.cli.options import Options
from memapp.types import Answer, Citation, Done, Event, Hop, Recalled, Token


class Terminal(io.StringIO):
    """An output as a terminal."""

    def isatty(self) -> bool:
        return True


def printed(monkeypatch: pytest.MonkeyPatch, *drafts: str, answer: str) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    events: list[Event] = [Recalled((), "Who?"), *map(Token, drafts), Done(Answer("Who?", answer))]
    with redirect_stdout(terminal), redirect_stderr(io.StringIO()):
        assert _print_stream(iter(events), Options()).text == answer
    return terminal.getvalue()


def test_a_draft_on_one_line_gives_way_to_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = printed(monkeypatch, "Hans ", "Meier [1]", answer="Hans Meier [1]")
    draft, _, left = shown.rpartition("\r\x1b[K")
    assert "Hans " in draft
    assert left == "Hans Meier [1]\n"


@pytest.mark.parametrize("draft", ["two\nlines", "long " * 30])
def test_a_longer_draft_stays_above_the_answer(monkeypatch: pytest.MonkeyPatch, draft: str) -> None:
    shown = printed(monkeypatch, draft, answer="No.")
    assert "\r\x1b[K" not in shown
    assert shown.endswith("\n\nNo.\n")


def test_the_hops_to_an_answer_are_told_while_they_are_made_and_after_it() -> None:
    hop = Hop("Who directed Jump for Glory?", "Raoul Walsh", (), 0.9)
    answer = Answer("When did its director die?", "1980 [1]", hops=(hop,))
    told = Terminal()
    with redirect_stdout(io.StringIO()), redirect_stderr(told):
        _print_stream(iter([Recalled((), "Who?"), hop, Done(answer)]), Options())
        assert "Who directed Jump for Glory? Raoul Walsh ..." in told.getvalue()
        told.truncate(0)
        _print_evidence(answer, Options())
    assert "Who directed Jump for Glory? Raoul Walsh\n" in told.getvalue()


@pytest.mark.parametrize(("confidence", "said"), [(0.49, True), (0.5, False)])
def test_an_answer_that_is_no_likelier_right_than_wrong_is_said_to_be(confidence: float, said: bool) -> None:
    shown = Terminal()
    with redirect_stdout(shown), redirect_stderr(io.StringIO()):
        _print_evidence(Answer("q", "a [1]", (Citation(1, "d", "T", "text", 0, 4),), confidence), Options())
    assert shown.getvalue().startswith("Not sure: this may well be wrong.\n[1]") == said
