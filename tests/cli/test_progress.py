"""The progress bar: for people at a terminal, and safe with whatever name an item has."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

import pytest

from memapp.cli.options import Options
from memapp.cli.progress import bar
from memapp.types import Progress


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def test_a_bar_shows_stage_count_and_item(terminal: Terminal) -> None:
    with redirect_stderr(terminal), bar(Options()) as progress:
        assert progress is not None
        progress(Progress("embed", 1, None, "first"))
        progress(Progress("embed", 3, 4, "[red]a\x1b]0;x\x07.txt[/nonsense]"))
        progress(Progress("unheard of", 1, 2))
        progress(Progress("download", 1_500_000, 3_000_000, "model.gguf"))
    drawn = terminal.getvalue()
    for text in ("Embedding", "3/4", "[red]a]0;x.txt[/nonsense]", "unheard of", "1.5 MB/3.0 MB"):
        assert text in drawn
    assert "\x1b]0;" not in drawn
    assert "\x07" not in drawn


def test_quiet_draws_nothing(terminal: Terminal) -> None:
    with redirect_stderr(terminal), bar(Options(quiet=True)) as progress:
        assert progress is None
    assert terminal.getvalue() == ""


def test_without_a_terminal_nothing_is_drawn() -> None:
    file = io.StringIO()
    with redirect_stderr(file), bar(Options()) as progress:
        assert progress is None
    assert file.getvalue() == ""
