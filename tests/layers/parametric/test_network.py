"""The network's gradients, and that training finds what there is to find."""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np
import pytest

from memapp import device
from memapp.errors import TrainingFailed
from memapp.layers.parametric import network, training
from memapp.layers.parametric.consolidated import Consolidated, from_bytes
from memapp.layers.parametric.network import Shape
from memapp.layers.parametric.training import Corpus, NumpyTrainer, Recipe
from memapp.layers.parametric.training_gpu import TorchTrainer

SMALL = Recipe(width=16, batch=32, passes=4, rate=1e-2)


def corpus(size: int = 600, dimension: int = 8, words: int = 6, seed: int = 0) -> Corpus:
    """States of which the largest component tells the token, behind a matrix that does not know it."""
    random = np.random.default_rng(seed)
    states = random.standard_normal((size, dimension)).astype(np.float32)
    tokens = states[:, :words].argmax(axis=1).astype(np.int32) * 3
    rows = random.standard_normal((words, dimension)).astype(np.float32) * 0.1
    return Corpus(lambda places: states[places], dimension, tokens, np.unique(tokens).astype(np.int32), rows)


def test_an_untrained_network_is_the_identity() -> None:
    states = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    parameters = network.initial(Shape(8, 16, 3), 4, 0)
    np.testing.assert_array_equal(network.forward(parameters, states).output, states)
    assert network.blocks(parameters) == 3


def test_gradients_are_those_of_finite_differences() -> None:
    random = np.random.default_rng(1)
    parameters = {
        name: value.astype(np.float64) + random.standard_normal(value.shape) * 0.3
        for name, value in network.initial(Shape(5, 7, 2), 3, 0).items()
    }
    states, weights = random.standard_normal((4, 5)), random.standard_normal((4, 5))

    def loss() -> float:
        return float((network.forward(parameters, states).output * weights).sum())

    found = network.backward(parameters, network.forward(parameters, states), weights)
    for name, gradient in found.items():
        for place in [(0, 0), (2, 3), (4, 4)]:
            before, step = parameters[name][place], 1e-6
            parameters[name][place] = before + step
            above = loss()
            parameters[name][place] = before - step
            below = loss()
            parameters[name][place] = before
            assert gradient[place] == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-7), name


def test_training_lowers_the_loss_of_what_is_held_out() -> None:
    learned = training.begin(corpus(3000), SMALL)
    told = list(training.train(corpus(3000), SMALL, learned))
    assert learned.best_loss < 0.5 * math.log(6)
    assert told[-1].held_out < 6 / 2
    assert told[-1].step == told[-1].steps


def test_a_training_that_was_interrupted_ends_as_one_that_was_not() -> None:
    whole = training.begin(corpus(), SMALL)
    for _ in training.train(corpus(), SMALL, whole):
        pass
    broken = training.begin(corpus(), SMALL)
    for _ in training.train(corpus(), SMALL, broken):
        broken = training.unpacked(training.packed(broken, SMALL), SMALL)
        break
    for _ in training.train(corpus(), SMALL, broken):
        pass
    assert broken.step == whole.step
    for name, value in whole.best.items():
        np.testing.assert_allclose(broken.best[name], value, atol=1e-6)


def test_tokens_that_a_large_corpus_has_once_are_left_to_the_neighbours() -> None:
    tokens = np.array([9, 4, 4, 7, 9, 9, 2], np.int32)
    assert training.vocabulary(tokens, Recipe(large=7)).tolist() == [4, 9]
    assert training.vocabulary(tokens, Recipe(large=8)).tolist() == [2, 4, 7, 9]
    assert training.vocabulary(tokens, Recipe(large=7, occurrences=3)).tolist() == [9]
    assert training.vocabulary(tokens, Recipe(large=7, occurrences=4)).tolist() == [2, 4, 7, 9]


