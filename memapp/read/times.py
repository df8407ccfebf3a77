"""What "last Friday" means, seen from the day on which it was said. English; rules and no library.

A time in words becomes a `Period` of whole days; weeks begin on Monday. What the words and the day alone cannot tell,
such as "before she moved", is left to those who know more.
"""

from __future__ import annotations

import calendar
import datetime
import email.utils
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

_NAMES = "january february march april may june july august september october november december"
_MONTHS = tuple(_NAMES.split())
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_SEASONS = {"spring": 3, "summer": 6, "fall": 9, "autumn": 9, "winter": 12}
_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_COUNTS = {**{word: n for n, word in enumerate(_WORDS, 1)}, "a": 1, "an": 1, "couple": 2, "few": 3, "several": 4}

_VAGUE = frozenset(("few", "several"))

MONTHS = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
"""A pattern for the name of a month, short or long."""
_MONTH = rf"(?P<month>{MONTHS})\b\.?"
_WEEKDAY = rf"(?P<weekday>{'|'.join(_DAYS)})"
_SEASON = rf"(?P<season>{'|'.join(_SEASONS)})"
_YEAR = r"(?P<year>(?:19|20)\d\d)(?![\d-])"
_ANY_YEAR = r"(?P<year>[12]\d{3})(?![\d-])"
_DATE = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_COUNT = rf"(?:(?:about|around|roughly|almost|nearly|over) )?(?:a )?(?P<count>\d{{1,3}}|{'|'.join(_COUNTS)})(?: of)?"
_UNIT = r"(?P<unit>day|week|month|year)s?"
_AHEAD = re.compile(
    r"\b(?:will|going|gonna|plan(?:s|ning|ned)?|upcoming|coming|hop(?:e|ing)|look(?:ing)? forward|can't wait|soon|"
    r"schedul\w+|next)\b|'ll\b|’ll\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both included, and where in a text they are spoken of, text[start:end]."""

    first: date
    last: date
    start: int = 0
    end: int = 0
    relative: bool = True
    """Whether the words alone, without the day on which they were said, would not tell it."""

    def __str__(self) -> str:
        """As a person writes it: 7 May 2023; May 2023; 2023; 1–7 May 2023."""
        first, last = self.first, self.last
        if first == last:
            return _day(first)
        if first.day == 1 and last == _month_end(last.year, last.month):
            if first.year == last.year and first.month == last.month:
                return f"{_name(first)} {first.year}"
            if (first.month, last.month, first.year) == (1, 12, last.year):
                return str(first.year)
            if first.year == last.year:
                return f"{_name(first)}–{_name(last)} {last.year}"
            return f"{_name(first)} {first.year}–{_name(last)} {last.year}"
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day}–{_day(last)}"
        return f"{_day(first).removesuffix(f' {last.year}')}–{_day(last)}"


def moment(text: str) -> datetime.datetime | None:
    """The time that a chat's stamp tells, in its own clock; None when it is none that is known.

    Known are ISO 8601, the dates of e-mails, and a day in words with a time of the day before or after it.
    """
    text = text.strip()
    try:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        pass
    try:
        return email.utils.parsedate_to_datetime(text).replace(tzinfo=None)
    except (ValueError, TypeError, IndexError):
        pass
    days = [period for period in periods(text, date.min) if not period.relative and period.first == period.last]
    if not days:
        return None
    clock = re.search(r"\b(\d{1,2}):(\d\d)(?::\d\d)?\s*([ap])?\.?m?\b", text, re.IGNORECASE)
    hour, minute = (int(clock[1]), int(clock[2])) if clock else (0, 0)
    if clock and clock[3]:
        hour = hour % 12 + (12 if clock[3].lower() == "p" else 0)
    if hour > 23 or minute > 59:
        return None
    return datetime.datetime.combine(days[0].first, datetime.time(hour, minute))


def spoken_moment(when: datetime.datetime) -> str:
    """7 May 2023, 13:56; the day alone at midnight, which hardly ever is a time."""
    return f"{_day(when.date())}, {when:%H:%M}" if when.time() != datetime.time() else _day(when.date())


