"""What the bench of everyday notes counts."""

from __future__ import annotations

import pytest

from memapp.evaluate.notes import Asked, Values, _report, _score
from memapp.types import Answer, Citation

CITED = (Citation(1, "d", "T", "text", 0, 4),)


def test_right_withheld_and_unsure_answers_are_counted_apart() -> None:
    values = Values(seconds=[1.0])
    told, not_told = Asked("When?", ("1902",)), Asked("Who?", ())
    assert _score(values, told, Answer("When?", "in 1902 [1]", CITED, 0.9))
    assert _score(values, told, Answer("When?", "in 1902 [1]", CITED, 0.3))
    assert not _score(values, told, Answer("When?", "1902 perhaps", abstained=True))
    assert not _score(values, not_told, Answer("Who?", "Ada [1]", CITED, 0.9))
    assert not _score(values, not_told, Answer("Who?", "Ada [1]", CITED, 0.3))
    assert _score(values, not_told, Answer("Who?", "Not in memory.", abstained=True))
    report = _report({"home": values})
    row = dict(zip(report.columns, report.rows[0], strict=True))
    assert row["right"] == pytest.approx(2 / 3)
    assert row["right but not sure"] == 0.5
    assert row["withheld"] == pytest.approx(1 / 3)
    assert row["or not sure"] == pytest.approx(2 / 3)