def test_where_the_neighbours_say_nothing_the_token_that_came_is_all_there_is_to_learn() -> None:
    said = np.array([[0.5, 0.5], [0.0, 0.0]], np.float32)
    one = Corpus(
        lambda at: np.ones((len(at), 4), np.float32),
        4,
        np.array([3, 5], np.int32),
        np.array([3, 5, 8], np.int32),
        np.ones((3, 4), np.float32),
        (np.array([[1, 2], [0, 0]], np.int32), said),
    )
    labels = training._labels(one, np.array([0, 1]), np.array([0, 1]), Recipe(divergence=0.4))
    np.testing.assert_allclose(labels, [[0.6, 0.2, 0.2], [0, 1, 0]], atol=1e-6)


def test_a_checkpoint_of_another_recipe_is_refused() -> None:
    data = training.packed(training.begin(corpus(), SMALL), SMALL)
    with pytest.raises(ValueError, match="another recipe"):
        training.unpacked(data, Recipe(width=17))
    with pytest.raises(ValueError, match="no checkpoint"):
        training.unpacked(b"nonsense", SMALL)


def test_a_loss_that_is_no_number_stops_and_the_last_good_network_stays() -> None:
    wild = Recipe(width=16, batch=32, passes=40, rate=1e20)
    learned = training.begin(corpus(), wild)
    with pytest.raises(TrainingFailed, match="no number"), np.errstate(all="ignore"):
        for _ in training.train(corpus(), wild, learned):
            pass
    assert all(np.isfinite(value).all() for value in learned.best.values())


def test_a_single_token_repeated_is_learned_at_once() -> None:
    states = np.ones((300, 4), np.float32)
    tokens = np.full(300, 7, np.int32)
    one = Corpus(lambda at: states[at], 4, tokens, np.array([7], np.int32), np.ones((1, 4), np.float32))
    learned = training.begin(one, SMALL)
    assert [told.held_out for told in training.train(one, SMALL, learned)][-1] == pytest.approx(1.0)


def test_a_training_that_gets_no_better_ends_early() -> None:
    random = np.random.default_rng(0)
    states = random.standard_normal((4000, 8)).astype(np.float32)
    chance = Corpus(
        lambda at: states[at],
        8,
        random.integers(0, 6, 4000).astype(np.int32),
        np.arange(6, dtype=np.int32),
        np.zeros((6, 8), np.float32) + random.standard_normal((6, 8)).astype(np.float32) * 0.01,
    )
    patient = Recipe(width=64, batch=32, passes=40, rate=1e-2, checks=40)
    told = list(training.train(chance, patient, training.begin(chance, patient)))
    assert patient.patience <= len(told)
    assert told[-1].step < told[-1].steps


def test_a_network_survives_its_file() -> None:
    learned = training.begin(corpus(), SMALL)
    for _ in training.train(corpus(), SMALL, learned):
        pass
    made = Consolidated(corpus().vocabulary, corpus().rows, learned.best, {"tokens": 600.0})
    again = from_bytes(made.to_bytes(), lambda ids: corpus().rows)
    states = corpus().states(np.arange(10))
    np.testing.assert_allclose(again.logits(states), made.logits(states), atol=0.05)
    assert again.report == {"tokens": 600.0}
    with pytest.raises(ValueError, match="not a network"):
        from_bytes(b"\x00" * 64, lambda ids: corpus().rows)


needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
needs_gpu = pytest.mark.skipif(device.torch_device().value != "cuda", reason=device.torch_device().reason)


@pytest.mark.parametrize(
    ("on", "nearly"),
    [
        pytest.param("cpu", 1e-4, marks=needs_torch),
        pytest.param("cuda", 0.05, marks=[pytest.mark.gpu, needs_gpu]),
    ],
)
def test_torch_learns_the_same(on: str, nearly: float) -> None:
    reference, other = training.begin(corpus(), SMALL), training.begin(corpus(), SMALL)
    for _ in training.train(corpus(), SMALL, reference, NumpyTrainer):
        pass
    for _ in training.train(corpus(), SMALL, other, lambda at, rows: TorchTrainer(at, rows, on)):
        pass
    assert other.best_loss == pytest.approx(reference.best_loss, abs=nearly)
