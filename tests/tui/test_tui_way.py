"""How a source was found, beside the conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from memapp.types import Hit, LayerShare, Step

HOSTILE = "[bold]Sav\x1b[31mchenko\u202e[/bold] " + "x" * 180
PATH = (Step("Ivan Nikulin"), Step("[/]Sailor"), Step(HOSTILE, "A film\x07 [/b]", 9))


@pytest.fixture
def graph_memory(library: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, whose second hit a graph found."""
    found = library.hits

    def hits(question: str) -> tuple[Hit, ...]:
        first, second, *others = found(question)
        shares = (*second.shares, LayerShare("graph", 7, 1.25, "the same in one line"))
        return (first, replace(second, shares=shares, path=PATH), *others)

    monkeypatch.setattr(library, "hits", hits)
    return library


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_highlighted_source_tells_its_way(open_chat: Any, graph_memory: Any, size: tuple[int, int]) -> None:
    async with open_chat(graph_memory, size=size) as chat:
        await chat.send("/search Who directed it?")
        await chat.shows("How it was found")
        (first,) = chat.statics("#way")
        assert " ".join(first.split()) == "How it was found dense #1 0.900 lexical #2 4.200 born, Ada"
        await chat.pilot.press("down")
        await chat.until(lambda: "graph" in chat.statics("#way")[0])
        (second,) = chat.statics("#way")
        lines = second.splitlines()
        assert lines[3].split() == ["born,", "Ada"]
        assert lines[4].split() == ["graph", "#7", "1.250"]
        assert lines[5:7] == ["named Ivan Nikulin", "named [/]Sailor"]
        assert lines[7].startswith("from A film [/b] through [bold]Sav[31mchenko\ufffd[/bold] xxx")
        assert lines[7].endswith("x…")
        assert "the same in one line" not in second
        await chat.shows("named Ivan Nikulin")
        chat.assert_harmless()
        await chat.pilot.press("up")
        await chat.until(lambda: "graph" not in chat.statics("#way")[0])


async def test_an_answer_tells_the_way_to_what_it_rests_on(open_chat: Any, graph_memory: Any) -> None:
    async with open_chat(graph_memory, size=(120, 40)) as chat:
        await chat.ask("Where was she born?")
        await chat.pilot.press("f2", "down")
        await chat.shows("named Ivan Nikulin")
        assert chat.chat._pane.sources[1].path == PATH


async def test_without_sources_there_is_no_way(open_chat: Any, make_memory: Any) -> None:
    async with open_chat(make_memory()) as chat:
        await chat.send("/search anything")
        await chat.shows("No passage was found.")
        assert not chat.screen.query_one("#way").display
