"""Times in words, seen from a Wednesday."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from memapp.read.times import Period, dated, moment, periods

SAID = date(2023, 6, 14)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("I ran yesterday.", "13 June 2023"),
        ("I was ill the day before yesterday.", "12 June 2023"),
        ("Tomorrow we fly.", "15 June 2023"),
        ("Last night it rained.", "13 June 2023"),
        ("Last week was long.", "5–11 June 2023"),
        ("We met last Friday.", "9 June 2023"),
        ("We met on Friday.", "9 June 2023"),
        ("I will be there on Friday.", "16 June 2023"),
        ("Next Friday suits me.", "16 June 2023"),
        ("We camped last weekend.", "10–11 June 2023"),
        ("I moved in May.", "May 2023"),
        ("I moved in August.", "August 2022"),
        ("We're going camping in July.", "July 2023"),
        ("I quit two months ago.", "April 2023"),
        ("I quit a couple of weeks ago.", "29 May–4 June 2023"),
        ("He called a few days ago.", "9–12 June 2023"),
        ("I've painted for the past three weeks.", "24 May–14 June 2023"),
        ("I learned it seven years ago.", "2016"),
        ("That was last summer.", "June–August 2022"),
        ("Last winter we skied.", "December 2022–February 2023"),
        ("It is due next month.", "July 2023"),
        ("Her party was on the 5th of May.", "5 May 2023"),
        ("His birthday, December 24, is near.", "24 December 2022"),
    ],
)
def test_words_get_the_date_that_they_mean(words: str, told: str) -> None:
    assert f"[{told}]" in dated(words, SAID)
    assert dated(words, SAID).replace(f" [{told}]", "") == words


@pytest.mark.parametrize(
    "words",
    [
        "We met on 3 May 2023.",
        "May 3, 2023 was a Wednesday.",
        "I moved in 2019.",
        "Summer of 2022 was hot.",
        "I may go to the market, or March on.",
        "Before she moved, she sang.",
        "On Fridays we sing.",
        "It takes 30 days back and forth, 99 years 99.",
        "31 February is no day.",
        "",
    ],
)
def test_what_needs_no_date_or_cannot_be_told_stays(words: str) -> None:
    assert dated(words, SAID) == words


def test_absolute_times_are_found_with_their_place() -> None:
    text = "What did she do on May 3, 2023 and in July 2021?"
    first, second = periods(text, SAID)
    assert (first.first, first.last, first.relative) == (date(2023, 5, 3), date(2023, 5, 3), False)
    assert (second.first, second.last) == (date(2021, 7, 1), date(2021, 7, 31))
    assert text[first.start : first.end] == "May 3, 2023"


def test_a_time_before_the_calendar_begins_is_none() -> None:
    assert periods("two years ago, last week", date.min) == []


@pytest.mark.parametrize(
    ("stamp", "when"),
    [
        ("1:56 pm on 8 May, 2023", datetime(2023, 5, 8, 13, 56)),
        ("12:09 am on 13 September, 2023", datetime(2023, 9, 13, 0, 9)),
        ("2021-03-02 10:00", datetime(2021, 3, 2, 10)),
        ("2021-03-02T09:00:00+00:00", datetime(2021, 3, 2, 9)),
        ("Mon, 08 May 2023 13:56:00 +0200", datetime(2023, 5, 8, 13, 56)),
        ("8 May 2023", datetime(2023, 5, 8)),
        ("sometime", None),
        ("", None),
        ("99:99 on 8 May 2023", None),
    ],
)
def test_stamps(stamp: str, when: datetime | None) -> None:
    assert moment(stamp) == when


def test_a_period_is_written_as_a_person_writes_it() -> None:
    assert str(Period(date(2023, 1, 1), date(2023, 12, 31))) == "2023"
    assert str(Period(date(2022, 12, 29), date(2023, 1, 4))) == "29 December 2022–4 January 2023"
    assert str(Period(date(2022, 12, 1), date(2023, 2, 28))) == "December 2022–February 2023"
