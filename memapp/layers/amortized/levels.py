"""How much is read of each entry: the nearest as they are, those further off by their outlines, so that two hundred
fit where seventeen would (aggregation of a bank by levels, after MAC; Tack et al., 2024).

MAC condenses groups of entries by a trained network, whatever they hold. An entry here is a row of stretches of its
passage, so neighbouring ones can be read as one: the encoder makes nearly the same of a passage when it is asked for
fewer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memapp.types import Vectors

LEVELS = ((3, 1), (20, 3), (100, 12))
"""Up to which place how many soft tokens are read as one."""
FURTHEST = 48
"""The same beyond those."""


def by_levels(entries: Sequence[Vectors]) -> list[Vectors]:
    """What is read of entries that come nearest first, each of shape (n, width)."""
    return [_outline(entry, _run(place)) for place, entry in enumerate(entries)]


def _run(place: int) -> int:
    return next((run for end, run in LEVELS if place < end), FURTHEST)


def _outline(soft: Vectors, run: int) -> Vectors:
    """Each run of soft tokens as their mean, of the length that they have."""
    if run == 1 or not len(soft):
        return soft
    starts = np.arange(0, len(soft), run)
    sums = np.add.reduceat(np.asarray(soft, np.float32), starts)
    length = np.sqrt(np.mean(np.square(soft), dtype=np.float32))
    return np.asarray(sums * (length / np.sqrt(np.mean(np.square(sums), axis=1, keepdims=True))), np.float32)
