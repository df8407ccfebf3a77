"""What kind of answer a question asks for."""

from __future__ import annotations

import pytest

from memapp.answer import kind


@pytest.mark.parametrize(
    ("question", "answer", "unfit"),
    [
        ("Where was she born?", "8 February 1964", True),
        ("To whom was it sold?", "in 1960", True),
        ("What is the place of birth of Ida?", "1964", True),
        ("How tall is the boiler?", "4 March 2026", True),
        ("How many came?", "1960", False),
        ("Where was she born?", "Oslo, in 1964", False),
        ("When did the man who wrote it die?", "1960", False),
        ("What was his best year?", "1960", False),
        ("Who came in May?", "May", False),
        ("On what day was it found?", "03:10", True),
        ("On what date did it begin?", "250 crowns", True),
        ("On what day was it found?", "17 September 2022", False),
        ("On which day does it open?", "Mondays", False),
        ("On which day does it open?", "Christmas Eve", False),
        ("In which year was it lit?", "Skarrow", True),
        ("In what year was it lit?", "in 1871", False),
        ("What was the date of the year?", "200 crowns", False),
    ],
)
def test_a_day_is_no_person_place_or_size(question: str, answer: str, unfit: bool) -> None:
    wrong = kind.unfit(question)
    assert bool(wrong and wrong.fullmatch(answer)) is unfit


@pytest.mark.parametrize(
    ("question", "answer", "told"),
    [
        ("When did Ida die?", "1942", "3 May 1942"),
        ("When was Ida born?", "1861", "June 2, 1861"),
        ("When did Ida move there?", "1899", "1899"),
        ("When did it happen?", "1942", "3 May 1942"),
        ("Which year was it?", "1942", "1942"),
        ("When was Ida born?", "1899", "1899"),
        ("Where was Ida born?", "Oslo", "Oslo"),
    ],
)
def test_only_the_year_of_a_day_that_is_asked_for_becomes_the_day(question: str, answer: str, told: str) -> None:
    assert kind.whole_day(question, answer, "Ida (June 2, 1861 in Oslo; 3 May 1942) moved there in 1899.") == told


def test_a_year_that_also_stands_alone_is_left_as_it_is() -> None:
    assert kind.whole_day("When was it lit?", "1871", "Begun on 3 May 1871, it was lit in 1871.") == "1871"


@pytest.mark.parametrize(
    ("question", "several"),
    [
        ("What books have I read?", True),
        ("Which US cities does John mention?", True),
        ("What are Melanie's pets' names?", True),
        ("Who are the members of the choir?", True),
        ("In what ways does she help?", True),
        ("What people has Maria met?", True),
        ("List all keys that I lent", True),
        ("What is the name of the dog?", False),
        ("What does she like?", False),
        ("Which bus goes to Brae?", False),
        ("What kind of books does he read?", False),
        ("How many books have I read?", False),
        ("What was the address?", False),
    ],
)
def test_several_things_are_asked_for_by_a_plural(question: str, several: bool) -> None:
    assert kind.several(question) is several
