"""Searching on a GPU finds what the CPU finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from memapp import device
from memapp.layers.dense import DenseLayer
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder
from memapp.settings import Settings
from memapp.store.log import Store
from memapp.types import Query, Score

needs_gpu = pytest.mark.skipif(device.faiss_device().value != "gpu", reason=device.faiss_device().reason)


def recalled(path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, place: str) -> list[list[Score]]:
    embedder = ScriptedEmbedder()
    monkeypatch.setattr(device, "faiss_device", lambda: device.Choice(place, "for the test"))
    store = Store(path, "default")
    try:
        layer = DenseLayer(store, embedder.identity, Settings(dense_index=kind))
        layer.apply(store.changes())
        texts = [f"number {i} and {i * 7 % 31}" for i in range(0, 400, 37)]
        return [layer.recall(Query(text, embedder.embed([text])[0]), 10) for text in texts]
    finally:
        store.close()


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_a_gpu_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / "m.db"
    with Memory.open(path, embedder=ScriptedEmbedder()) as memory:
        for i in range(400):
            memory.add(f"number {i} and {i * 7 % 31}", id=str(i))
        memory.forget(*(str(i) for i in range(0, 400, 5)))
    on_cpu = recalled(path, kind, monkeypatch, "cpu")
    on_gpu = recalled(path, kind, monkeypatch, "gpu")
    for expected, found in zip(on_cpu, on_gpu, strict=True):
        assert [score.value for score in found] == pytest.approx([score.value for score in expected], abs=2e-3)
        assert len({score.passage for score in found} & {score.passage for score in expected}) >= 8