def periods(text: str, said: date) -> list[Period]:
    """The times that a text said on that day speaks of, in order, none inside another."""
    found: list[Period] = []
    taken: list[tuple[int, int]] = []
    for pattern, days in _RULES:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            try:
                told = days(match, said)
            except (ValueError, OverflowError):
                continue
            if told is not None:
                taken.append(match.span())
                relative = pattern not in _ABSOLUTE
                found.append(Period(told[0], told[1], match.start(), match.end(), relative))
    return sorted(found, key=lambda period: period.start)


def dated(text: str, said: date) -> str:
    """The text with the date behind every time that only the day on which it was said tells, in square brackets."""
    pieces, at = [], 0
    for period in periods(text, said):
        if period.relative:
            pieces += [text[at : period.end], f" [{period}]"]
            at = period.end
    return "".join([*pieces, text[at:]])


Days = tuple[date, date]
Rule = Callable[[re.Match[str], date], Days | None]


def _month_end(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])


def _name(day: date) -> str:
    return _MONTHS[day.month - 1].capitalize()


def _day(day: date) -> str:
    return f"{day.day} {_name(day)} {day.year}"


def _month(year: int, month: int) -> Days:
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, 1), _month_end(year, month)


def _year(year: int) -> Days:
    return date(year, 1, 1), date(year, 12, 31)


def _week(day: date) -> Days:
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


def _number(match: re.Match[str]) -> int:
    word = match["count"].lower()
    return _COUNTS[word] if word in _COUNTS else int(word)


def _month_number(match: re.Match[str]) -> int:
    return next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(match["month"].lower()[:3]))


def _ahead(match: re.Match[str]) -> bool:
    """Whether the sentence up to here speaks of what is to come."""
    before = match.string[: match.start()]
    return bool(_AHEAD.search(re.split(r"[.!?;]\s", before)[-1]))


def _calendar_day(match: re.Match[str], said: date) -> Days:
    day = date(int(match["year"]), _month_number(match), int(match["day"]))
    return day, day


def _day_of_year(match: re.Match[str], said: date) -> Days:
    month, day = _month_number(match), int(match["day"])
    one = date(said.year, month, day)
    if one > said and not _ahead(match):
        one = date(said.year - 1, month, day)
    elif one < said and _ahead(match):
        one = date(said.year + 1, month, day)
    return one, one


def _iso(match: re.Match[str], said: date) -> Days:
    day = date.fromisoformat(match[0])
    return day, day


def _month_of_year(match: re.Match[str], said: date) -> Days:
    return _month(int(match["year"]), _month_number(match))


def _named_year(match: re.Match[str], said: date) -> Days:
    return _year(int(match["year"]))


def _named_month(match: re.Match[str], said: date) -> Days:
    month, which = _month_number(match), match["which"].lower()
    year = said.year
    if which in ("last", "this past") or (which != "this" and which != "next" and not _ahead(match)):
        year -= month > said.month or (which != "in" and month == said.month and which.startswith("last"))
    elif which != "this":
        year += month < said.month or (which == "next" and month == said.month)
    return _month(year, month)


def _near_day(match: re.Match[str], said: date) -> Days:
    words = match[0].lower()
    offset = {"yest": -1, "last": -1, "tomo": 1}.get(words[:4], 0)
    if "before yesterday" in words:
        offset = -2
    elif "after tomorrow" in words:
        offset = 2
    day = said + timedelta(days=offset)
    return day, day


def _ago(match: re.Match[str], said: date) -> Days:
    if match["unit"].lower() == "day" and match["count"].lower() in _VAGUE:
        return said - timedelta(days=5), said - timedelta(days=2)
    return _moved(said, -_number(match), match["unit"].lower())


def _in_time(match: re.Match[str], said: date) -> Days:
    return _moved(said, _number(match), match["unit"].lower())


def _moved(said: date, count: int, unit: str) -> Days:
    """As exact as the unit: a day, a week, a month, a year."""
    if unit == "day":
        day = said + timedelta(days=count)
        return day, day
    if unit == "week":
        return _week(said + timedelta(weeks=count))
    return _month(said.year, said.month + count) if unit == "month" else _year(said.year + count)


def _span(match: re.Match[str], said: date) -> Days:
    """The past three weeks: from then to now."""
    count = _number(match) if match["count"] else 1
    unit = match["unit"].lower()
    if unit in ("day", "week"):
        return said - timedelta(days=count * (7 if unit == "week" else 1)), said
    return _moved(said, -count, unit)[0], said


