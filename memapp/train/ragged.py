"""Training data as one file of plain arrays: the machine that trains needs neither the texts nor a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Data = TypeVar("Data")


@dataclass(frozen=True, slots=True)
class Ragged:
    """Sequences of different lengths in one array."""

    values: Ints
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Ints:
        return self.values[self.ends[index - 1] if index else 0 : self.ends[index]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Of each sequence."""
        return np.diff(self.ends, prepend=0)

    @staticmethod
    def of(parts: Sequence[Sequence[int] | Ints]) -> Ragged:
        """The sequences, one after the other."""
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        values = [np.asarray(part, np.int32) for part in parts] or [np.zeros(0, np.int32)]
        return Ragged(np.concatenate(values), ends)


def save(path: Path, data: Any) -> None:
    """Writes a dataclass of arrays, Ragged ones and numbers as .npz, whatever the path ends in."""
    arrays: dict[str, Any] = {}
    for field in fields(data):
        value = getattr(data, field.name)
        if isinstance(value, Ragged):
            arrays |= {f"{field.name}.values": value.values, f"{field.name}.ends": value.ends}
        else:
            arrays[field.name] = np.asarray(value)
    with path.open("wb") as file:  # a path would be given another name
        np.savez_compressed(file, **arrays)


def load(path: Path, kind: type[Data]) -> Data:
    """Reads what `save` wrote. Raises OSError, ValueError or KeyError for another file."""
    with np.load(path, allow_pickle=False) as found:

        def value(name: str) -> Any:
            if f"{name}.ends" in found:
                return Ragged(found[f"{name}.values"], found[f"{name}.ends"])
            return found[name] if found[name].ndim else found[name].item()

        return kind(**{field.name: value(field.name) for field in fields(kind)})  # type: ignore[arg-type]
