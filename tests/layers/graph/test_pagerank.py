"""Both algorithms find what networkx finds."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networkx.algorithms.link_analysis import pagerank_alg

from memapp.errors import UsageError
from memapp.layers.graph import pagerank as module
from memapp.layers.graph.adjacency import Adjacency
from memapp.layers.graph.pagerank import forward_push, pagerank, power_iteration

dampings = st.sampled_from([0.0, 0.3, 0.5, 0.85])


@st.composite
def graphs(draw: st.DrawFn) -> Adjacency:
    """A graph of up to 15 nodes, some mostly without edges; a part of it contributed after it was compacted."""
    graph = Adjacency(draw(st.integers(1, 15)))
    node = st.integers(0, graph.nodes - 1)
    for _ in range(2):
        edges = draw(st.lists(st.tuples(node, node, st.integers(1, 50)), max_size=25))
        graph.add(*(list(column) for column in zip(*edges, strict=True)) if edges else ([], [], []))
        if draw(st.booleans()):
            graph.compact()
    return graph


seeding = st.lists(st.tuples(st.integers(-3, 18), st.sampled_from([0.0, 0.1, 1.0, 3.0])), max_size=6)


def personalization(graph: Adjacency, seeds: list[tuple[int, float]]) -> dict[int, float]:
    shares: dict[int, float] = {}
    for node, weight in seeds:
        if 0 <= node < graph.nodes and weight:
            shares[node] = shares.get(node, 0) + weight
    return shares


def oracle(graph: Adjacency, shares: dict[int, float], damping: float) -> np.ndarray[Any, Any]:
    """networkx's values; it stops when the error is below nodes x tol, and `nx.pagerank` itself needs SciPy."""
    peer = nx.Graph()
    peer.add_nodes_from(range(graph.nodes))
    which, others, weights = graph.neighbours(np.arange(graph.nodes))
    peer.add_weighted_edges_from(zip(which.tolist(), others.tolist(), weights.tolist(), strict=True))
    found = pagerank_alg._pagerank_python(peer, damping, shares, max_iter=1000, tol=1e-12 / graph.nodes)
    return np.array([found[node] for node in range(graph.nodes)])


def dense(graph: Adjacency, found: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    nodes, values = found
    assert len(set(nodes.tolist())) == len(nodes)
    result = np.zeros(graph.nodes)
    result[nodes] = values
    return result


@given(graphs(), seeding, dampings)
def test_forward_push_agrees_with_networkx(graph: Adjacency, seeds: list[tuple[int, float]], damping: float) -> None:
    nodes, weights = [node for node, _ in seeds], [weight for _, weight in seeds]
    shares = personalization(graph, seeds)
    exactly = forward_push(graph, nodes, weights, damping, epsilon=1e-13)
    roughly = forward_push(graph, nodes, weights, damping, epsilon=0.01)
    if not shares:
        assert len(exactly[0]) == len(exactly[1]) == len(roughly[0]) == 0
        return
    expected = oracle(graph, shares, damping)
    np.testing.assert_allclose(dense(graph, exactly), expected, atol=1e-9)
    assert roughly[1].sum() <= 1 + 1e-12
    assert np.abs(dense(graph, roughly) - expected).sum() <= 2 * 0.01 * graph.nodes


@given(graphs(), st.lists(seeding, min_size=1, max_size=3), dampings)
def test_power_iteration_agrees_with_networkx(
    graph: Adjacency, questions: list[list[tuple[int, float]]], damping: float
) -> None:
    restart = np.zeros((graph.nodes, len(questions)))
    for column, seeds in enumerate(questions):
        for node, share in personalization(graph, seeds).items():
            restart[node, column] = share
    together = power_iteration(graph, restart, damping, 1e-12)
    for column, seeds in enumerate(questions):
        shares = personalization(graph, seeds)
        expected = oracle(graph, shares, damping) if shares else np.zeros(graph.nodes)
        np.testing.assert_allclose(together[:, column], expected, atol=1e-9)
        alone = power_iteration(graph, restart[:, column].astype(np.float32), damping, 1e-6)
        assert alone.dtype == np.float32
        np.testing.assert_allclose(alone, expected, atol=2e-5)


def test_a_graph_of_one_node() -> None:
    graph = Adjacency(1)
    nodes, values = pagerank(graph, [0, 0], [2, 3])
    assert (nodes.tolist(), values.tolist()) == ([0], [1.0])
    assert power_iteration(graph, np.ones(1)).tolist() == [1.0]


def test_an_empty_graph_has_no_answer() -> None:
    nodes, values = pagerank(Adjacency(), [0], [1])
    assert len(nodes) == len(values) == 0
    assert power_iteration(Adjacency(), np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_seed_without_a_usable_weight_is_ignored(weight: float) -> None:
    graph = Adjacency(3)
    graph.add([0, 1], [1, 2], [1, 1])
    nodes, values = pagerank(graph, [0, 2], [1.0, weight])
    expected = dense(graph, pagerank(graph, [0], [1.0]))
    assert dense(graph, (nodes, values)).tolist() == expected.tolist()


def path(length: int) -> Adjacency:
    graph = Adjacency(length)
    graph.add(np.arange(length - 1), np.arange(1, length), np.ones(length - 1))
    return graph


def test_many_seeds_are_answered_by_power_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = path(3000)
    seeds = np.arange(0, 3000, 2)
    pushed = dense(graph, forward_push(graph, seeds, np.ones(1500), epsilon=1e-9))
    monkeypatch.setattr(module, "forward_push", None)
    np.testing.assert_allclose(dense(graph, pagerank(graph, seeds, np.ones(1500))), pushed, atol=1e-6)


def test_a_question_leaves_nothing_behind_for_the_next() -> None:
    large, small = path(200), path(20)
    before = dense(large, forward_push(large, [100], [1]))
    forward_push(small, [3, 19], [1, 2])
    assert dense(large, forward_push(large, [100], [1])).tolist() == before.tolist()
    large.grow(500)
    large.add([100], [499], [1])
    assert dense(large, forward_push(large, [100], [1]))[499] > 0


def test_an_interrupted_question_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = path(50)
    before = dense(graph, forward_push(graph, [25], [1]))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Adjacency, "rows", interrupted)
        with pytest.raises(KeyboardInterrupt):
            forward_push(graph, [10], [1])
    assert dense(graph, forward_push(graph, [25], [1])).tolist() == before.tolist()


def test_only_what_is_near_is_visited() -> None:
    nodes, _ = forward_push(path(10_000), [5000], [1], epsilon=1e-4)
    assert len(nodes) < 60


@pytest.mark.parametrize("damping", [-0.1, 1.0, float("nan")])
def test_an_impossible_damping_is_refused(damping: float) -> None:
    with pytest.raises(UsageError, match="damping"):
        forward_push(path(3), [0], [1], damping)
    with pytest.raises(UsageError, match="damping"):
        power_iteration(path(3), np.ones(3), damping)


@pytest.mark.parametrize("shape", [(2,), (4, 1), (3, 1, 1)])
def test_a_personalization_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="one row for each node"):
        power_iteration(path(3), np.ones(shape))
