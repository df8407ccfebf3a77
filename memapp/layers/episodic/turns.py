"""The turns that the layer holds, as arrays: vectors, and beside each who spoke, in which session, when, and whether
it asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memapp.read.times import moment
from memapp.types import Passage, Vectors

_CAPTION = re.compile(r"\s*\[[^\]]*\]\s*$")
_ASKS = ("?", "？", "؟")


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns in the order in which they came; arrays have shape (turns,), `vectors` (turns, dimension)."""

    ids: NDArray[np.int64]
    vectors: Vectors
    sessions: NDArray[np.int64]
    """Index into `keys`."""
    speakers: NDArray[np.int64]
    """Index into `names`."""
    days: NDArray[np.int64]
    """As `datetime.date.toordinal` counts them; 0 when unknown."""
    asks: NDArray[np.bool_]
    keys: tuple[tuple[str, str], ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def before(self) -> NDArray[np.int64]:
        """Index of the turn before each in its session; -1 for the first."""
        order = np.argsort(self.sessions, kind="stable")
        before = np.full(len(self), -1, np.int64)
        same = self.sessions[order[1:]] == self.sessions[order[:-1]]
        before[order[1:][same]] = order[:-1][same]
        return before


def none(dimension: int) -> Turns:
    """No turns."""
    numbers = np.zeros(0, np.int64)
    vectors = np.zeros((0, dimension), np.float32)
    return Turns(numbers, vectors, numbers, numbers, numbers, np.zeros(0, np.bool_), (), ())


def kept(turns: Turns, mask: NDArray[np.bool_]) -> Turns:
    """Those of the turns that the mask, shape (turns,), holds true."""
    return replace(
        turns,
        ids=turns.ids[mask],
        vectors=turns.vectors[mask],
        sessions=turns.sessions[mask],
        speakers=turns.speakers[mask],
        days=turns.days[mask],
        asks=turns.asks[mask],
    )


def joined(turns: Turns, passages: Sequence[Passage], ids: NDArray[np.int64], vectors: Vectors) -> Turns:
    """The turns and these passages, which are turns; `vectors`, shape (n, dimension), are of `ids`."""
    rows = {id: row for row, id in enumerate(ids.tolist())}
    known = [passage for passage in passages if passage.id in rows and passage.said is not None]
    keys, names = list(turns.keys), list(turns.names)
    numbers = {key: number for number, key in enumerate(keys)}, {name: number for number, name in enumerate(names)}
    sessions, speakers, days, asks = [], [], [], []
    for passage in known:
        said = passage.said
        assert said is not None
        # One document a session, or one a turn.
        key = (passage.document, "") if "speakers" in passage.metadata else (passage.source, said.session)
        sessions.append(numbers[0].setdefault(key, len(numbers[0])))
        speakers.append(numbers[1].setdefault(said.speaker, len(numbers[1])))
        when = moment(said.time) if said.time else None
        days.append(when.toordinal() if when else 0)
        asks.append(_CAPTION.sub("", passage.text).rstrip().endswith(_ASKS))
    added = [rows[passage.id] for passage in known]
    order = np.argsort(all_ids := np.concatenate([turns.ids, ids[added]]))
    return Turns(
        all_ids[order],
        np.concatenate([turns.vectors, vectors[added]])[order],
        np.concatenate([turns.sessions, np.array(sessions, np.int64)])[order],
        np.concatenate([turns.speakers, np.array(speakers, np.int64)])[order],
        np.concatenate([turns.days, np.array(days, np.int64)])[order],
        np.concatenate([turns.asks, np.array(asks, np.bool_)])[order],
        tuple(numbers[0]),
        tuple(numbers[1]),
    )
