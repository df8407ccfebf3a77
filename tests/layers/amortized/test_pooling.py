import numpy as np
import pytest

from memapp.layers.amortized.pooling import Pooling, stretches

WIDTH = 6


def pooling(seed: int = 0, salient: float = 1.0) -> Pooling:
    chance = np.random.default_rng(seed)
    salience = (salient * chance.normal(size=WIDTH)).astype(np.float32)
    return Pooling(salience, chance.normal(size=(WIDTH, WIDTH)).astype(np.float32), size=0.1, unit=0.12)


def by_hand(p: Pooling, embeddings: np.ndarray, states: np.ndarray, count: int) -> np.ndarray:
    rows = []
    tokens = len(embeddings)
    for n in range(count):
        inside = range(n * tokens // count, (n + 1) * tokens // count)
        normal = [states[i] / np.sqrt(np.mean(states[i] ** 2)) for i in inside]
        weights = np.exp([state @ p.salience for state in normal])
        values = [embeddings[i] + p.unit * (p.change @ state) for i, state in zip(inside, normal, strict=True)]
        pooled = sum(w * v for w, v in zip(weights / weights.sum(), values, strict=True))
        rows.append(p.size * pooled / np.sqrt(np.mean(pooled**2)))
    return np.array(rows)


@pytest.mark.parametrize(("tokens", "count"), [(20, 6), (7, 7), (13, 1)])
def test_weighs_each_stretch(tokens: int, count: int) -> None:
    chance = np.random.default_rng(1)
    embeddings, states = chance.normal(size=(2, tokens, WIDTH)).astype(np.float32)
    found = pooling()(embeddings, states, count)
    np.testing.assert_allclose(found, by_hand(pooling(), embeddings, states, count), rtol=1e-4, atol=1e-6)


def test_a_short_passage_gets_a_soft_token_for_each_of_its_tokens() -> None:
    embeddings, states = np.random.default_rng(2).normal(size=(2, 3, WIDTH)).astype(np.float32)
    assert pooling()(embeddings, states, 48).shape == (3, WIDTH)


def test_soft_tokens_have_the_length_that_was_learned() -> None:
    embeddings, states = np.random.default_rng(3).normal(size=(2, 30, WIDTH)).astype(np.float32)
    found = pooling(salient=50)(embeddings, states, 8)
    np.testing.assert_allclose(np.sqrt(np.mean(found**2, axis=1)), 0.1, rtol=1e-4)


def test_a_passage_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="without tokens"):
        pooling()(np.empty((0, WIDTH)), np.empty((0, WIDTH)), 4)


def test_stretches_cover_all_tokens_once() -> None:
    for tokens in range(1, 60):
        starts = stretches(tokens, min(16, tokens))
        assert starts[0] == 0
        assert np.all(np.diff([*starts, tokens]) >= 1)
