"""A graph that grows and shrinks is the graph that one would make at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.errors import StoreForeign, UsageError
from memapp.layers.graph.adjacency import Adjacency

NODES = 12
node = st.integers(0, NODES - 1)
batches = st.lists(st.tuples(node, node, st.integers(1, 1000)), max_size=30)
steps = st.lists(
    st.tuples(st.sampled_from(["add", "add", "forget", "read", "compact", "reload"]), batches), max_size=12
)

Edge = tuple[int, int, int]


def columns(batch: list[Edge]) -> tuple[list[int], list[int], list[int]]:
    return [one for one, _, _ in batch], [other for _, other, _ in batch], [weight for _, _, weight in batch]


def entries(graph: Adjacency) -> dict[tuple[int, int], int]:
    which, others, weights = graph.neighbours(np.arange(graph.nodes))
    found = list(zip(which.tolist(), others.tolist(), strict=True))
    assert found == sorted(set(found))
    return dict(zip(found, weights.tolist(), strict=True))


def expected(sums: Counter[tuple[int, int]]) -> dict[tuple[int, int], int]:
    return {edge: weight for edge, weight in sums.items() if weight}


def reloaded(graph: Adjacency) -> Adjacency:
    arrays = {name: array.copy() for name, array in graph.arrays().items()}
    for array in arrays.values():
        array.flags.writeable = False
    return Adjacency.from_arrays(arrays)


def change(graph: Adjacency, sums: Counter[tuple[int, int]], batch: list[Edge], sign: int) -> None:
    (graph.add if sign > 0 else graph.subtract)(*columns(batch))
    for one, other, weight in batch:
        if one != other:
            sums[one, other] += sign * weight
            sums[other, one] += sign * weight


@given(steps)
def test_any_sequence_leaves_the_matrix_of_its_sums(sequence: list[tuple[str, list[Edge]]]) -> None:
    graph, sums, held = Adjacency(NODES), Counter[tuple[int, int]](), list[list[Edge]]()
    for step, batch in sequence:
        if step == "add":
            change(graph, sums, batch, 1)
            held.append(batch)
        elif step == "forget" and held:
            change(graph, sums, held.pop(len(batch) % len(held)), -1)
        elif step == "read":
            assert entries(graph) == expected(sums)
        elif step == "compact":
            graph.compact()
        elif step == "reload":
            graph = reloaded(graph)
    assert graph.edges == len(expected(sums)) // 2
    assert entries(graph) == expected(sums)
    degrees = np.zeros(NODES, np.int64)
    for (one, _), weight in sums.items():
        degrees[one] += weight
    assert graph.degree.tolist() == degrees.tolist()
    assert graph.weight == degrees.sum()
    at_once = Adjacency(NODES)
    at_once.add(*columns([edge for batch in held for edge in batch]))
    for name, array in graph.arrays().items():
        assert array.tolist() == at_once.arrays()[name].tolist()
    for batch in held:
        graph.subtract(*columns(batch))
    assert graph.edges == 0
    assert not graph.degree.any()


@given(batches, st.lists(node, max_size=20))
def test_neighbours_come_in_the_order_they_were_asked_for(batch: list[Edge], asked: list[int]) -> None:
    graph = Adjacency(NODES)
    graph.add(*columns(batch))
    all_entries = entries(graph)
    which, others, weights = graph.neighbours(np.array(asked, np.int32))
    wanted = [
        (index, other, weight)
        for index, one in enumerate(asked)
        for (owner, other), weight in sorted(all_entries.items())
        if owner == one
    ]
    assert list(zip(which.tolist(), others.tolist(), weights.tolist(), strict=True)) == wanted


def test_a_weight_that_is_given_early_is_made_up_for() -> None:
    graph = Adjacency(2)
    graph.subtract([0], [1], [5])
    graph.add([1], [0], [5])
    assert graph.edges == 0


def test_saved_arrays_are_mapped_and_never_written(tmp_path: Path) -> None:
    graph = Adjacency(4)
    graph.add([0, 1, 2], [1, 2, 3], [7, 8, 9])
    for name, array in graph.arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    before = (tmp_path / "weights.npy").read_bytes()
    names = ("indptr", "indices", "weights")
    mapped = Adjacency.from_arrays({name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in names})
    assert mapped.edges == 3
    mapped.grow(5)
    mapped.add([0, 0], [4, 1], [1, 1])
    mapped.subtract([1], [2], [8])
    assert entries(mapped) == {
        (0, 1): 8, (1, 0): 8, (2, 3): 9, (3, 2): 9, (0, 4): 1, (4, 0): 1,
    }  # fmt: skip
    assert (tmp_path / "weights.npy").read_bytes() == before


def test_a_node_grows_far_beyond_its_first_room() -> None:
    graph, random = Adjacency(1), np.random.default_rng(3)
    for passage in range(1, 3000):
        graph.grow(passage + 1)
        graph.add([passage, passage], [0, random.integers(passage)], [1, 2])
    assert graph.degree[0] == graph.neighbours([0])[2].sum()
    assert graph.neighbours([0])[1].tolist() == list(range(1, 3000))
    reserved = graph.bytes
    graph.compact()
    assert graph.bytes < reserved
    assert graph.neighbours([0])[1].tolist() == list(range(1, 3000))


def test_an_empty_graph_has_arrays_too() -> None:
    graph = reloaded(Adjacency())
    assert (graph.nodes, graph.edges) == (0, 0)
    graph.grow(3)
    graph.add([], [], [])
    graph.add([1], [1], [4])
    assert graph.arrays()["indptr"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("edge", [(0, 2), (-1, 0)])
def test_a_node_that_is_not_there_is_refused(edge: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="grow"):
        Adjacency(2).add([edge[0]], [edge[1]], [1])


def test_sizes_beyond_32_bits_are_refused() -> None:
    graph = Adjacency(2)
    graph.add([0], [1], [2**31 - 1])
    with pytest.raises(UsageError, match="larger units"):
        graph.add([0, 0], [1, 1], [2**31 - 1, 1])
    assert entries(graph) == {(0, 1): 2**31 - 1, (1, 0): 2**31 - 1}
    with pytest.raises(UsageError, match="namespaces"):
        graph.grow(2**31)


@pytest.mark.parametrize(("indptr", "indices"), [([0, 2], [0]), ([0, 2, 1, 2], [0, 1]), ([], []), ([1, 2], [0, 1])])
def test_arrays_that_do_not_fit_each_other_are_refused(indptr: list[int], indices: list[int]) -> None:
    column = np.array(indices, np.int32)
    with pytest.raises(StoreForeign, match="damaged"):
        Adjacency.from_arrays({"indptr": np.array(indptr, np.int64), "indices": column, "weights": column})
