"""The arrays that the amortizer is trained and measured with, in one file: the machine that trains needs neither the
texts nor a tokenizer. Needs NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SETS = ("squad1190", "nq2655")
KINDS = (*SETS, "blank", "rest", "fact")
"""Where a question comes from: a data set, a sentence with a gap, a sentence that stops, an extracted triple."""
LONGEST, LONGEST_ANSWER = 256, 24
"""Tokens of a passage and of an answer; held-out ones are cut, or left out, the same."""
OTHERS, NEAREST = 100, 8
"""Passages in the bank beside the right one, and how many of all of them are kept, most similar first."""


@dataclass(frozen=True, slots=True)
class Ragged:
    """Lists of tokens, one after another."""

    flat: NDArray[np.uint16]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Ragged:
        """From lists; tokens must be below 65,536."""
        flat = np.array([token for each in lists for token in each], np.int64)
        if flat.size and flat.max() > np.iinfo(np.uint16).max:
            raise ValueError("a vocabulary of more than 65,536 tokens has no place in this file")
        return cls(flat.astype(np.uint16), np.cumsum([len(each) for each in lists]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> list[int]:
        start = int(self.ends[row - 1]) if row else 0
        return list(map(int, self.flat[start : int(self.ends[row])]))


@dataclass(frozen=True, slots=True)
class Examples:
    """All that is learned from and measured on. Rows of `questions`, `answers`, `of`, `kind` belong together."""

    passages: Ragged
    held: NDArray[np.bool_]
    """By passage: only measured on."""
    neighbours: NDArray[np.int32]
    """By passage, three others that are like it, of the same half; -1 where there is none."""
    questions: Ragged
    """From the end of the passages in the prompt to where the answer begins."""
    answers: Ragged
    """With the token that ends a turn."""
    of: NDArray[np.int32]
    """The passage that answers."""
    kind: NDArray[np.int8]
    nearest: NDArray[np.int32]
    """By question; for those that are measured, the NEAREST of the right passage and OTHERS more, most similar first;
    -1 for the rest."""
    heads: Ragged
    """Prompt before the passages, before a question without passages, and the request to repeat what was read."""
    begin: int
    """The token that begins a text to the encoder."""

    def save(self, path: Path) -> None:
        """Writes the file."""
        arrays: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Ragged):
                arrays |= {f"{field.name}.flat": value.flat, f"{field.name}.ends": value.ends}
            else:
                arrays[field.name] = np.asarray(value)
        np.savez_compressed(path, **arrays)

    @classmethod
    def read(cls, path: Path) -> Examples:
        """Reads the file."""
        with np.load(path, allow_pickle=False) as found:
            values: dict[str, Any] = {
                field.name: Ragged(found[f"{field.name}.flat"], found[f"{field.name}.ends"])
                if f"{field.name}.flat" in found
                else found[field.name]
                for field in fields(cls)
            }
        return cls(**values | {"begin": int(values["begin"])})
