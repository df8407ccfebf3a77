"""Training data as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memapp.train import ragged
from memapp.train.ragged import Ragged


@dataclass(frozen=True)
class Some:
    """One of each kind that is kept."""

    texts: Ragged
    kinds: NDArray[np.int32]
    begin: int


@pytest.mark.parametrize("name", ["examples.npz", "examples.safetensors", "examples"])
def test_what_is_kept_is_found_under_the_name_that_it_was_given(tmp_path: Path, name: str) -> None:
    made = Some(Ragged.of([[1, 2, 3], [], [4]]), np.array([7, 8, 9], np.int32), 5)
    ragged.save(tmp_path / name, made)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    found = ragged.load(tmp_path / name, Some)
    assert [one.tolist() for one in (found.texts[0], found.texts[1], found.texts[2])] == [[1, 2, 3], [], [4]]
    assert found.kinds.tolist() == [7, 8, 9]
    assert found.begin == 5
