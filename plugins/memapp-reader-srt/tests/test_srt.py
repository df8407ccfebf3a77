"""The subtitle reader: alone, and as memapp finds it when it is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from memapp import plugins
from memapp.read import read
from memapp.types import Document, Failure

srt = pytest.importorskip("memapp_reader_srt", reason="pip install ./plugins/memapp-reader-srt")

FILM = """\ufeff1
00:00:01,000 --> 00:00:03,500
<i>The harbour was</i>
{\\an8}built in 1821.

2
00:00:03,600 --> 00:00:05,000
It froze every winter.

3
00:00:09,000 --> 00:00:10,000
Nobody minded.

oops

4
00:06:00.000 --> 00:06:02.000
Then the railway came.
"""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "the_harbour.srt"
    path.write_bytes(FILM.replace("\n", "\r\n").encode())
    return path


def test_cues_become_paragraphs_and_sections(film: Path) -> None:
    failure, document = srt.SrtReader().read(film, "the_harbour.srt")
    assert isinstance(failure, Failure)
    assert failure.source == "the_harbour.srt:4"
    assert isinstance(document, Document)
    assert document.title == "the harbour"
    assert document.text == (
        "The harbour was built in 1821. It froze every winter.\n\nNobody minded.\n\nThen the railway came."
    )
    assert [(document.text[s.start :][:7], s.heading) for s in document.sections] == [
        ("The har", "00:00:01"),
        ("Then th", "00:06:00"),
    ]
    assert document.metadata == {"time": "00:00:01", "ends": "00:06:02"}


def test_a_file_without_cues_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "none.srt"
    path.write_text("nothing here")
    outcomes = list(read(path, "none.srt", extra=[srt.SrtReader()]))
    assert [type(outcome) for outcome in outcomes] == [Failure, Failure]
    assert "no subtitles" in outcomes[-1].reason


def test_memapp_finds_it_by_its_entry_point(film: Path) -> None:
    try:
        distribution("memapp-reader-srt")
    except PackageNotFoundError:
        pytest.skip("importable, but not installed")
    assert ("srt", "memapp-reader-srt") in [(plugin.name, plugin.distribution) for plugin in plugins.names()]
    reader = plugins.load("srt")
    documents = [item for item in read(film, "film", extra=[reader]) if isinstance(item, Document)]
    assert [document.media_type for document in documents] == ["application/x-subrip"]
