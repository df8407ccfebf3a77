"""A follow-up question is made to stand alone by what was said before it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memapp.types import Turn

_REFERS = re.compile(
    r"\b(?:he|she|it|they|him|her|hers|his|its|them|their|theirs|this|that|these|those|there|then|one|ones|same|"
    r"former|latter|another|else)\b",
    re.IGNORECASE,
)
_LEADS_ON = re.compile(r"^\s*(?:and|but|or|so|also|what about|how about)\b", re.IGNORECASE)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[^\W\d_a-z]\w+")
_SHORT = 6
_BARE = 2
"""Words of a question such as "Why?" or "Since when?", which asks for nothing by itself."""


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question with the previous question and the gist of its answer before it, if it needs them.

    It does when it refers back ("he", "there"), or leads on ("and when?") with few words and no name of its own.
    """
    if not history or not refers_back(question):
        return question
    last = history[-1]
    gist = re.split(r"(?<=[.!?])\s", last.answer.strip(), maxsplit=1)[0][:200]
    return " ".join(part for part in (standalone(last.question, history[:-1]), gist, question) if part)


def refers_back(question: str) -> bool:
    """Whether the question cannot be understood alone."""
    if _REFERS.search(question):
        return True
    length = len(question.split())
    return length <= _BARE or (length <= _SHORT and bool(_LEADS_ON.search(question)) and not _NAME.search(question))
