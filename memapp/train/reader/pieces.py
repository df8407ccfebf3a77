"""What prompts are put together from while the reader is trained: texts as tokens, and questions on them.

Everything is one .npz of plain arrays, so that training needs neither llama.cpp nor the texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]

FRAME = ("head", "question", "again", "tail", "answer", "nothing", "end", "ask_head", "ask_next", "formal", "brief")
"""The texts around passages, questions and answers; `prepare` says what each is."""
MOST = 20
"""Passages that can be numbered."""


@dataclass(frozen=True, slots=True)
class Ragged:
    """Sequences of different lengths in one array."""

    values: Ints
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Ints:
        return self.values[self.ends[index - 1] if index else 0 : self.ends[index]]

    @staticmethod
    def of(parts: Sequence[Sequence[int] | Ints]) -> Ragged:
        """The sequences, one after the other."""
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        return Ragged(np.concatenate([np.asarray(part, np.int32) for part in parts]), ends)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Passages, questions and answers as tokens, and what belongs together."""

    passages: Ragged
    questions: Ragged
    answers: Ragged
    """One of each question, as it stands in its passage."""
    aliases: Ragged
    """All right answers of each question, as UTF-8, with a newline between."""
    gold: Ints
    """The passage of each question."""
    near: Ints
    """Passages that a search finds for each question, best first, without the gold and without the answer, -1 where
    there are no more: shape (questions, n)."""
    alike: Ints
    """Those nearest to each passage: shape (passages, n)."""
    held_out: NDArray[np.bool_]
    """Whether a question is kept for measuring. Its passage then trains nothing."""
    formal: NDArray[np.bool_]
    """Whether a question is a sentence, or in the brief form that is typed into a search."""
    spare: Ints
    """Passages to make questions of."""
    frame: Ragged
    """In the order of FRAME, then " [1]" and so on as after an answer, then "\\n[1]" and so on as before a passage."""
    spelled: Ragged
    """The bytes of every token."""

    def part(self, name: str) -> Ints:
        """A text of the frame."""
        return self.frame[FRAME.index(name)]

    def cited(self, number: int) -> Ints:
        """The number of a passage behind an answer, from 1."""
        return self.frame[len(FRAME) + number - 1]

    def numbered(self, number: int) -> Ints:
        """The number of a passage before it, from 1."""
        return self.frame[len(FRAME) + MOST + number - 1]

    def text(self, tokens: Sequence[int] | Ints) -> str:
        """What tokens spell."""
        return b"".join(self.spelled[int(token)].astype(np.uint8).tobytes() for token in tokens).decode(
            "utf-8", "replace"
        )

    def right(self, question: int) -> tuple[str, ...]:
        """The right answers to a question."""
        return tuple(self.aliases[question].astype(np.uint8).tobytes().decode("utf-8").split("\n"))


def save(path: Path, pieces: Pieces) -> None:
    """Writes them."""
    arrays: dict[str, Any] = {}
    for field in fields(pieces):
        value = getattr(pieces, field.name)
        if isinstance(value, Ragged):
            arrays |= {f"{field.name}.values": value.values, f"{field.name}.ends": value.ends}
        else:
            arrays[field.name] = value
    np.savez_compressed(path, **arrays)


def load(path: Path) -> Pieces:
    """Reads them. Raises OSError, ValueError or KeyError for another file."""
    with np.load(path, allow_pickle=False) as found:
        return Pieces(**{field.name: _value(found, field.name) for field in fields(Pieces)})


def _value(found: Mapping[str, Any], name: str) -> Any:
    return found[name] if name in found else Ragged(found[f"{name}.values"], found[f"{name}.ends"])
