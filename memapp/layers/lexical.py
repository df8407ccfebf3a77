"""BM25 over words, by the store's own full-text index, which changes with the passages themselves."""

from __future__ import annotations

from collections.abc import Sequence

from memapp.store import check, content, fulltext, narrow
from memapp.store.log import Store
from memapp.store.terms import terms
from memapp.types import Change, LayerStats, Query, Score


class LexicalLayer:
    """Words. Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009)."""

    name = "lexical"

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def cursor(self) -> int:
        """Always the log's head: the index is written in the log's own transactions."""
        return self._store.head()

    def apply(self, changes: Sequence[Change]) -> None:
        """Nothing to do: what the log holds is indexed already."""

    def recall(self, query: Query, k: int) -> list[Score]:
        """The k best passages by BM25; empty when the question holds no word."""
        words = terms(query.text)
        if not words:
            return []
        with self._store.database.reading() as connection:
            if self._store.number() < 0:
                return []
            number = self._store.number()
            found = fulltext.search(connection, number, narrow.expression(connection, number, words), k)
        return [Score(id, score) for id, score in found]

    def rebuild(self) -> None:
        """Indexes every passage anew, in one transaction."""
        with self._store.database.writing() as connection:
            content.reindex(connection, self._store.claim_namespace(connection))

    def save(self) -> None:
        """Nothing to do: the index is saved by the commit."""

    def stats(self) -> LayerStats:
        """Size of the index."""
        passages, size = check.fulltext_size(self._store)
        return LayerStats(self.name, self.cursor, passages, size, "SQLite FTS5, BM25")
