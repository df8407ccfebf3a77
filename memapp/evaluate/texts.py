"""Long texts to measure parametric memory on: what is remembered of each, and the end that is not."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memapp.errors import UsageError
from memapp.protocols import StateModel

ENDING = 5000
"""Tokens at the end of a text that are never remembered."""
_SENTENCE = re.compile(r"[A-Z][^.!?]{40,240}[.!?]")


@dataclass(frozen=True, slots=True)
class Part:
    """A text, divided."""

    name: str
    remembered: str
    ending: NDArray[np.int32]
    """The last tokens."""
    tokens: int
    """Of what is remembered."""


def named(folder: Path, names: str = "") -> list[Path]:
    """The text files of a folder, or those named by comma; raises UsageError when one is not there."""
    found = sorted(folder.glob("*.txt"))
    if names:
        wanted = [name.strip() for name in names.split(",")]
        found = [folder / (name if name.endswith(".txt") else f"{name}.txt") for name in wanted]
    missing = [path for path in found if not path.is_file()]
    if missing or not found:
        raise UsageError(f"There is no text {missing[0] if missing else folder / '*.txt'}.", "Name files that exist.")
    return found


def parts(path: Path, model: StateModel, at_most: int) -> Part:
    """What comes before the last ENDING tokens, of which the first `at_most` are remembered, and those."""
    text = path.read_text(encoding="utf-8")
    ids, ends = model.tokens(text)
    if len(ids) < 2 * ENDING:
        raise UsageError(f"{path.name} has only {len(ids)} tokens.", f"Use texts of {2 * ENDING} tokens at least.")
    count = min(at_most, len(ids) - ENDING)
    return Part(path.stem, text[: ends[count - 1]], ids[len(ids) - ENDING :], count)


def sentences(text: str, count: int, seed: int = 0) -> list[str]:
    """Sentences of a text that are found in it once, drawn by chance."""
    flat = [match.group() for match in _SENTENCE.finditer(text)]
    single = [sentence for sentence in dict.fromkeys(flat) if text.count(sentence) == 1]
    return random.Random(seed).sample(single, min(count, len(single)))
