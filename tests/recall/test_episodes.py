"""Turns among documents: they change places with each other only."""

from __future__ import annotations

from memapp.recall.episodes import placed
from memapp.recall.fuse import Fused
from memapp.types import LayerShare, Passage, Score


def passage(id: int, turn: bool) -> Passage:
    return Passage(id, str(id), "", "x", 0, 1, metadata={"speaker": "Ann"} if turn else {})


PASSAGES = {id: passage(id, turn=id >= 10) for id in (1, 2, 10, 11, 12)}
RANKED = [
    Fused(id, score, (LayerShare("dense", 1, score),)) for id, score in ((10, 0.9), (1, 0.8), (11, 0.3), (2, 0.2))
]


def test_turns_take_the_places_of_turns() -> None:
    found = placed(RANKED, {"dense": [Score(10, 0.9)]}, [Score(12, 0.6), Score(10, 0.5), Score(11, 0.1)], PASSAGES)
    assert [one.passage for one in found] == [12, 1, 10, 2]
    assert [one for one in found if one.passage < 10] == [one for one in RANKED if one.passage < 10]
    assert [one.score for one in found] == [0.9, 0.8, 0.9 * 0.5 / 0.6, 0.2]
    assert [share.layer for share in found[2].shares] == ["dense", "episodic"]


def test_a_turn_that_is_not_known_to_the_layer_keeps_a_place() -> None:
    found = placed(RANKED, {}, [Score(11, 0.6)], PASSAGES)
    assert [one.passage for one in found] == [11, 1, 10, 2]


def test_without_turns_all_stays() -> None:
    assert placed(RANKED, {}, [], PASSAGES) == RANKED
