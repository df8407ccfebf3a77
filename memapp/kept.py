"""What one namespace keeps, to look at: sessions, documents, log, statistics, graph."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from memapp import care
from memapp import ingest as ingesting
from memapp import search as finding
from memapp.errors import UsageError
from memapp.opened import Opened
from memapp.store import chats, content, erase
from memapp.types import Document, DocumentInfo, LogEntry, Passage, SessionInfo, Stats, StoredTurn

if TYPE_CHECKING:
    from memapp.graph import Graph


class Kept(Opened):
    """What `Memory` tells of itself. Safe to use from several threads."""

    # Sessions

    def sessions(self) -> list[SessionInfo]:
        """Kept chat sessions, the one spoken in last first."""
        return chats.sessions(self._store)

    def turns(self, session: str) -> list[StoredTurn]:
        """The turns of a session in order."""
        return chats.of_session(self._store, session)

    def search_turns(self, text: str, limit: int = 50) -> list[StoredTurn]:
        """Turns of any session that contain `text`, newest first."""
        return chats.search(self._store, text, limit)

    def delete_session(self, session: str) -> int:
        """Deletes a session; returns the number of its turns."""
        deleted = chats.delete(self._store, session)
        self._forget_states()
        erase.scrub(self._store.database, self.settings.busy_seconds)
        return deleted

    # Looking

    def documents(self, *, source: str | None = None, limit: int | None = None) -> list[DocumentInfo]:
        """What is remembered, oldest first; `source` is a file or a folder."""
        return content.infos(self._store, self._source(source) if source is not None else None, limit)

    def document(self, id: str) -> Document:
        """A document with its whole text. Raises UsageError when it is not known."""
        found = content.document(self._store, self._known([id])[0])
        if found is None:
            raise _unknown(id)
        return found

    def passages(self, id: str) -> list[Passage]:
        """The passages of a document in order. Raises UsageError when it is not known."""
        return content.passages_of(self._store, self._known([id])[0])

    def log(self, limit: int | None = None) -> list[LogEntry]:
        """What came and went, newest first."""
        return self._store.entries(limit)

    def stats(self) -> Stats:
        """What the namespace holds, and the state of its layers."""
        documents, passages, characters, changes = content.totals(self._store)
        embedder = self._store.embedder()
        files = [path for path in erase.files(self._files()) if path.exists()]
        return Stats(
            self.namespace,
            documents,
            passages,
            characters,
            changes,
            sum(path.stat().st_size for path in files),
            f"{embedder.name} ({embedder.dimension}, {embedder.sha256[:12]})" if embedder else "",
            tuple(care.layer_stats(self._store, self._chosen(self._used()))),
        )

    def graph(self) -> Graph:
        """The graph of what is remembered, as it is now: to look at, to draw, to export."""
        from memapp.graph import Graph
        from memapp.layers.graph.layer import GraphLayer

        layer = self._chosen(("graph",))["graph"]
        assert isinstance(layer, GraphLayer)
        finding.catch_up(layer, self._store)
        return Graph(layer, self._store, frozenset(self._own()))

    # Inside

    def _own(self) -> set[Path]:
        """The store's files, which a folder to ingest may hold."""
        return {path.resolve() for path in erase.files(self._files())}

    def _files(self) -> list[Path]:
        path = self._store.path
        beside = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm", "-journal", ".layers")]
        return [each for each in beside if each.exists()]

    def _source(self, source: str) -> str:
        """A source as it is stored: as given when something has it, else as an absolute path."""
        return source if content.infos(self._store, source, 1) else ingesting.source_name(source)

    def _known(self, ids: Iterable[str]) -> list[str]:
        """These ids as they are stored; a file may be named by a relative path."""
        wanted = list(ids)
        stored = self._store.hashes([*wanted, *(ingesting.source_name(id) for id in wanted)])
        for id in wanted:
            if id not in stored and ingesting.source_name(id) not in stored:
                raise _unknown(id)
        return [id if id in stored else ingesting.source_name(id) for id in wanted]


def _unknown(id: str) -> UsageError:
    return UsageError(f"There is no document '{id}'.", "See what there is with `memapp list`.")
