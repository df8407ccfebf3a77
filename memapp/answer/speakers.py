"""Whose words an answer rests on: a question about one speaker is not answered by what another says of himself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from memapp.layers.episodic import question as naming
from memapp.types import Citation, Hit, Passage, Score

CLOSER = 0.1
"""By how much another speaker's turn fits a question better than what is cited, in scores of the episodic layer, for
the question to be taken as one about him."""
_PAIR = 2
"""Speakers who call each other "you" only."""
_NAMES_AND_WORDS = """
amber angel april art august autumn bill chase christian daisy dawn dean drew faith frank grace grant guy hazel heather
holly hope iris ivy jack joy june lily mark max may miles pat pearl rob rose ruby sandy sue summer violet will
"""
_ALSO_WORDS = frozenset(_NAMES_AND_WORDS.split())
"""First names that are words, too: they name somebody only with a capital inside a question, or with a genitive."""
_FIRST = re.compile(r"\b(?:I|[Mm](?:e|y|ine|yself)|[Ww]e|us|[Oo]urs?|ourselves)\b")
_SECOND = re.compile(r"\b(?:you|yours?|yourself)\b", re.IGNORECASE)
_THIRD = re.compile(r"\b(?:he|him|his|she|hers?|they|them|theirs?)\b", re.IGNORECASE)


def asked_about(question: str, hits: Sequence[Hit]) -> str:
    """The one speaker of these conversations whom the question names; empty when it names none, or several."""
    turns = [hit.passage for hit in hits if hit.passage.said]
    speakers = sorted({name for turn in turns for name in _speakers(turn)})
    people = [name for name in speakers if name.casefold() not in naming.ROLES]
    named = [people[number] for number in naming.named(question, people) if _is_meant(people[number], question)]
    return named[0] if len(named) == 1 else ""


def _is_meant(name: str, question: str) -> bool:
    """Whether a name that stands in the question is one there."""
    first = name.split()[0]
    if first.casefold() not in _ALSO_WORDS:
        return True
    inside = rf"(?<=\w ){re.escape(first)}\b" if first[0].isupper() else "(?!)"
    return bool(re.search(rf"{inside}|(?i:\b{re.escape(first)}['’]s\b)", question.strip()))


def _speakers(turn: Passage) -> Sequence[str]:
    """Who takes part in a turn's conversation, as far as the turn knows."""
    known = turn.metadata.get("speakers")
    if isinstance(known, (list, tuple)):
        return [str(name) for name in known]
    return [turn.said.speaker] if turn.said else []


def of_another(name: str, cited: Citation, passage: Passage) -> str:
    """Who says the cited sentence, if it is not the one of this name nor about that one; else empty."""
    said = passage.said
    if said is None or said.speaker == name:
        return ""
    start = max(cited.start - passage.start, passage.stamp)
    words = passage.text[start : cited.end - passage.start]
    third = len(_speakers(passage)) > _PAIR and _THIRD.search(words)
    about = _SECOND.search(words) or naming.named(words, [name]) or third
    return "" if about and not _FIRST.search(words) else said.speaker


def closer(name: str, cited: int, scores: Sequence[Score], passages: Mapping[int, Passage]) -> str:
    """The other speaker who says of himself what fits a question far better than the cited passage does; or empty.

    `scores` are of turns, best first, for the question without the name; `passages` holds those that live.
    """
    fits = {score.passage: score.value for score in scores}
    mine = fits.get(cited, min(fits.values(), default=0.0))
    better = (score.passage for score in scores if score.value > mine + CLOSER)
    return next((other for id in better if (other := _of_himself(passages.get(id), name))), "")


def _of_himself(passage: Passage | None, name: str) -> str:
    """Who speaks in the first person, if it is not the one of this name."""
    said = passage.said if passage else None
    if passage is None or said is None or said.speaker == name:
        return ""
    return said.speaker if _FIRST.search(passage.text, passage.stamp) else ""
