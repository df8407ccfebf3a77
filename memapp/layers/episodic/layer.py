"""The layer: it keeps the turns up with the log, and scores them.

A question is compared without the speakers' names, which else draw it to every turn that begins with one. What a turn
gets from its neighbours, its session and its speaker are shares that were chosen on the conversations of LoCoMo
(Maharana et al., 2024), each left out in turn; `memapp bench chat` tells what each brings.
"""

from __future__ import annotations

import datetime
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memapp.layers.episodic import question, turns
from memapp.layers.episodic.turns import Turns
from memapp.read.times import Period, periods
from memapp.store import content, fulltext, narrow
from memapp.store.log import Store, living
from memapp.store.terms import terms
from memapp.types import Change, LayerStats, Query, Score, Vectors

_READ = 1000
"""Turns whose BM25 is asked for; the others have none."""
_LOOKED_AT = 200
"""Turns that are looked through for the time that a question names."""
_WRITTEN = re.compile(r"\[([^\[\]]*\d{4})\]")


@dataclass(frozen=True, slots=True)
class Shares:
    """What counts for a turn besides how well it fits; 0 leaves an ingredient out."""

    words: float = 0.3
    """BM25's part of the fit, as a share of the question's best; the cosine has the rest."""
    answers: float = 0.35
    """Part of the fit of the turn before that a turn gets where that one asks something."""
    neighbours: float = 0.08
    """Part of the fit of the turns before and after that a turn gets."""
    session: float = 0.25
    """Part of the fit of the best turn of its session that a turn gets."""
    speaker: float = 0.2
    """What a turn of the only speaker that the question names gets."""
    asks: float = 0.08
    """What a turn that asks loses."""
    time: float = 0.12
    """What a turn gets that was said in the time that the question names, or that speaks of it."""
    nameless: bool = True
    """Whether the question is compared without the speakers' names."""

    @property
    def most(self) -> float:
        """The highest score there can be."""
        return 1 + self.answers + 2 * self.neighbours + self.session + self.speaker + self.time


