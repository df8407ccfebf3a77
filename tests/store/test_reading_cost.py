"""What a search reads from the store must not grow with the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from memapp.protocols import EmbedderIdentity
from memapp.store import content
from memapp.store.log import Entry, Store
from memapp.types import Document, Span

IDENTITY = EmbedderIdentity("test", 4, "0" * 64)
TEXT = "one sentence"


def test_passages_are_looked_up_by_id_not_by_going_through_the_namespace(tmp_path: Path) -> None:
    store = Store(tmp_path / "memory.db", "default")
    vector = np.eye(1, 4, dtype=np.float32)
    documents = [Document(f"d{n}", f"t{n}", TEXT) for n in range(300)]
    store.put([Entry(document, (Span(0, len(TEXT)),), vector) for document in documents], IDENTITY)
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        asked.append((statement, parameters))

    ids = list(range(1, 301, 3))
    sa.event.listen(store.database.engine, "before_cursor_execute", note)
    found = content.passages_by_id(store, ids)
    sa.event.remove(store.database.engine, "before_cursor_execute", note)
    statement, parameters = next((text, given) for text, given in asked if "FROM passages" in text)
    with store.database.reading() as connection:
        plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    store.close()
    assert set(found) == set(ids)
    assert plan[0] == "SEARCH passages USING INTEGER PRIMARY KEY (rowid=?)"
    assert plan[1] == "SEARCH documents USING INTEGER PRIMARY KEY (rowid=?)"
