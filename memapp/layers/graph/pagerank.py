"""Personalized PageRank over an Adjacency, exactly or near the seeds only.

A walk starts at a seed, follows an edge with probability `damping`, chosen by its weight, and else begins again. On an
undirected graph only a node without edges is a dead end, and a walk gets there only by starting there; so sending it
back to the seeds is the same as giving all other nodes a constant factor, which both algorithms apply beforehand.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memapp.errors import UsageError
from memapp.layers.graph.adjacency import Adjacency

DAMPING = 0.5
"""HippoRAG 2's: a walk is two nodes long on average, which is what a question of two steps needs."""
EPSILON = 2e-5
"""`memapp bench pagerank` shows what other values cost and find."""
TOLERANCE = 1e-6
DENSE_FROM = 0.2
"""The share of all nodes from which on, when they are seeds, all values are computed. Forward push takes as long as
power iteration at a tenth of 20,000 nodes, and less than half as long at a half of 200,000."""

Values = NDArray[np.float64]
Found = tuple[NDArray[np.int64], Values]
_BLOCK = 1 << 15
"""Edges that are walked at a time in power iteration."""
_MOST_STEPS = 10_000


def pagerank(
    adjacency: Adjacency, seeds: ArrayLike, weights: ArrayLike, damping: float = DAMPING, epsilon: float = EPSILON
) -> Found:
    """Nodes and their Personalized PageRank, by whichever algorithm is faster for so many seeds.

    Seeds outside the graph and those without a positive weight are ignored; with none left both arrays are empty.
    Nodes are in no order, and those that no walk reaches are left out. Raises UsageError for a damping outside [0, 1).
    """
    nodes, shares = _restart(adjacency, seeds, weights)
    if len(nodes) < max(1000, DENSE_FROM * adjacency.nodes):
        return forward_push(adjacency, nodes, shares, damping, epsilon)
    personalization = np.zeros(adjacency.nodes, np.float32)
    personalization[nodes] = shares
    values = power_iteration(adjacency, personalization, damping, TOLERANCE)
    found = np.flatnonzero(values > 0)
    return found, values[found].astype(np.float64)


def forward_push(
    adjacency: Adjacency, seeds: ArrayLike, weights: ArrayLike, damping: float = DAMPING, epsilon: float = EPSILON
) -> Found:
    """Nodes near the seeds and their approximate Personalized PageRank, whose sum is at most 1.

    Andersen, Chung and Lang, Local Graph Partitioning using PageRank Vectors, 2006, all nodes of a frontier at once.
    Mass is pushed on until no node's residual exceeds `epsilon` x its degree / the mean degree of nodes with edges, so
    work depends on epsilon and not on the size of the graph. What is left is counted where it would go: a share of
    1 - damping stays, and the rest is taken to be spread by degree, as where a walk forgets its
    start. Seeds as in `pagerank`.
    """
    _check(damping)
    nodes, shares = _restart(adjacency, seeds, weights)
    if len(nodes) == 0:
        return nodes, shares
    with _Scratch.of_thread(adjacency.nodes) as scratch:
        return _push(adjacency, nodes, shares, damping, epsilon, scratch)


