"""What the bench of the reader makes of its answers."""

from __future__ import annotations

from memapp.evaluate.reader import Values, _by_confidence


def test_right_answers_are_counted_among_the_sure_and_among_the_others() -> None:
    told = Values(f1=[1.0, 0.4, 0.6, 0.0], sure=[0.9, 0.8, 0.3, 0.05], withheld=[0.0, 0.0, 0.0, 1.0])
    not_told = Values(f1=[], sure=[0.4, 0.5, 0.01], withheld=[0.0, 0.0, 1.0])
    assert _by_confidence(told, not_told) == (
        "Given 3 with a confidence from 0.5, of which 0.33 right and 2 with a confidence below 0.5, "
        "of which 0.50 right (F1 at least 0.5)."
    )
