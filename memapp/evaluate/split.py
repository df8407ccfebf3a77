"""Which documents are only measured on: one rule for every model that is trained on questions, so that a figure of one
is never helped by what another has read."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from memapp.evaluate.data import Collection


def held_out(title: str) -> bool:
    """Whether a document of this title is for measuring only: by the parity of the first byte of its sha256."""
    return hashlib.sha256(title.encode()).digest()[0] % 2 == 1


def asking_held_out(collection: Collection) -> Collection:
    """The collection with its questions on held-out documents only; all its documents stay to be found."""
    titles = {record.id: record.title for record in collection.records}
    kept = (one for one in collection.questions if any(held_out(titles[id]) for id in one.gold))
    return replace(collection, questions=tuple(kept))