class _Scratch:
    """Arrays as long as the graph, one set a thread, that are all zeros between two questions."""

    _kept = threading.local()

    def __init__(self, nodes: int) -> None:
        self.estimate = np.zeros(nodes)
        self.residual = np.zeros(nodes)
        self._seen = np.zeros(nodes, np.int32)

    @classmethod
    def of_thread(cls, nodes: int) -> _Scratch:
        kept: _Scratch | None = getattr(cls._kept, "scratch", None)
        return kept if kept is not None and len(kept.residual) >= nodes else cls(nodes + nodes // 8)

    def __enter__(self) -> _Scratch:
        # Whoever is interrupted leaves the arrays as they are, so they are kept only after they were cleared.
        self._kept.scratch = None
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None:
            self._kept.scratch = self

    def distinct(self, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Each node once, without sorting: of equal ones that stays which wrote its index last."""
        indices = np.arange(len(nodes), dtype=np.int32)
        self._seen[nodes] = indices
        last: NDArray[np.bool_] = self._seen.take(nodes) == indices
        return nodes[last]


def _push(
    adjacency: Adjacency, seeds: NDArray[np.int64], shares: Values, damping: float, epsilon: float, scratch: _Scratch
) -> Found:
    degree, residual, estimate = adjacency.degree, scratch.residual, scratch.estimate
    total = max(adjacency.weight, 1)
    bound = epsilon * adjacency.connected / total
    residual[seeds] = shares * _return(adjacency, seeds, shares, damping)
    frontier, touched = seeds[residual[seeds] > bound * degree[seeds]], [seeds]
    while len(frontier):
        mass = residual[frontier]
        residual[frontier] = 0
        estimate[frontier] += (1 - damping) * mass
        lengths, columns, weights = adjacency.rows(frontier)
        reached = columns.astype(np.int64)
        flow = np.repeat(damping * mass / np.maximum(degree[frontier], 1), lengths)
        flow *= weights
        np.add.at(residual, reached, flow)
        touched.append(reached)
        frontier = scratch.distinct(reached[residual.take(reached) > bound * degree.take(reached)])
    nodes = scratch.distinct(np.concatenate(touched))
    rest = residual[nodes]
    values = estimate[nodes] + (1 - damping) * rest + (damping * rest.sum() / total) * degree[nodes]
    residual[nodes] = estimate[nodes] = 0
    return nodes, values


def power_iteration(
    adjacency: Adjacency, personalization: NDArray[np.floating], damping: float = DAMPING, tolerance: float = TOLERANCE
) -> NDArray[np.floating]:
    """The Personalized PageRank of all nodes, for one restart distribution or several.

    `personalization` has shape (nodes,) or (nodes, questions), need not sum to 1, and its precision, float32 or
    float64, is that of the result, which has its shape. The sum of a question's absolute errors is below `tolerance`,
    as far as the precision goes. A question without positive weights gets zeros. Steps are taken at Chebyshev's
    distances (Golub and Varga, Chebyshev Semi-iterative Methods, 1961), which halves their number. Raises UsageError
    for a wrong shape and for a damping outside [0, 1).
    """
    restart = restarts(adjacency, personalization, damping)
    if restart.size == 0:
        return restart.reshape(personalization.shape)
    kind = np.float32 if restart.dtype == np.float32 else np.float64
    enough = precision(restart, damping, tolerance)
    walk = _Walk(adjacency, kind)
    values, before = restart, restart
    for pace in paces(damping):
        following = walk(values)
        following *= damping
        following += restart
        if float(np.abs(following - values).sum(1).max()) <= enough:
            break
        values, before = before + kind(pace) * (following - before), values
    return following.T.reshape(personalization.shape)


def restarts(adjacency: Adjacency, personalization: NDArray[np.floating], damping: float) -> NDArray[np.floating]:
    """What each node gets in every step besides what walks to it, shape (questions, nodes). Raises UsageError."""
    _check(damping)
    if personalization.ndim not in (1, 2) or len(personalization) != adjacency.nodes:
        raise UsageError("The personalization does not fit the graph.", "Give one row for each node.")
    kind = np.float32 if personalization.dtype == np.float32 else np.float64
    restart: NDArray[np.floating] = np.array(np.maximum(personalization, 0).T, kind, order="C", ndmin=2)
    restart /= np.maximum(restart.sum(1, keepdims=True), np.finfo(kind).tiny)
    alone = restart[:, adjacency.degree <= 0].sum(1, keepdims=True)
    restart *= (1 - damping) / (1 - damping * alone)
    return restart


def precision(restart: NDArray[np.floating], damping: float, tolerance: float) -> float:
    """The change in one step, summed over the nodes, from which on the error is below `tolerance` or all rounding."""
    return max(tolerance * (1 - damping), 8 * float(np.finfo(restart.dtype).eps))


def paces(damping: float) -> Iterator[float]:
    """Chebyshev's factors for a matrix whose eigenvalues lie between -damping and damping; 1 is a plain step."""
    pace = 1.0
    for step in range(_MOST_STEPS):
        if step:
            pace = 1 / (1 - damping**2 * pace / (4 if step > 1 else 2))
        yield pace


class _Walk:
    """One step of all walks: values of shape (questions, nodes) times the matrix whose columns sum to 1."""

    def __init__(self, adjacency: Adjacency, kind: type[np.float32] | type[np.float64]) -> None:
        arrays = adjacency.arrays()
        self._indices, self._weights, indptr = arrays["indices"], arrays["weights"], arrays["indptr"]
        self._rows = np.flatnonzero(np.diff(indptr))
        self._starts = np.append(indptr[self._rows], len(self._indices))
        degree = adjacency.degree
        self._kind = kind
        inverse = np.divide(1, degree, out=np.zeros(len(degree)), where=degree > 0)
        self._inverse: NDArray[np.floating] = inverse.astype(kind)

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        result = np.zeros_like(values)
        each = values * self._inverse
        flow = np.empty(0, self._kind)
        for first, last in self._blocks():
            begin, end = int(self._starts[first]), int(self._starts[last])
            columns = self._indices[begin:end].astype(np.intp)
            weights = self._weights[begin:end].astype(self._kind)
            rows, starts = self._rows[first:last], self._starts[first:last] - begin
            flow = flow if len(flow) == end - begin else np.empty(end - begin, self._kind)
            for question in range(len(values)):
                each[question].take(columns, out=flow, mode="clip")
                np.multiply(flow, weights, out=flow)
                result[question, rows] = np.add.reduceat(flow, starts)
        return result

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Stretches of the rows that have edges, of so many edges that their arrays stay in the processor's cache."""
        first = 0
        while first < len(self._rows):
            limit = int(self._starts[first]) + _BLOCK
            last = max(first + 1, int(np.searchsorted(self._starts, limit, "right")) - 1)
            yield first, last
            first = last


def _restart(adjacency: Adjacency, seeds: ArrayLike, weights: ArrayLike) -> Found:
    """The seeds that are in the graph, each once, and their shares, which sum to 1."""
    nodes, given = np.asarray(seeds, np.int64), np.asarray(weights, np.float64)
    usable = (nodes >= 0) & (nodes < adjacency.nodes) & (given > 0) & np.isfinite(given)
    nodes, index = np.unique(nodes[usable], return_inverse=True)
    shares = np.bincount(index, given[usable], minlength=len(nodes))
    return nodes, shares / max(math.fsum(shares), np.finfo(np.float64).tiny)


def _return(adjacency: Adjacency, seeds: NDArray[np.int64], shares: Values, damping: float) -> float:
    """What all restarts are multiplied by because walks at nodes without edges return to the seeds."""
    alone = float(shares[adjacency.degree[seeds] <= 0].sum())
    return 1 / (1 - damping * alone)


def _check(damping: float) -> None:
    if not 0 <= damping < 1:
        raise UsageError(f"A damping of {damping} is not possible.", "It is at least 0 and less than 1.")
