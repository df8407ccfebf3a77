"""What kind of answer a question asks for, as far as it says so plainly."""

from __future__ import annotations

import re
from datetime import date

from memapp.read.times import MONTHS, periods

_MONTH = rf"(?:\d{{1,2}} )?(?:{MONTHS})(?: \d{{1,2}},?)?"
_DAY = re.compile(rf"(?:(?:in|on|by) )?(?:{_MONTH} )?[12]\d{{3}}", re.IGNORECASE)
_DAY_OF_MONTH = re.compile(rf"(?:(?:in|on|by) )?{_MONTH}(?: [12]\d{{3}})?", re.IGNORECASE)
_YEAR = re.compile(r"[12]\d{3}")
_NO_YEAR = re.compile(r"(?!.*\b\d{3,4}s?\b).+", re.DOTALL)
_NO_DAY = re.compile(
    rf"(?!.*\b(?:{MONTHS}|[12]\d{{3}}|\w+days?|\d{{1,2}}[./-]\d{{1,2}}|week(?:end)?|month|spring|summer|autumn|fall|winter|"
    r"christmas|easter)\b).+",
    re.IGNORECASE | re.DOTALL,
)
_ASKING = re.compile(
    r"\b(?:who|whom|whose|where|when|why|(?:what|which) (?:year|day|date)|which|what(?: (?:is|was) the place of)?|"
    r"how(?: \w+)?)\b",
    re.IGNORECASE,
)
_UNFIT = (
    (re.compile(r"who|whom|whose|where|what (?:is|was) the place of", re.IGNORECASE), _DAY),
    (re.compile(r"how (?:big|deep|far|fast|heavy|high|large|long|many|much|tall|wide)", re.IGNORECASE), _DAY_OF_MONTH),
    (re.compile(r"(?:what|which) year", re.IGNORECASE), _NO_YEAR),
    (re.compile(r"(?:what|which) (?:day|date)", re.IGNORECASE), _NO_DAY),
)
"""How questions begin to ask, and what does not answer them."""
_OF_A_DAY = re.compile(r"\b(?:date|day|birthday|born|die|died|when)\b", re.IGNORECASE)


_PLURAL = r"(?:[^\W\d_]+(?:[^\Wsui]s|ies)|people|children|men|women)"
_SEVERAL = re.compile(
    r"^(?:(?:about|at|by|for|from|in|of|on|to|with) )?(?:"
    rf"(?:what|which) (?:(?!are\b|were\b|kinds? |sorts? |types? )[\w'-]+ ){{0,3}}?{_PLURAL} "
    r"(?:are|can|could|did|do|does|had|has|have|may|might|must|should|were|will|would)\b|"
    rf"(?:what|which|who) (?:are|were) (?:(?:all|my|our|some|the|[\w']+['’]s?) )*(?:[\w'-]+ ){{0,2}}?{_PLURAL}\b|"
    r"(?:what|where|which|who) all\b|(?:list|name) (?:all|my|some|the)\b)",
    re.IGNORECASE,
)


def several(question: str) -> bool:
    """Whether it asks for more than one thing: *what books have I read?*"""
    return bool(_SEVERAL.match(question.strip()))


def unfit(question: str) -> re.Pattern[str] | None:
    """What does not answer the question: a day where somebody, a place or a size is asked for, none where one is."""
    begun = _ASKING.search(question)
    return next((answer for asking, answer in _UNFIT if begun and asking.fullmatch(begun[0])), None)


def whole_day(question: str, answer: str, sentence: str) -> str:
    """The answer, or the day in its sentence where a day is asked for and it is only the year."""
    if not (_YEAR.fullmatch(answer) and _OF_A_DAY.search(question)):
        return answer
    days = [sentence[one.start : one.end] for one in periods(sentence, date.min) if one.first == one.last]
    whole = [day for day in days if answer in day]
    # A year that also stands alone may be meant by itself.
    return whole[0] if len(whole) == sentence.count(answer) == 1 else answer
