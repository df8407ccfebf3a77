"""Which documents are only measured on: one rule for every model that is trained on questions, so that a figure of one
is never helped by what another has read."""

from __future__ import annotations

import hashlib


def held_out(title: str) -> bool:
    """Whether a document of this title is for measuring only: by the parity of the first byte of its sha256."""
    return hashlib.sha256(title.encode()).digest()[0] % 2 == 1
