"""A change of embedder: refused, then carried through, also when it was broken off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from memapp.errors import EmbedderMismatch
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder
from memapp.settings import Settings
from memapp.store import content, reembed
from memapp.types import Vectors

OLD, NEW = ScriptedEmbedder(16, "old"), ScriptedEmbedder(24, "new")


class Breaks(ScriptedEmbedder):
    """The new embedder, until it breaks."""

    left = 3

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Raises at the fourth call."""
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("power cut")
        return super().embed(texts)


def filled(path: Path) -> list[str]:
    with Memory.open(path, embedder=OLD) as memory:
        for i in range(25):
            memory.add(f"passage {i} of {i * 7}", id=str(i), title=f"T{i}")
        with Memory.open(path, embedder=OLD, namespace="other") as other:
            other.add("passage of another namespace")
        return [str(i) for i in range(25)]


def test_it_is_refused_until_it_is_rebuilt(path: Path) -> None:
    filled(path)
    with Memory.open(path, embedder=NEW) as memory:
        for use in (lambda: memory.recall("passage"), lambda: memory.add("more")):
            with pytest.raises(EmbedderMismatch, match="memapp rebuild dense"):
                use()
        assert memory.recall("passage", layers=["lexical"])
        layers = memory.stats().layers
        unusable = {layer.name: layer.kind for layer in layers if layer.kind.startswith("unusable")}
        assert list(unusable) == ["dense"]
        assert "memapp rebuild dense" in unusable["dense"]
        assert {layer.name for layer in layers if not layer.passages} == {"dense", "episodic"}  # no turns were added
        memory.rebuild(["dense"])
        assert memory.recall("passage 7 of 49", 1)[0].passage.document == "7"
        assert "new" in memory.stats().embedder
        assert all(check.ok for check in memory.verify())
    with Memory.open(path, embedder=NEW, namespace="other") as other:
        assert other.recall("another namespace")[0].score > 0.5
    with Memory.open(path, embedder=OLD) as memory, pytest.raises(EmbedderMismatch):
        memory.recall("passage")


def test_it_goes_on_where_it_broke_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reembed, "_BATCH", 4)
    filled(path)
    with Memory.open(path, embedder=Breaks(24, "new")) as memory, pytest.raises(RuntimeError, match="power cut"):
        memory.rebuild(["dense"])
    for embedder in (OLD, NEW):
        with Memory.open(path, embedder=embedder) as memory, pytest.raises(EmbedderMismatch):
            memory.recall("passage")
    again = ScriptedEmbedder(24, "new")
    with Memory.open(path, embedder=again) as memory:
        memory.rebuild(["dense"])
        assert sum(len(call) for call in again.calls) == 26 - 12
        _, vectors = content.stretches(memory._store, [(1, 25)], 24)
        expected = NEW.embed([passage.content for i in range(25) for passage in memory.passages(str(i))])
        np.testing.assert_allclose(vectors, expected, atol=1e-3)
        assert all(check.ok for check in memory.verify())


def test_back_to_the_old_one_in_the_middle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reembed, "_BATCH", 4)
    filled(path)
    with Memory.open(path, embedder=Breaks(24, "new")) as memory, pytest.raises(RuntimeError, match="power cut"):
        memory.rebuild(["dense"])
    with Memory.open(path, embedder=OLD) as memory:
        memory.rebuild(["dense"])
        assert memory.recall("passage 7 of 49", 1)[0].passage.document == "7"
        assert all(check.ok for check in memory.verify())


def test_forgetting_needs_no_embedder(path: Path) -> None:
    """A person may forget although the model that embedded is gone."""
    filled(path)
    with Memory.open(path, embedder=NEW, settings=Settings(layers=("lexical",))) as memory:
        assert memory.forget("3").passages == 1


def test_a_forget_in_the_middle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reembed, "_BATCH", 4)
    filled(path)

    class Forgets(ScriptedEmbedder):
        """Forgets a document of the batch that it embeds."""

        def embed(self, texts: Sequence[str]) -> Vectors:
            with Memory.open(path, embedder=OLD, settings=Settings(layers=("lexical",))) as other:
                embedded = other.matching(texts[0].split("\n")[-1])
                other.forget(other.documents()[-1].id, *(info.id for info in embedded))
            return super().embed(texts)

    with Memory.open(path, embedder=Forgets(24, "new")) as memory:
        memory.rebuild(["dense"])
        assert all(check.ok for check in memory.verify())
        assert memory.stats().passages < 20


def test_another_process_changes_the_embedder(path: Path) -> None:
    filled(path)
    same_size = ScriptedEmbedder(16, "new")
    with Memory.open(path, embedder=OLD) as memory:
        memory.recall("passage")
        with Memory.open(path, embedder=same_size) as other:
            other.rebuild(["dense"])
            other.add("written by the other process", id="other")
        with pytest.raises(EmbedderMismatch):
            memory.recall("passage")


def test_forgetting_works_with_the_wrong_embedder(path: Path) -> None:
    filled(path)
    with Memory.open(path, embedder=NEW) as memory:
        report = memory.forget("7", verify=True)
        assert report.documents == ("7",)
        checks = {check.name: check.ok for check in report.checks}
        assert checks["no trace"]
        assert not checks["layer dense"]
        assert "7" not in [info.id for info in memory.documents()]
