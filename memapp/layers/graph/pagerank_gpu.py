"""Power iteration for many questions at once with torch on a GPU, or on a CPU to compare.

torch is imported by the first call. The matrix is copied in each call, so it pays for a batch of questions.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.errors import UsageError
from memapp.layers.graph.adjacency import Adjacency
from memapp.layers.graph.pagerank import DAMPING, TOLERANCE, paces, precision, restarts


def power_iteration(
    adjacency: Adjacency,
    personalization: NDArray[np.floating],
    damping: float = DAMPING,
    tolerance: float = TOLERANCE,
    on: str = "cuda",
) -> NDArray[np.floating]:
    """The same as `pagerank.power_iteration`, computed by torch on `on`: cuda or cpu.

    Raises UsageError like it, and where torch is not installed or does not find the GPU.
    """
    restart = restarts(adjacency, personalization, damping)
    if restart.size == 0:
        return restart.reshape(personalization.shape)
    torch = _torch(on)
    enough = precision(restart, damping, tolerance)
    matrix = _matrix(torch, adjacency, restart.dtype, damping, on)
    given = torch.from_numpy(np.ascontiguousarray(restart.T)).to(on)
    values, before = given, given
    for pace in paces(damping):
        following = matrix @ values
        following += given
        if float((following - values).abs().sum(0).max()) <= enough:
            break
        values, before = before + pace * (following - before), values
    result: NDArray[np.floating] = following.cpu().numpy().reshape(personalization.shape)
    return result


def _torch(on: str) -> Any:
    if find_spec("torch") is None:
        raise UsageError("torch is not installed.", "Install it, or use pagerank.power_iteration.")
    import torch

    if on == "cuda" and not torch.cuda.is_available():
        raise UsageError("torch finds no GPU.", "Use pagerank.power_iteration.")
    return torch


def _matrix(torch: Any, adjacency: Adjacency, kind: np.dtype[Any], damping: float, on: str) -> Any:
    """The walk's matrix times damping, in torch's CSR: each edge's weight by the degree of the node it comes from."""
    arrays = adjacency.arrays()
    inverse = damping / np.maximum(adjacency.degree, 1)
    parts = (
        torch.from_numpy(arrays["indptr"]).to(on),
        torch.from_numpy(arrays["indices"].astype(np.int64)).to(on),
        torch.from_numpy((arrays["weights"] * inverse[arrays["indices"]]).astype(kind)).to(on),
    )
    with warnings.catch_warnings():
        # torch says once that its CSR may still change.
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(*parts, size=(adjacency.nodes, adjacency.nodes))
