"""Whether a question names a title. Exact words only: it knows no synonyms and no other spellings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from memapp.store.terms import words

_AFTERTHOUGHT = re.compile(r"\s*\([^)]*\)")


def named(question: str, titles: Mapping[int, str]) -> frozenset[int]:
    """Keys of the titles all of whose words stand in the question, words in brackets aside."""
    asked = frozenset(words(question))
    known: dict[str, bool] = {}
    for title in titles.values():
        if title not in known:
            known[title] = _covers(asked, words(_AFTERTHOUGHT.sub("", title) or title))
    return frozenset(key for key, title in titles.items() if known[title])


def _covers(asked: frozenset[str], title: Iterable[str]) -> bool:
    needed = frozenset(title)
    return bool(needed) and needed <= asked