def _which(match: re.Match[str]) -> int:
    word = match["which"].lower()
    return {"this": 0, "next": 1, "coming": 1}.get(word.split()[-1] if word != "this past" else "past", -1)


def _unit(match: re.Match[str], said: date) -> Days:
    return _moved(said, _which(match), match["unit"].lower()) if match["unit"].lower() != "day" else (said, said)


def _weekend(match: re.Match[str], said: date) -> Days:
    saturday = said - timedelta(days=said.weekday()) + timedelta(days=5)
    which = _which(match)
    if which < 0 and said.weekday() >= 5 and match["which"].lower() == "this past":
        which = 0
    saturday += timedelta(weeks=which)
    return saturday, saturday + timedelta(days=1)


def _weekday(match: re.Match[str], said: date) -> Days | None:
    wanted, which = _DAYS.index(match["weekday"].lower()), match["which"].lower()
    if which == "next" or (which in ("this", "on", "coming") and _ahead(match)) or which == "coming":
        day = said + timedelta(days=(wanted - said.weekday() - 1) % 7 + 1)
    else:
        day = said - timedelta(days=(said.weekday() - wanted - 1) % 7 + 1)
    return day, day


def _season(match: re.Match[str], said: date) -> Days:
    month, which = _SEASONS[match["season"].lower()], match["which"].lower()
    year = said.year
    first, last = _month(year, month)[0], _month(year, month + 2)[1]
    if which in ("last", "this past", "past") and last >= said:
        year -= 1
    elif which == "next" and first <= said:
        year += 1
    return _month(year, month)[0], _month(year, month + 2)[1]


def _season_of_year(match: re.Match[str], said: date) -> Days:
    year, month = int(match["year"]), _SEASONS[match["season"].lower()]
    return _month(year, month)[0], _month(year, month + 2)[1]


def _rules(pairs: Iterator[tuple[str, Rule]]) -> list[tuple[re.Pattern[str], Rule]]:
    return [(re.compile(rf"\b{pattern}\b", re.IGNORECASE), rule) for pattern, rule in pairs]


_WHICH = r"(?P<which>last|this past|this|next|past|coming)"
_SAID_OUT = _rules(
    iter(
        [
            (r"\d{4}-\d\d-\d\d", _iso),
            (rf"{_DATE} (?:of )?{_MONTH},? {_ANY_YEAR}", _calendar_day),
            (rf"{_MONTH} {_DATE},? {_ANY_YEAR}", _calendar_day),
            (rf"{_SEASON}(?: of)? {_YEAR}", _season_of_year),
            (rf"{_MONTH}(?:,| of)? {_YEAR}", _month_of_year),
            (rf"(?:in|since|of|during|from|until|by|before|after) {_YEAR}", _named_year),
        ]
    )
)
_ABSOLUTE = frozenset(pattern for pattern, _ in _SAID_OUT)
_RULES = _SAID_OUT + _rules(
    iter(
        [
            (r"(?:the )?day (?:before yesterday|after tomorrow)", _near_day),
            (r"(?:yesterday|last night|today|tonight|this (?:morning|afternoon|evening)|tomorrow)", _near_day),
            (rf"{_COUNT} {_UNIT} (?:ago|back(?! and))", _ago),
            (rf"in {_COUNT} {_UNIT}(?: time)?", _in_time),
            (rf"(?:the |these |this )?(?:last|past) (?:{_COUNT} )?(?P<unit>day|week|month|year)s", _span),
            (rf"{_DATE} (?:of )?{_MONTH}", _day_of_year),
            (rf"{_MONTH} (?:the )?{_DATE}", _day_of_year),
            (rf"{_WHICH} weekend", _weekend),
            (rf"(?:the )?{_WHICH} {_WEEKDAY}", _weekday),
            (rf"(?P<which>on) {_WEEKDAY}(?!s)", _weekday),
            (rf"(?:the )?{_WHICH} {_SEASON}", _season),
            (rf"(?P<which>last|this past|this|next|in|during|since|early in|late in) {_MONTH}(?! \d)", _named_month),
            (rf"(?:the )?{_WHICH} (?P<unit>week|month|year)", _unit),
        ]
    )
)
