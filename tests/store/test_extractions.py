"""What passages speak of: found once, found anew by another extractor, and gone on with where a kill broke off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from memapp.extract.extractor import RuleExtractor
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder
from memapp.protocols import TokenStates
from memapp.settings import Settings
from memapp.store import extractions
from memapp.types import Extraction, Passage

DOCUMENTS = 300


class Killed(BaseException):
    """What nobody catches."""


class Other(RuleExtractor):
    """Another extractor, which finds one thing in everything; it ends after some calls."""

    def __init__(self, calls: int = 1_000) -> None:
        self._calls = calls

    @property
    def identity(self) -> str:
        """Not that of the rules."""
        return "other"

    def extract(self, passages: Sequence[Passage], states: Sequence[TokenStates]) -> list[Extraction]:
        """The same phrase for each."""
        self._calls -= 1
        if self._calls < 0:
            raise Killed
        return [Extraction(("The Same",)) for _ in passages]


def filled(path: Path, settings: Settings | None = None) -> None:
    with Memory.open(path, embedder=ScriptedEmbedder(), settings=settings or Settings()) as memory:
        for number in range(DOCUMENTS):
            memory.add(f"Ada Quill met Bruno {number} in Port Ellery.", id=str(number))


def test_a_killed_rebuild_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    filled(path)
    memory = Memory.open(path, embedder=ScriptedEmbedder(), extractor=Other(calls=1))
    with pytest.raises(Killed):
        memory.rebuild(["graph"])
    left = extractions.count_unread(memory._store, extractions.TAGGER)
    assert 0 < left < DOCUMENTS
    memory._store.close()
    with Memory.open(path, embedder=ScriptedEmbedder(), extractor=Other()) as again:
        checks = {check.name: check for check in again.verify()}
        assert not checks["phrases"].ok
        assert "rebuild graph" in checks["phrases"].remedy
        again.rebuild(["graph"])
        assert all(check.ok for check in again.verify())
        assert [hub.label for hub in again.graph().statistics().hubs] == ["The Same"]


def test_what_was_ingested_without_phrases_gets_them_by_a_rebuild(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    filled(path, Settings(extract=False))
    with Memory.open(path, embedder=ScriptedEmbedder()) as memory:
        assert memory.graph().statistics().phrases == 0
        assert not all(check.ok for check in memory.verify())
        memory.rebuild(["graph"])
        assert memory.graph().statistics().phrases == 3
        assert all(check.ok for check in memory.verify())


def test_the_same_extractor_looks_at_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    filled(path)
    with Memory.open(path, embedder=ScriptedEmbedder()) as memory:
        before = memory.log(1)
        memory.rebuild(["graph"])
        assert memory.log(1) == before
