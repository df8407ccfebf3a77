"""`memapp summarize`."""

from __future__ import annotations

import json
from collections.abc import Callable

from typer.testing import Result

TOPICS = (
    "The harbour bell of Sullen Point rings when the evening ferry comes in{}.",
    "The water mill at Brae grinds rye flour for the baker{}.",
    "The apple orchard behind the church bears red fruit{}.",
)
TIMES = ("", " on Monday", " in the rain")


def test_the_command_prints_points_with_their_sources(call: Callable[..., Result]) -> None:
    assert call("init").exit_code == 0
    assert "Memory is empty" in call("summarize").stderr
    for text in TOPICS:
        for when in TIMES:
            assert call("note", text.format(when)).exit_code == 0
    told = json.loads(call("summarize", "--points", "2", "--json").stdout)
    assert len(told["points"]) == 2
    printed = call("summarize", "the orchard", "-n", "1")
    assert "orchard behind the church" in printed.stdout
    assert "[1]" in printed.stdout
    assert call("summarize", "-n", "0").exit_code == 2
