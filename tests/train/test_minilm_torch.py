"""The encoder in torch is the one that runs, and its trainer learns, measures and writes what `pack` takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'memapp[train]'")

from safetensors.numpy import load_file  # noqa: E402

from memapp.models import minilm, span_reader, weights  # noqa: E402
from memapp.train.minilm_torch import MiniLM  # noqa: E402
from memapp.train.ragged import Ragged  # noqa: E402
from memapp.train.spans import fit, pack  # noqa: E402
from memapp.train.spans.prepare import ASKED, KEPT, MADE, Readings  # noqa: E402

pytestmark = pytest.mark.models


def test_torch_and_numpy_agree() -> None:
    base = minilm.read_weights(minilm.locate().weights)
    ids = np.array([101, 2040, 2081, 1996, 3103, 102])
    expected = minilm.encode_one(base, ids)[1]
    padded = torch.tensor([[*ids, 0, 0]])
    with torch.no_grad():
        found = MiniLM(base)(padded, padded > 0)[0, : len(ids)].numpy()
    assert np.abs(found - expected).max() < 0.15  # products in bfloat16
    cosine = (found * expected).sum() / np.linalg.norm(found) / np.linalg.norm(expected)
    assert cosine > 0.999


def test_it_learns_to_point_at_a_mark_and_writes_what_ships(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    ids, places = [], []
    for _ in range(160):
        passage = chance.integers(2000, 3000, 12)
        at = int(chance.integers(1, 11))
        passage[at - 1] = 1025
        ids.append([101, 2054, 102, *passage.tolist(), 102])
        places.append([3 + at, 3 + at])
    kinds = np.repeat(np.array([MADE, ASKED, KEPT], np.int32), [80, 60, 20])
    made = Readings(Ragged.of(ids), np.full(160, 3, np.int32), Ragged.of(places), kinds)
    run = fit.Fit(made, seed=0)
    before = run.model.head.weight.detach().clone()
    rows = [row for _ in range(30) for row in range(140)]
    run.learn([rows[at : at + 70] for at in range(0, len(rows), 70)], 3e-4, "marks")
    run.measure("held out")
    assert not torch.equal(before, run.model.head.weight)
    figures = run.figures["held out"]
    assert isinstance(figures, dict)
    assert figures["F1"] > 0.8
    run.write(tmp_path)
    assert pack.main(["--fitted", str(tmp_path), "--out", str(tmp_path / "out.safetensors")]) == 0
    learned = weights.read(tmp_path / "out.safetensors", span_reader.TRAINING).tensors
    whole = load_file(tmp_path / "spans.safetensors")
    again = span_reader.merged(minilm.read_weights(minilm.locate().weights), learned)
    name = "encoder.layer.5.output.dense.weight"
    np.testing.assert_allclose(again[name], whole[name], atol=1e-3)
