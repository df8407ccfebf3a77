"""torch finds what NumPy finds."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from memapp import device
from memapp.errors import UsageError
from memapp.layers.graph import pagerank, pagerank_gpu
from memapp.layers.graph.adjacency import Adjacency

needs_gpu = pytest.mark.skipif(device.torch_device().value != "cuda", reason=device.torch_device().reason)
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
PLACES = [pytest.param("cpu", marks=needs_torch), pytest.param("cuda", marks=[pytest.mark.gpu, needs_gpu])]


def graph_and_questions() -> tuple[Adjacency, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """500 nodes of which the last ten have no edges, and five questions, one of them without seeds."""
    random = np.random.default_rng(7)
    graph = Adjacency(500)
    graph.add(*random.integers(490, size=(2, 3000)), random.integers(1, 100, 3000))
    questions = random.random((500, 5)) * (random.random((500, 5)) < 0.05)
    questions[495, 0], questions[:, 4] = 1.0, 0.0
    return graph, questions


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("kind", "nearly"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_torch_finds_the_same(place: str, kind: type[np.floating], nearly: float) -> None:
    graph, questions = graph_and_questions()
    expected = pagerank.power_iteration(graph, questions, 0.7, 1e-13)
    together = pagerank_gpu.power_iteration(graph, questions.astype(kind), 0.7, nearly, place)
    assert together.dtype == kind
    np.testing.assert_allclose(together, expected, atol=nearly)
    alone = pagerank_gpu.power_iteration(graph, questions[:, 1].astype(kind), 0.7, nearly, place)
    np.testing.assert_allclose(alone, expected[:, 1], atol=nearly)


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_without_torch_there_is_a_reason() -> None:
    graph, questions = graph_and_questions()
    with pytest.raises(UsageError, match="torch is not installed"):
        pagerank_gpu.power_iteration(graph, questions)
    assert pagerank_gpu.power_iteration(Adjacency(), questions[:0]).shape == (0, 5)


def test_torch_is_wanted_only_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "gpu", lambda: None)
    assert device.torch_device() == device.Choice("cpu", "no GPU was found")
    monkeypatch.setattr(device, "gpu", lambda: device.Gpu("a board", 1, None))
    monkeypatch.setattr(device, "find_spec", lambda _: None)
    assert device.torch_device().value == "cpu"
    monkeypatch.setattr(device, "find_spec", lambda _: object())
    assert device.torch_device().value == "cuda"
