"""Nearest keys are those of a plain search, whatever the index and whatever was removed."""

from __future__ import annotations

import numpy as np
import pytest

from memapp import device
from memapp.layers.parametric import keys
from memapp.layers.parametric.keys import KeyIndex
from memapp.store.states import Coding, Read

DIMENSION = 16
CODING = Coding("model", "a model", np.linspace(1, 3, DIMENSION, dtype=np.float32))


def passages(count: int, size: int = 50, seed: int = 0) -> list[Read]:
    random = np.random.default_rng(seed)
    spread = CODING.spread
    return [
        Read(
            number,
            number,
            random.integers(0, 100, size).astype(np.int32),
            CODING.encode(random.standard_normal((size, DIMENSION)).astype(np.float32) * spread / 4),
        )
        for number in range(1, count + 1)
    ]


@pytest.fixture
def index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> KeyIndex:
    monkeypatch.setattr(keys, "_TRAIN_PER_LIST", 8)
    return KeyIndex(CODING, request.param)


@pytest.mark.parametrize("index", ["exact", "ivf"], indirect=True)
def test_the_nearest_are_found_and_what_was_removed_is_not(index: KeyIndex) -> None:
    read = passages(40)
    for start in range(0, 40, 7):
        index.add(read[start : start + 7])
    index.remove([3, 17])
    alive = [one for one in read if one.passage not in (3, 17)]
    assert len(index) == sum(len(one.tokens) for one in alive)
    codes = np.concatenate([one.codes for one in alive]).astype(np.float32)
    owners = np.repeat([one.passage for one in alive], 50)
    states = CODING.decode(read[4].codes[:20])
    found = index.search(states, 5)
    distances = ((read[4].codes[:20, None].astype(np.float32) - codes) ** 2).mean(axis=2) / 127**2
    np.testing.assert_allclose(found.distances[:, 0], 0, atol=1e-6)
    assert (found.passages[:, 0] == 5).all()
    assert (found.tokens[:, 0] == read[4].tokens[:20]).all()
    if index.kind == "exact":
        np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :5], atol=1e-5)
        assert set(found.passages.ravel().tolist()) <= set(owners.tolist())
    assert not np.isin(index.search(states, 10_000).passages, [3, 17]).any()


def test_lists_are_used_from_many_keys_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "LISTS_FROM", 600)
    index = KeyIndex(CODING)
    read = passages(40)
    index.add(read[:10])
    assert index.kind == "exact"
    index.remove([2])
    for one in read[10:]:
        index.add([one])
    assert index.kind == "ivf"
    assert len(index) == 39 * 50
    found = index.search(CODING.decode(np.concatenate([one.codes for one in read])), 1)
    assert (found.distances[:, 0] < 1e-6).mean() > 0.97


def test_an_empty_index_says_nothing() -> None:
    found = KeyIndex(CODING).search(np.zeros((2, DIMENSION), np.float32))
    assert np.isinf(found.distances).all()
    assert (found.tokens == -1).all()


def test_codes_keep_what_is_within_the_spread() -> None:
    states = np.random.default_rng(0).standard_normal((50, DIMENSION)).astype(np.float32) * CODING.spread / 4
    kept = np.abs(states) < CODING.spread
    np.testing.assert_allclose(
        CODING.decode(CODING.encode(states))[kept], states[kept], atol=float(CODING.spread.max()) / 250
    )


@pytest.mark.gpu
@pytest.mark.skipif(device.faiss_device().value != "gpu", reason=device.faiss_device().reason)
def test_a_gpu_finds_the_same() -> None:
    read = passages(400)
    here, there = KeyIndex(CODING, "ivf"), KeyIndex(CODING, "ivf")
    here.add(read)
    there.add(read)
    states = CODING.decode(read[0].codes)
    there._fastest = lambda k: there._index  # type: ignore[method-assign]
    np.testing.assert_allclose(here.search(states, 8).distances, there.search(states, 8).distances, atol=1e-4)
