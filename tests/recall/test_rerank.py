"""Passages put in order by a model: with a scripted judge for the order, with the real one for what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from memapp.errors import ContextOverflow, UsageError
from memapp.memory import Memory
from memapp.models.catalog import bundled_path
from memapp.models.llama import LlamaEngine
from memapp.models.native import Options
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.recall import rerank
from memapp.settings import Settings
from memapp.types import Hit, Message, Passage


def hit(rank: int, text: str) -> Hit:
    return Hit(rank, 1 / rank, Passage(rank, f"doc-{rank}", "Note", text, 0, len(text)))


class Liking:
    """Likes passages with a word, and the first letters of any list."""

    def __init__(self, word: str) -> None:
        self._word = word
        self.lists = 0

    def forced(self, prompt: Sequence[Message], answer: str) -> float:
        assert answer == "Where is the pump?"
        return -1.0 if self._word in prompt[0].content else -2.0

    def chances(self, prompt: Sequence[Message], begun: Sequence[str]) -> list[float]:
        self.lists += 1
        assert prompt[-1] == Message("assistant", "[")
        lines = {line[1]: line for line in prompt[0].content.splitlines() if line.startswith("[")}
        return [-float(place) + 3.0 * (self._word in lines[letter]) for place, letter in enumerate(begun)]


@pytest.mark.parametrize("method", ["listwise", "likelihood"])
def test_what_the_model_prefers_comes_first_and_the_others_keep_their_order(method: str) -> None:
    hits = [hit(rank, f"Text {rank}." + (" The pump." if rank in (4, 9) else "")) for rank in range(1, 13)]
    found = rerank.reranked(method, "Where is the pump?", hits, Liking("pump"))
    assert [one.rank for one in found] == [4, 9, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12]


def test_a_liking_for_letters_is_taken_off_and_windows_move_to_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerank, "_WINDOW", 4)
    monkeypatch.setattr(rerank, "_STEP", 2)
    judge = Liking("pump")
    hits = [hit(rank, "The pump." if rank == 8 else f"Text {rank}.") for rank in range(1, 9)]
    found = rerank.listwise("Where is the pump?", hits, judge)
    assert [one.rank for one in found] == [8, 1, 2, 3, 4, 5, 6, 7]
    assert judge.lists == 2 * 3


def test_what_lies_behind_stays_behind_and_off_changes_nothing() -> None:
    hits = [hit(rank, "The pump." if rank == 25 else f"Text {rank}.") for rank in range(1, 26)]
    assert rerank.reranked("likelihood", "Where is the pump?", hits, Liking("pump")) == hits
    assert rerank.reranked("off", "Where is the pump?", hits, Liking("pump")) == hits
    with pytest.raises(UsageError, match="'best'"):
        rerank.reranked("best", "Where?", hits, Liking("pump"))


def test_a_search_is_put_in_order_and_scores_descend(tmp_path: Path) -> None:
    settings = Settings(layers=("lexical", "dense"), extract=False, rerank="likelihood")
    with Memory.open(
        tmp_path / "m.db", settings=settings, embedder=ScriptedEmbedder(), engine=ScriptedEngine()
    ) as memory:
        for place in ("cellar", "attic", "yard"):
            memory.add(f"The pump of the {place} house was painted.", id=place)
        with pytest.raises(UsageError, match="cannot put passages in order"):
            memory.search("Which pump was painted?")
        recall = replace(memory.recall_with(), engine=lambda: Judging("attic"))
        from memapp.search import search

        hits = search(recall, "Which pump was painted?", 2).hits
    assert hits[0].passage.document == "attic"
    assert [one.rank for one in hits] == [1, 2]
    assert hits[0].score >= hits[1].score


class Judging(ScriptedEngine):
    """A scripted engine that prefers passages with a word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    def forced(self, prompt: Sequence[Message], answer: str) -> float:
        return float(self._word in prompt[0].content)

    def chances(self, prompt: Sequence[Message], begun: Sequence[str]) -> list[float]:
        raise AssertionError("nobody asked for a list")


@pytest.mark.models
def test_the_default_model_tells_chances_as_its_forced_answers_do() -> None:
    path = bundled_path()
    assert path is not None
    asked = (Message("user", "Name a colour."), Message("assistant", "The colour is"))
    with LlamaEngine(path, Options(context_tokens=128, extra_buffers=False)) as engine:
        chances = engine.chances(asked, [" blue", " pump"])
        assert chances[0] == pytest.approx(engine.forced(asked, " blue"), abs=1e-3)
        assert chances[1] == pytest.approx(engine.forced(asked, " pump"), abs=1e-3)
        assert chances[0] > chances[1]
        with pytest.raises(UsageError, match="no token"):
            engine.chances(asked, [""])
        with pytest.raises(ContextOverflow):
            engine.chances([Message("user", "word " * 200)], [" a"])
