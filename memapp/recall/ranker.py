"""One learned ranker over all layers: gradient-boosted trees, made by `python -m memapp.train.ranker`.

Its score is the probability that a passage helps with the answer (Friedman, Greedy Function Approximation: A Gradient
Boosting Machine, 2001). It holds for the layers and the embedder that it was trained with, and is used for no others.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.errors import ModelDamaged
from memapp.models import weights
from memapp.models.minilm import WEIGHTS_SHA256
from memapp.protocols import EmbedderIdentity
from memapp.recall.features import NAMES
from memapp.settings import shipped

WEIGHTS = "weights/ranker.safetensors"
_ABOUT, _FUSED = NAMES.index("about_named"), NAMES.index("fused_share")
_ANCHOR = 20.0
"""Measured on sets that the ranker never saw: half of it is too little for technical abstracts and conversations."""
LAYERS = frozenset(("lexical", "dense", "graph"))


@dataclass(frozen=True, slots=True)
class Trees:
    """Binary trees. All arrays have shape (trees, nodes); node 0 is the root, and a leaf points to itself."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    """Go left when the feature is at most this."""
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]
    """What a leaf adds to the log-odds."""
    depth: int

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum of all trees for each row, shape (rows,)."""
        trees, nodes = self.feature.shape
        root = np.arange(trees, dtype=np.int32) * nodes
        feature, threshold, value = self.feature.ravel(), self.threshold.ravel(), self.value.ravel()
        # Both ways of a node side by side, counted through all trees.
        ways = np.stack((self.right, self.left), axis=-1) + root[:, None, None]
        ways = ways.ravel().astype(np.int32)
        flat = np.ascontiguousarray(features).ravel()
        row = (np.arange(len(features), dtype=np.int32) * features.shape[1])[:, None]
        node = np.broadcast_to(root, (len(features), trees))
        for _ in range(self.depth):
            left = flat.take(row + feature.take(node)) <= threshold.take(node)
            node = ways.take(2 * node + left)
        return np.asarray(value.take(node).sum(1, dtype=np.float64))


def fits(layers: Collection[str], embedder: EmbedderIdentity) -> bool:
    """Whether the ranker was made for these layers and this embedder."""
    return set(layers) == LAYERS and embedder.sha256 == WEIGHTS_SHA256


def rank(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probability of each candidate, shape (rows,); `features` has the columns NAMES."""
    return np.asarray(1 / (1 + np.exp(-anchored(load()[0].log_odds(features), features))), np.float64)


def anchored(log_odds: NDArray[np.float64], features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-odds held to the fusion of words and vectors where no candidate is about anything that the question names.

    There the graph has nothing to begin with, and what the trees learned of questions about named things misleads.
    """
    if not len(features) or features[:, _ABOUT].max() > 0:
        return log_odds
    return log_odds + _ANCHOR * (features[:, _FUSED].astype(np.float64) - 1)


@functools.lru_cache(maxsize=1)
def load(path: Path | None = None) -> tuple[Trees, Mapping[str, Any]]:
    """The trees and their manifest. Raises ModelMissing, or ModelDamaged when they are not what was made."""
    path = path or shipped(WEIGHTS)
    read = weights.read(path, "memapp.train.ranker")
    found, manifest = read.tensors, read.manifest
    if tuple(manifest["features"]) != NAMES:
        raise ModelDamaged(f"{path} was made for other features.", "Train it anew: python -m memapp.train.ranker.")
    depth = int(manifest["depth"])
    return Trees(
        **{name: found[name] for name in ("feature", "threshold", "left", "right", "value")}, depth=depth
    ), manifest
