"""How much is read of entries by how near they are."""

from __future__ import annotations

import numpy as np
import pytest

from memapp.layers.amortized.levels import FURTHEST, LEVELS, by_levels


def entries(count: int, rows: int = 48, width: int = 8) -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    found = chance.normal(size=(count, rows, width)).astype(np.float32)
    return list(found / np.sqrt(np.mean(np.square(found), axis=2, keepdims=True)) * 0.14)


def test_the_nearest_are_whole_and_two_hundred_fit_where_seventeen_would() -> None:
    made = entries(200)
    read = by_levels(made)
    assert all(one is other for one, other in zip(read[:3], made, strict=False))
    assert [len(read[place]) for place in (2, 3, 19, 20, 99, 100, 199)] == [48, 16, 16, 4, 4, 1, 1]
    assert sum(map(len, read)) == 836


def test_an_outline_is_the_mean_of_neighbours_at_their_length() -> None:
    one = np.array([[3.0, 1.0], [1.0, 3.0], [-2.0, 4.0], [4.0, 2.0]], np.float32)
    one *= 0.5 / np.sqrt(np.mean(np.square(one), axis=1, keepdims=True))
    (*_, outline) = by_levels([one] * (LEVELS[0][0] + 1))
    assert outline.dtype == np.float32
    assert np.sqrt(np.mean(np.square(outline), axis=1)) == pytest.approx(0.5)
    mean = one[:3].mean(axis=0)
    assert outline[0] / np.linalg.norm(outline[0]) == pytest.approx(mean / np.linalg.norm(mean))
    assert outline[1] == pytest.approx(one[3])


@pytest.mark.parametrize("rows", [0, 1, 5, 48])
def test_short_entries_leave_at_least_what_they_have(rows: int) -> None:
    read = by_levels(entries(LEVELS[-1][0] + 1, rows=rows))
    assert [len(each) for each in (read[0], read[-1])] == [rows, -(-rows // FURTHEST)]
    assert by_levels([]) == []
