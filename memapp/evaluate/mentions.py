"""Texts with the mentions that people, or a large model, marked in them: to score extraction and to train for it.

Two forms are known: one token and its label a line (CoNLL), and the JSON of an open information extraction with the
entities of each passage.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memapp.errors import Malformed, UsageError

Span = tuple[int, int]

SENTENCES = 3
"""Sentences of a running text that make one sample."""
HELD_OUT = 5
"""One part in so many is never trained on."""
_NO_SPACE_BEFORE = frozenset([",", ".", ";", ":", "!", "?", ")", "]", "%", "'s", "'", "n't", "'t", "'re", "'ve"])
_NO_SPACE_AFTER = frozenset(["(", "[", "$", "£", "#"])


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and its mentions."""

    text: str
    spans: tuple[Span, ...]
    """In characters, in order, without overlap."""
    title: str = ""
    """The text's first line, where the set has titles."""
    phrases: tuple[str, ...] = ()
    """What the set lists as the text's phrases, in whatever order; empty where it marks spans."""


def read_conll(path: Path, sentences: int = 1) -> list[Marked]:
    """Samples of so many sentences each. Raises UsageError when there is no file, Malformed for another form."""
    if not path.is_file():
        raise UsageError(f"There is no {path}.", "Name the folder with the extraction data sets.")
    found = list(_sentences(path))
    return [_joined(found[at : at + sentences]) for at in range(0, len(found), sentences)]


def read_silver(path: Path) -> list[Marked]:
    """Passages with the listed entities, aligned to the text. Raises as `read_conll` does."""
    if not path.is_file():
        raise UsageError(f"There is no {path}.", "Name the folder with the extraction data sets.")
    try:
        documents = json.loads(path.read_text(encoding="utf-8"))["docs"]
        return [
            Marked(
                (text := f"{one['title']}\n{one['text']}"),
                tuple(aligned(text, one["extracted_entities"])),
                one["title"],
                tuple(one["extracted_entities"]),
            )
            for one in documents
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise Malformed(f"{path} is not an open information extraction: {error}.", "Name another file.") from error


def split_running(samples: Sequence[Marked]) -> tuple[list[Marked], list[Marked]]:
    """Those to train on and, from the end of a running text, those held out."""
    cut = len(samples) - len(samples) // HELD_OUT
    return list(samples[:cut]), list(samples[cut:])


def split_titled(samples: Sequence[Marked]) -> tuple[list[Marked], list[Marked]]:
    """Those to train on and those held out; samples of one title are never on both sides."""
    kept: list[Marked] = []
    held: list[Marked] = []
    for sample in samples:
        (kept if zlib.crc32(sample.title.encode()) % HELD_OUT else held).append(sample)
    return kept, held


def aligned(text: str, phrases: Sequence[str]) -> list[Span]:
    """Every place where a phrase stands as whole words, longer phrases first, without overlap."""
    taken = bytearray(len(text))
    spans: list[Span] = []
    for phrase in sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase)):
        if not phrase.strip():
            continue
        for match in re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", text):
            start, end = match.span()
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                spans.append((start, end))
    return sorted(spans)


def _sentences(path: Path) -> Iterator[list[tuple[str, str]]]:
    rows: list[tuple[str, str]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split()
        if not parts:
            if rows:
                yield rows
            rows = []
        elif len(parts) == 1 or parts[-1][:1] not in "BIO":
            raise Malformed(f"{path}, line {number}: a token and its label were expected.", "Name another file.")
        elif parts[0] != "-DOCSTART-":
            rows.append((" ".join(parts[:-1]), parts[-1]))
    if rows:
        yield rows


def _joined(sentences: Sequence[list[tuple[str, str]]]) -> Marked:
    """The text as it may have been before it was cut into tokens."""
    text = ""
    spans: list[Span] = []
    for sentence in sentences:
        before, glued = "O", True
        text += " " if text else ""
        for token, label in sentence:
            text += "" if glued or token in _NO_SPACE_BEFORE else " "
            start, glued = len(text), token in _NO_SPACE_AFTER
            text += token
            if label.startswith("I") and label[1:] == before[1:]:
                spans[-1] = (spans[-1][0], len(text))
            elif label != "O":
                spans.append((start, len(text)))
            before = label
    return Marked(text, tuple(spans))
