"""The graph layer: passages and the phrases that join them, in the manner of HippoRAG 2, without a model at ingest."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from memapp.layers.graph.activation import activate
from memapp.layers.graph.contribution import Contribution, contribution
from memapp.layers.graph.state import GraphState
from memapp.store import content, derived, extractions
from memapp.store.derived import Stamp
from memapp.store.extractions import Spoken
from memapp.store.log import Store, living
from memapp.types import Change, LayerStats, Query, Score

VERSION = "graph-1"
"""Changes with what a passage contributes, so that older files are made anew."""
SAVE_FROM = 200
"""Passages from which reading a file is worth more than reading the rows."""
_BATCH = 1_000


class GraphLayer:
    """Follows phrases from what a question names, and from what is near it, to where the rest stands.

    Safe from several threads. The graph is the sum of what living passages contribute, so any order of coming and
    going gives the same one, and it holds numbers only: words stand in the store.
    """

    name = "graph"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._state: GraphState | None = None
        self._cursor = 0
        self._saved = 0

    @property
    def cursor(self) -> int:
        """Position of the last change that the graph reflects."""
        with self._lock:
            self._loaded()
            return self._cursor

    def apply(self, changes: Sequence[Change]) -> None:
        """Adds and takes back contributions; the file of a graph that held a forgotten passage goes at once."""
        with self._lock:
            state = self._loaded()
            fresh = [change for change in changes if change.position > self._cursor]
            if not fresh:
                return
            if any(change.kind == "forget" for change in fresh):
                derived.remove(self._path)
                self._saved = 0
            gone = [change for change in fresh if change.kind == "forget"]
            state.remove(id for change in gone for id in range(change.first, change.last + 1))
            come = [(change.first, change.last) for change in fresh if change.kind in ("insert", "extract")]
            # Neighbours of one document contribute together, so a passage of which more is known brings all of it.
            self._replace(state, extractions.whole(self._store, come))
            self._cursor = fresh[-1].position

    def recall(self, query: Query, k: int) -> list[Score]:
        """The k best passages by walks and bridges from what the question names and from `query.near`."""
        with self._lock:
            state = self._loaded()
            return activate(state, query.text, query.near, query.facts)[:k] if state.passages else []

    def rebuild(self) -> None:
        """Makes the graph anew from what the store says that passages speak of."""
        with self._lock:
            derived.remove(self._path)
            self._fresh()
            self.save()

    def save(self) -> None:
        """Writes the graph beside the store when it is large and has changed by a twentieth."""
        from safetensors.numpy import save

        with self._lock:
            if self._state is None or self._state.passages < SAVE_FROM or self._cursor == self._saved:
                return
            if self._saved and self._cursor - self._saved < self._state.passages // 20:
                return
            stamp = Stamp(self._cursor, self._store.mark(self._cursor), VERSION, "graph")
            if derived.write(self._path, save(self._state.arrays()), stamp):
                self._saved = self._cursor

    def stats(self) -> LayerStats:
        """Cursor, passages, bytes in memory, and the size of the graph."""
        with self._lock:
            state = self._loaded()
            kind = f"{state.phrases:,} phrases, {state.adjacency.edges:,} edges"
            return LayerStats(self.name, self._cursor, state.passages, state.bytes, kind)

    def state(self) -> GraphState:
        """The graph itself, for whoever draws or exports it; not to be changed."""
        with self._lock:
            return self._loaded()

    def copy(self) -> GraphState:
        """The graph at this moment, to look at for as long as it takes."""
        with self._lock:
            state = self._loaded()
            return GraphState.from_arrays({name: array.copy() for name, array in state.arrays().items()})

    @property
    def _path(self) -> Path:
        return self._store.database.derived(self._store.number()) / "graph.safetensors"

    def _loaded(self) -> GraphState:
        """Takes the saved file when it belongs to this log, else the rows."""
        if self._state is None:
            found = derived.read(self._path, _from_bytes)
            if found is not None:
                state, stamp = found
                if stamp.identity == VERSION and stamp.mark == self._store.mark(stamp.position):
                    self._state = state
                    self._cursor = self._saved = stamp.position
                    return state
                derived.remove(self._path)
            self._fresh()
        assert self._state is not None
        return self._state

    def _fresh(self) -> None:
        changes = self._store.changes()
        state = GraphState()
        for batch in _batches(_contributions(extractions.spoken(self._store, content.joined(living(changes).items())))):
            state.add(batch)
        self._state = state
        self._cursor = changes[-1].position if changes else 0
        self._saved = 0

    def _replace(self, state: GraphState, ranges: Iterable[tuple[int, int]]) -> None:
        ranges = list(ranges)
        state.remove(id for first, last in ranges for id in range(first, last + 1))
        for batch in _batches(_contributions(extractions.spoken(self._store, content.joined(ranges)))):
            state.add(batch)


def _from_bytes(data: bytes) -> GraphState:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return GraphState.from_arrays(load(data))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _contributions(spoken: Iterable[Spoken]) -> Iterator[Contribution]:
    previous: Spoken | None = None
    for one in spoken:
        together = previous is not None and previous.document == one.document
        yield contribution(one, previous.passage if previous is not None and together else None)
        previous = one


def _batches(contributions: Iterator[Contribution]) -> Iterator[list[Contribution]]:
    while batch := list(islice(contributions, _BATCH)):
        yield batch
