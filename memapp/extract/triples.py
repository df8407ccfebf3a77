"""Phrases and facts as others write them, in lists of text: what of them can be kept, and a file of them.

Nothing here asks a model or a store. Whatever is left out is counted by its reason.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memapp.errors import Malformed, TooLarge, Unreadable
from memapp.extract.phrases import LONGEST, normal
from memapp.types import Extraction, Fact, Failure

NO_LIST = "no list"
NOT_THREE = "not three parts"
NOT_TEXT = "not text"
LENGTH = "empty or too long"

Reasons = Counter[str]
"""How many phrases or facts were left out, by the reason."""

_WORD = re.compile(r"\w+")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file says of one passage."""

    name: str
    """How a person finds the entry in the file."""
    content: str
    """The passage: title, newline, text."""
    extraction: Extraction
    dropped: Reasons


def read(path: Path, largest: int) -> Iterator[Entry | Failure]:
    """The entries of a file in the form of HippoRAG's openie_results (Gutierrez et al., 2024), in order.

    That is {"docs": [{"idx", "passage", "extracted_entities", "extracted_triples"}, ...]}. An entry of another form
    becomes a Failure and the rest goes on. Raises Unreadable, TooLarge beyond `largest` bytes, and Malformed where the
    file is no JSON or has no list of docs.
    """
    for number, value in enumerate(_docs(path, largest)):
        name = f"docs[{number}]"
        if not isinstance(value, dict) or not isinstance(value.get("passage"), str) or not value["passage"].strip():
            yield Failure(name, "It has no passage.")
            continue
        phrases, lost = phrases_in(value.get("extracted_entities", []))
        facts, also = facts_in(value.get("extracted_triples", []))
        yield Entry(name, _storable(value["passage"]), Extraction(phrases, facts), lost + also)


def _docs(path: Path, largest: int) -> list[Any]:
    hint = 'It must be a JSON object {"docs": [{"passage", "extracted_entities", "extracted_triples"}, ...]}.'
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror or error}.", "Name a file that exists.") from error
    if len(data) > largest:
        raise TooLarge(f"{path} is larger than {largest // _BLOCK} MB.", "Split it, or raise max_file_mb.")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{path} is not JSON.", hint) from error
    if not isinstance(value, dict) or not isinstance(value.get("docs"), list):
        raise Malformed(f"{path} has no list of docs.", hint)
    docs: list[Any] = value["docs"]
    return docs


def phrases_in(value: Any) -> tuple[tuple[str, ...], Reasons]:
    """The phrases of a list, each once, in order, and what was left out."""
    kept: list[str] = []
    dropped = Reasons()
    if not isinstance(value, list):
        return (), Reasons([NO_LIST])
    for each in value:
        if not isinstance(each, str):
            dropped[NOT_TEXT] += 1
        elif phrase := clean(each):
            kept.append(phrase)
        else:
            dropped[LENGTH] += 1
    return tuple(dict.fromkeys(kept)), dropped


def facts_in(value: Any) -> tuple[tuple[Fact, ...], Reasons]:
    """The facts of a list of [subject, predicate, object], each once, in order, and what was left out."""
    kept: list[Fact] = []
    dropped = Reasons()
    if not isinstance(value, list):
        return (), Reasons([NO_LIST])
    for each in value:
        if not isinstance(each, list) or len(each) != 3:
            dropped[NOT_THREE] += 1
            continue
        if not all(isinstance(part, str) for part in each):
            dropped[NOT_TEXT] += 1
            continue
        parts = [clean(part) for part in each]
        if all(parts):
            kept.append(Fact(*parts))
        else:
            dropped[LENGTH] += 1
    return tuple(dict.fromkeys(kept)), dropped


def clean(phrase: str) -> str:
    """The phrase on one line, as a store can hold it; "" where nothing is left or it is too long."""
    if len(phrase) > LONGEST:
        return ""
    line = " ".join(_storable(phrase).split())
    return line if normal(line) else ""


def worded(text: str) -> str:
    """The text's words in compatibility form and without case, one blank between two: what is compared."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def stands(phrase: str, within: str) -> bool:
    """Whether the phrase's words stand in a row in `within`, which `worded` made.

    Scripts that put no blanks between words may find it inside a run of letters.
    """
    words = worded(phrase)
    return bool(words) and (f" {words} " in f" {within} " if words.isascii() else words in within)


def _storable(text: str) -> str:
    """The text without what no database can hold: half characters and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")
