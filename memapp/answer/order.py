"""In which order passages are read: a model does not read all places of its prompt alike.

The published rule is that of Jin et al., Long-Context LLMs Meet RAG (ICLR 2025): the best passage first, the second
best last, the worst in the middle. Which places a model reads well can be measured instead, see `memapp.profile`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memapp.errors import UsageError
from memapp.types import Hit

SCORE, REVERSE, ENDS, PROFILE = ORDERS = ("score", "reverse", "ends", "profile")
"""Best first, best last, the published rule, and the best where the model reads best."""
MANY = 8
"""Passages from which the published rule is worth its while, where no profile tells better."""


def arranged(hits: Sequence[Hit], order: str, curve: Sequence[float] = ()) -> tuple[Hit, ...]:
    """Hits, best first, as they are to be read. Raises UsageError for an unknown order."""
    return tuple(hits[rank] for rank in ranks(len(hits), order, curve))


def ranks(count: int, order: str, curve: Sequence[float] = ()) -> list[int]:
    """For each place, from the first to the last, the rank from 0 of the passage that is read there.

    `curve` says how well a model reads each of some places, larger is better; another number of places is read alike.
    """
    if order == REVERSE:
        return list(range(count))[::-1]
    if order == ENDS or (order == PROFILE and not curve and count >= MANY):
        return [*range(0, count, 2), *[rank for rank in range(count) if rank % 2][::-1]]
    if order == PROFILE and curve and count > 1:
        known = np.linspace(0, 1, len(curve))
        values = np.interp(np.linspace(0, 1, count), known, curve)
        found = [0] * count
        for rank, place in enumerate(np.argsort(-values, kind="stable").tolist()):
            found[place] = rank
        return found
    if order not in ORDERS:
        raise UsageError(f"There is no order '{order}'.", f"Known: {', '.join(ORDERS)}.")
    return list(range(count))
