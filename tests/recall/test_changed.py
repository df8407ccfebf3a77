"""Facts that changed: the newest first, each with its day."""

from __future__ import annotations

import pytest

from memapp.recall.changed import current, newest_first, states
from memapp.types import Hit, Passage


def turn(rank: int, speaker: str, day: str, words: str) -> Hit:
    known = {"speaker": speaker, "session": "1", "time": day}
    return Hit(rank, 1 / rank, Passage(rank, f"d{rank}", "", f"{speaker}: {words}", 0, 9, metadata=known))


LYON = turn(1, "Ann", "2023-03-01", "I live in Lyon, near the river.")
OTHER = turn(2, "Ann", "2024-01-01", "Lyon has good bread.")
OSLO = turn(3, "Ann", "2025-05-05", "Big news! I moved to Oslo last week.")
BO = turn(4, "Bo", "2025-06-01", "I live in Turku.")


def test_the_newest_comes_first_and_both_tell_their_day() -> None:
    found = newest_first([LYON, OTHER, OSLO, BO])
    assert [hit.passage.id for hit in found] == [3, 2, 1, 4]
    assert [(hit.rank, hit.score) for hit in found] == [(hit.rank, hit.score) for hit in (LYON, OTHER, OSLO, BO)]
    assert found[0].standing == "newest, of 5 May 2025; told otherwise on 1 March 2023"
    assert found[2].standing == "of 1 March 2023; told otherwise on 5 May 2025"
    assert [hit.outdated for hit in found] == [False, False, True, False]
    assert found[1] == OTHER
    assert found[3] == BO


def test_what_did_not_change_stays() -> None:
    again = turn(3, "Ann", "2025-05-05", "I still live in Lyon.")
    for hits in ([LYON, OTHER, BO], [LYON, again], [], [OSLO]):
        assert newest_first(hits) == hits


def test_what_has_no_time_or_no_speaker_is_left_alone() -> None:
    untold = turn(2, "Ann", "", "I live in Oslo.")
    document = Hit(3, 0.1, Passage(9, "d", "", "I live in Rome.", 0, 9))
    assert newest_first([LYON, untold, document]) == [LYON, untold, document]


def test_three_times_told() -> None:
    rome = turn(2, "Ann", "2021-01-01", "I used to live in Rome.")
    found = newest_first([rome, LYON, OSLO])
    assert [hit.passage.id for hit in found] == [3, 1, 2]
    assert found[0].standing == "newest, of 5 May 2025; told otherwise on 1 March 2023, 1 January 2021"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("I live in Lyon.", ("home", "lyon")),
        ("I've moved to New York with Tom.", ("home", "new york")),
        ("I'm now working as a nurse.", ("work", "nurse")),
        ("I started a new job at the harbour office.", ("work", "harbour office")),
        ("I'm dating Sam these days.", ("partner", "sam")),
        ("My favourite colour is dark green.", ("favourite colour", "dark green")),
        ("My phone number is 555 0101.", ("phone number", "555 0101")),
    ],
)
def test_relations(words: str, told: tuple[str, str]) -> None:
    assert told in list(states(words))


@pytest.mark.parametrize("words", ["She lives in Lyon.", "My point is simple.", "I moved to the left.", "", "I live"])
def test_no_relation(words: str) -> None:
    assert list(states(words)) == []


@pytest.mark.parametrize(
    ("question", "read"),
    [
        ("Where does Ann live?", [3, 2]),
        ("Where does Ann live now, today or this week?", [3, 2]),
        ("Where did Ann live?", [3, 2, 1]),
        ("Where was Ann's home in 2023?", [3, 2, 1]),
        ("How has Ann's home changed?", [3, 2, 1]),
        ("What is Ann's former town?", [3, 2, 1]),
    ],
)
def test_what_no_longer_holds_is_for_questions_about_the_past(question: str, read: list[int]) -> None:
    assert [hit.passage.id for hit in current(question, newest_first([LYON, OTHER, OSLO]))] == read
