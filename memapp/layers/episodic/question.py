"""What a question about a conversation says of speakers and times."""

from __future__ import annotations

import re
from collections.abc import Sequence

ROLES = frozenset(("user", "assistant", "system", "human", "ai", "model", "tool", "me", "you"))
"""Speakers that are no names: a question may hold the word and mean something else."""
_OWN = frozenset(("user", "human", "me"))
_FIRST_PERSON = re.compile(r"\b(?:I|[Mm]e|[Mm]y|[Mm]ine|[Mm]yself)\b")
_ANCHORED = re.compile(
    r"\b(before|after|since)\s+((?:she|he|they|I|we|the|her|his|their|my|our|[A-Z]\w+(?:['’]s)?)\b[^?.,;]+)",
)


def named(question: str, names: Sequence[str]) -> list[int]:
    """Indices of the speakers whom the question names, by their whole or their first name."""
    found = [number for number, name in enumerate(names) if (known := _pattern(name)) and known.search(question)]
    if not found and _FIRST_PERSON.search(question):
        found = [number for number, name in enumerate(names) if name.casefold() in _OWN]
    return found


def nameless(question: str, names: Sequence[str]) -> str:
    """The question without these speakers' names; as it is when nothing is left of it."""
    text = question
    for name in names:
        if known := _pattern(name):
            text = known.sub("", text)
    text = " ".join(text.split())
    return text if re.search(r"\w", text) else question


def anchor(question: str) -> tuple[str, str] | None:
    """What the question takes for a point in time: "before" or "after", and the words that tell of it."""
    found = _ANCHORED.search(question)
    if not found:
        return None
    return ("before" if found[1] == "before" else "after"), found[2].strip()


def _pattern(name: str) -> re.Pattern[str] | None:
    parts = [part for part in dict.fromkeys((name, name.split()[0] if name.split() else "")) if len(part) > 1]
    if not parts or name.casefold() in ROLES:
        return None
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, parts))})\b(?:['’]s\b)?", re.IGNORECASE)
