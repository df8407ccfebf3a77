"""A second look with what the first one found: the query's vector, moved towards the nearest passage.

Rocchio, Relevance Feedback in Information Retrieval (1971), without anybody's judgement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from memapp.types import Vectors

WEIGHT = 0.2


def second_look(query: Vectors, nearest: Vectors, weight: float = WEIGHT) -> Vectors:
    """The vector to search with again: unit length, shape (dimension,), float32, like both given."""
    moved: Vectors = query + np.float32(weight) * nearest
    moved /= np.linalg.norm(moved)
    return moved
