"""A reader that goes on learning."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'memapp[train]'")

from memapp.train.reader.tune import between  # noqa: E402


@pytest.mark.parametrize(("way", "value"), [(0.0, 1.0), (0.25, 1.5), (1.0, 3.0)])
def test_an_adapter_stands_some_of_the_way_between_two(way: float, value: float) -> None:
    one, other = {"a": torch.ones(2, 3)}, {"a": torch.full((2, 3), 3.0)}
    torch.testing.assert_close(between(one, other, way)["a"], torch.full((2, 3), value))
    torch.testing.assert_close(one["a"], torch.ones(2, 3))
