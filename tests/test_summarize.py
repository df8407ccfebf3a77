"""Key points of a memory: what stands for what, and that each is a sentence as it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.answer import gist
from memapp.errors import UsageError
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.settings import Settings

TOPICS = {
    "harbour": "The harbour bell of Sullen Point rings when the evening ferry comes in{}.",
    "mill": "The water mill at Brae grinds rye flour for the baker{}.",
    "orchard": "The apple orchard behind the church bears red fruit{}.",
}
TIMES = ("", " on Monday", " in the rain", " before noon", " all winter")


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """Three topics, five notes on each, and one with nothing but a question in it."""
    opened = Memory.open(
        tmp_path / "m.db",
        settings=Settings(layers=("lexical", "dense"), extract=False),
        embedder=ScriptedEmbedder(),
        engine=ScriptedEngine(),
    )
    for name, text in TOPICS.items():
        for n, when in enumerate(TIMES):
            opened.add(text.format(when), id=f"{name}-{n}")
    opened.add("Who rings the bell of the harbour at Sullen Point at night?", id="asked")
    return opened


def topics(points: tuple[object, ...]) -> list[str]:
    return [point.citation.document.partition("-")[0] for point in points]  # type: ignore[attr-defined]


def test_each_topic_has_one_point_and_each_point_is_a_sentence_of_its_document(memory: Memory) -> None:
    summary = memory.summarize(points=3)
    assert sorted(topics(summary.points)) == sorted(TOPICS)
    assert summary.passages == 16
    for number, point in enumerate(summary.points, 1):
        cited = point.citation
        assert cited.n == number
        assert memory.document(cited.document).text[cited.start : cited.end] == cited.text
        assert not cited.text.endswith("?")
    assert 0 < sum(point.share for point in summary.points) <= 1


def test_a_query_keeps_to_what_it_is_about(memory: Memory) -> None:
    summary = memory.summarize("the apple orchard", points=1)
    assert topics(summary.points) == ["orchard"]
    assert memory.summarize("the apple orchard", points=1).points == summary.points


def test_an_empty_memory_has_no_points_and_no_points_are_refused(tmp_path: Path, memory: Memory) -> None:
    with Memory.open(tmp_path / "empty.db", embedder=ScriptedEmbedder(), engine=ScriptedEngine()) as empty:
        assert empty.summarize().points == ()
        assert empty.summarize("anything").points == ()
    with pytest.raises(UsageError, match="0 points"):
        memory.summarize(points=0)


@pytest.mark.parametrize(
    "text",
    [
        "Who rings the bell of the harbour at night?",
        "- Fixed: high water was given fifty minutes late.",
        "THE SKARROW LIGHT A LEAFLET for visitors of the Harbour Board.",
        "station: 3 date: 2022-09-10 remark: the sonde winch was slow.",
        "| loaf | rye, wheat and water | five crowns fifty |.",
        "A heading without an end about the evening ferry",
        "It rang.",
        "let the bakehouse to a co-operative for two hundred crowns.",
        "Layla (3 November 2023, 16:57): Got it.",
    ],
)
def test_what_is_no_sentence_is_no_point(tmp_path: Path, text: str) -> None:
    settings = Settings(layers=("lexical",), extract=False)
    with Memory.open(tmp_path / "m.db", settings=settings, embedder=ScriptedEmbedder()) as memory:
        memory.add(text, id="odd")
        assert memory.summarize().points == ()
        memory.add("The evening ferry to the island leaves the pier at nine.", id="plain")
        assert [point.citation.document for point in memory.summarize().points] == ["plain"]


def test_what_was_forgotten_is_not_summed_up(memory: Memory) -> None:
    memory.forget(*(f"mill-{n}" for n in range(len(TIMES))))
    assert "mill" not in topics(memory.summarize(points=5).points)


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 5))
def test_no_other_passage_would_have_added_more(size: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((size, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = random.random(size).astype(np.float32) + 0.1
    chosen = gist.covering(vectors, weights, count)
    assert len(set(chosen.rows)) == len(chosen.rows) <= min(size, count)
    alike = np.maximum(vectors @ vectors.T, 0)

    def worth(rows: list[int]) -> float:
        return float(weights @ alike[:, rows].max(axis=1)) if rows else 0.0

    for place in range(len(chosen.rows)):
        before, best = list(chosen.rows[:place]), list(chosen.rows[: place + 1])
        assert worth(best) >= max(worth([*before, row]) for row in range(size)) - 1e-4
