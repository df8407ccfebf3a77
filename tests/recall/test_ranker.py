"""The learned ranker: trees as they were made, held to fusion where the question names nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from memapp.errors import ModelDamaged
from memapp.models.minilm import WEIGHTS_SHA256
from memapp.protocols import EmbedderIdentity
from memapp.recall import features, ranker
from memapp.recall.features import NAMES
from memapp.recall.fuse import fuse
from memapp.recall.ranker import Trees
from memapp.settings import shipped
from memapp.types import Passage, Score

ABOUT, SHARE = NAMES.index("about_named"), NAMES.index("fused_share")


def trees() -> Trees:
    """One tree of two questions, and one that is a leaf."""
    feature = np.array([[0, 0, 1, 0, 0], [0] * 5], np.int32)
    threshold = np.array([[0.5, 0, 2.0, 0, 0], [0] * 5], np.float32)
    left = np.array([[1, 1, 3, 3, 4], [0] * 5], np.int32)
    right = np.array([[2, 1, 4, 3, 4], [0] * 5], np.int32)
    value = np.array([[0, 1, 0, 10, 100], [0.25, 0, 0, 0, 0]], np.float32)
    return Trees(feature, threshold, left, right, value, depth=2)


def test_rows_go_down_the_trees() -> None:
    rows = np.array([[0.5, 9.0], [0.6, 2.0], [0.6, 2.1]], np.float32)
    assert trees().log_odds(rows).tolist() == [1.25, 10.25, 100.25]


def test_without_anything_named_the_order_is_that_of_fusion() -> None:
    rows = np.zeros((3, len(NAMES)), np.float32)
    rows[:, SHARE] = [0.2, 1.0, 0.5]
    assert np.argsort(-ranker.anchored(np.array([1.0, 0.0, 0.5]), rows)).tolist() == [1, 2, 0]
    rows[2, ABOUT] = 1
    assert ranker.anchored(np.array([1.0, 0.0, 0.5]), rows).tolist() == [1.0, 0.0, 0.5]


def test_it_is_for_its_layers_and_its_embedder() -> None:
    known, other = EmbedderIdentity("a", 384, WEIGHTS_SHA256), EmbedderIdentity("a", 384, "0")
    assert ranker.fits(["dense", "graph", "lexical"], known)
    assert not ranker.fits(["dense", "lexical"], known)
    assert not ranker.fits(["dense", "graph", "lexical", "more"], known)
    assert not ranker.fits(["dense", "graph", "lexical"], other)


def test_scores_are_probabilities() -> None:
    found = ranker.rank(np.random.default_rng(0).normal(size=(50, len(NAMES))).astype(np.float32))
    assert found.shape == (50,)
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("damage", ["bytes", "features", "manifest"])
def test_other_weights_than_were_made_are_refused(tmp_path: Path, damage: str) -> None:
    weights = shipped(ranker.WEIGHTS)
    path = tmp_path / weights.name
    shutil.copy(weights, path)
    manifest = json.loads(weights.with_suffix(".json").read_text())
    if damage == "bytes":
        path.write_bytes(path.read_bytes() + b"x")
    if damage == "features":
        manifest["features"].reverse()
    path.with_suffix(".json").write_text("" if damage == "manifest" else json.dumps(manifest))
    with pytest.raises(ModelDamaged) as error:
        ranker.load(path)
    assert error.value.hint


def test_what_speaks_for_a_passage() -> None:
    passages = {
        1: Passage(1, "a", "Amber Hall (house)", "The hall of amber.", 0, 18),
        2: Passage(2, "b", "", "Nothing of it.", 0, 14),
    }
    lexical, dense = [Score(1, 4.0)], [Score(1, 0.8), Score(2, 0.1)]
    graph = [Score(1, 1.0, signals={"asked": -0.5, "about_named": 1.0})]
    near = fuse({"lexical": lexical, "dense": dense})
    rankings = {"lexical": lexical, "dense": dense, "graph": graph}
    found = features.evidence("Who built Amber Hall?", passages, rankings, near, {1: 0.8, 2: 0.1})
    assert found.passages == (1, 2)
    first, second = (dict(zip(NAMES, row.tolist(), strict=True)) for row in found.features)
    assert (first["bm25"], second["bm25"]) == (1.0, 0.0)
    assert (first["fused_share"], first["title_in_question"], second["title_in_question"]) == (1.0, 1.0, 0.0)
    assert (first["about_named"], second["about_named"]) == (1.0, 0.0)
    assert first["asked"] > second["asked"]
    assert first["covered"] > second["covered"] == 0.0