class EpisodicLayer:
    """Conversations; documents that are none are not in it. Safe from several threads."""

    name = "episodic"

    def __init__(
        self,
        store: Store,
        dimension: int,
        embed: Callable[[Sequence[str]], Vectors],
        shares: Shares | None = None,
        today: Callable[[], datetime.date] = datetime.date.today,
    ) -> None:
        self._store = store
        self._dimension = dimension
        self._embed = embed
        self._shares = shares or Shares()
        self._today = today
        self._lock = threading.RLock()
        self._turns: Turns | None = None
        self._before: NDArray[np.int64] = np.zeros(0, np.int64)
        self._cursor = 0

    @property
    def cursor(self) -> int:
        """Position of the last change that the layer reflects."""
        with self._lock:
            self._loaded()
            return self._cursor

    def apply(self, changes: Sequence[Change]) -> None:
        """Adds and removes turns."""
        with self._lock:
            known = self._loaded()
            fresh = [change for change in changes if change.position > self._cursor]
            if not fresh:
                return
            touched = np.zeros(len(known), np.bool_)
            for change in fresh:
                if change.kind in ("insert", "forget"):
                    touched |= (known.ids >= change.first) & (known.ids <= change.last)
            come = [(change.first, change.last) for change in fresh if change.kind == "insert"]
            self._take(turns.kept(known, ~touched), come, fresh[-1].position)

    def recall(self, query: Query, k: int) -> list[Score]:
        """The k best turns, ties by id; empty when no conversation is remembered or the question has no vector."""
        with self._lock:
            known, before = self._loaded(), self._before
        if not len(known) or query.vector is None:
            return []
        asked = question.named(query.text, known.names)
        names = [known.names[number] for number in asked] if self._shares.nameless else []
        text = question.nameless(query.text, names)
        vector = query.vector if text == query.text else self._embed([text])[0]
        fit = self._fit(known, text, vector)
        scores = self._scored(known, before, fit, asked)
        scores += self._timely(known, query.text, scores)
        order = np.lexsort((known.ids, -scores))[:k]
        most = self._shares.most
        return [
            Score(int(known.ids[i]), float(np.clip(scores[i] / most, 0.0, 1.0)), self._why(known, before, int(i)))
            for i in order
        ]

    def rebuild(self) -> None:
        """Reads every turn anew."""
        with self._lock:
            self._turns = None
            self._loaded()

    def save(self) -> None:
        """Nothing to do: all of it stands in the store's rows."""

    def stats(self) -> LayerStats:
        """Turns and bytes in memory."""
        with self._lock:
            known = self._loaded()
            size = known.vectors.nbytes + len(known) * 33
            return LayerStats(
                self.name, self._cursor, len(known), size, f"{len(set(known.sessions.tolist()))} sessions"
            )

    def _loaded(self) -> Turns:
        if self._turns is None:
            changes = self._store.changes()
            position = changes[-1].position if changes else 0
            self._take(turns.none(self._dimension), list(living(changes).items()), position)
        assert self._turns is not None
        return self._turns

    def _take(self, known: Turns, ranges: Sequence[tuple[int, int]], position: int) -> None:
        passages = content.spoken(self._store, ranges) if ranges else []
        if passages:
            ids = [passage.id for passage in passages]
            known = turns.joined(known, passages, *content.vectors_by_id(self._store, ids, self._dimension))
        self._turns, self._before, self._cursor = known, known.before(), position

    def _fit(self, known: Turns, text: str, vector: Vectors) -> NDArray[np.float64]:
        """How well each turn fits the question by itself, in [0, 1]."""
        fit = np.clip(known.vectors @ vector, 0.0, 1.0).astype(np.float64)
        words = np.zeros(len(known))
        wanted = terms(text)
        if wanted and self._shares.words:
            number = self._store.number()
            with self._store.database.reading() as connection:
                found = fulltext.search(connection, number, narrow.expression(connection, number, wanted), _READ)
            if found:
                ids, values = np.array([id for id, _ in found]), np.array([max(value, 0.0) for _, value in found])
                places = np.searchsorted(known.ids, ids).clip(max=len(known) - 1)
                turn = known.ids[places] == ids
                words[places[turn]] = values[turn]
                words /= max(words.max(), 1e-9)
        return np.asarray((1 - self._shares.words) * fit + self._shares.words * words)

    def _scored(
        self, known: Turns, before: NDArray[np.int64], fit: NDArray[np.float64], asked: Sequence[int]
    ) -> NDArray[np.float64]:
        """The fit with what a turn has from its neighbours, its session and its speaker."""
        shares = self._shares
        follows = before >= 0
        earlier = np.where(follows, fit[before], 0.0)
        scores = fit + shares.neighbours * earlier
        scores += shares.answers * earlier * (follows & known.asks[before])
        np.add.at(scores, before[follows], shares.neighbours * fit[follows])
        best = np.zeros(len(known.keys))
        np.maximum.at(best, known.sessions, fit)
        scores += shares.session * best[known.sessions]
        if len(asked) == 1:
            scores += shares.speaker * (known.speakers == asked[0])
        return scores - shares.asks * known.asks

    def _timely(self, known: Turns, text: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """What turns get for having to do with the time that the question names."""
        gained = np.zeros(len(known))
        if not self._shares.time:
            return gained
        wanted = [(one.first.toordinal(), one.last.toordinal()) for one in periods(text, self._today())]
        if not wanted and (point := question.anchor(text)):
            wanted = self._around(known, *point)
        for first, last in wanted:
            gained[(known.days >= first) & (known.days <= last)] = self._shares.time
        if wanted:
            best = np.argsort(-scores, kind="stable")[:_LOOKED_AT]
            texts = content.passages_by_id(self._store, known.ids[best].tolist())
            for place in best.tolist():
                passage = texts.get(int(known.ids[place]))
                if passage is not None and any(_meets(each, wanted) for each in _WRITTEN.findall(passage.text)):
                    gained[place] = self._shares.time
        return gained

    def _around(self, known: Turns, side: str, words: str) -> list[tuple[int, int]]:
        """The days before or after the one on which the turn was said that tells best of an event."""
        dated = known.days > 0
        if not dated.any():
            return []
        fit = np.where(dated, known.vectors @ self._embed([words])[0], -1.0)
        day = int(known.days[int(fit.argmax())])
        return [(1, day)] if side == "before" else [(day, datetime.date.max.toordinal())]

    def _why(self, known: Turns, before: NDArray[np.int64], place: int) -> str:
        parts = [f"said by {known.names[known.speakers[place]]}"]
        if day := int(known.days[place]):
            date = datetime.date.fromordinal(day)
            parts.append(f"on {Period(date, date)}")
        if before[place] >= 0 and known.asks[before[place]]:
            parts.append("as an answer")
        return " ".join(parts)


def _meets(written: str, wanted: Sequence[tuple[int, int]]) -> bool:
    """Whether a date that stands in a turn is of the time that is wanted."""
    told = periods(written, datetime.date.min)
    return any(
        one.first.toordinal() <= last and first <= one.last.toordinal() for one in told for first, last in wanted
    )
