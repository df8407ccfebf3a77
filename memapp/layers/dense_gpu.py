"""A copy of a dense index on a GPU, for searching only; the index on the CPU stays the one that is changed.

Nothing is filtered on the GPU, because faiss-gpu ignores id filters without a word: an index holds one namespace,
and a copy that is older than a change is thrown away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.types import Vectors

MOST = 2048
"""The largest k that FAISS searches for on a GPU."""
_TEMPORARY_BYTES = 256 * 1024**2


class GpuCopy:
    """Searched by one thread at a time, like all of FAISS on a GPU."""

    def __init__(self, index: Any, kind: str) -> None:
        """Copies an `exact` index, in half precision as it is, or an `ivf` index."""
        import faiss

        self._resources = faiss.StandardGpuResources()
        self._resources.setTempMemory(_TEMPORARY_BYTES)
        self._ids: NDArray[np.int64] | None = None
        if kind == "ivf":
            self._index: Any = faiss.index_cpu_to_gpu(self._resources, 0, index)
            return
        flat = faiss.downcast_index(index.index)
        config = faiss.GpuIndexFlatConfig()
        config.useFloat16 = True
        self._ids = faiss.vector_to_array(index.id_map)
        self._index = faiss.GpuIndexFlatIP(self._resources, flat.d, config)
        self._index.add(flat.reconstruct_n(0, flat.ntotal))

    def search(self, vector: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Inner products and ids, each of shape (1, k), best first; id -1 where there are fewer."""
        values, rows = self._index.search(vector, k)
        if self._ids is None:
            return values, rows
        return values, np.where(rows >= 0, self._ids[rows], -1)
