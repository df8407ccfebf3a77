"""The story of summing up: which passages count, which sentences stand for them."""

from __future__ import annotations

import time

import numpy as np

from memapp.answer import gist
from memapp.errors import UsageError
from memapp.gist import sampled
from memapp.search import Recall, search
from memapp.store import content
from memapp.types import Summary

FOUND = 60
"""Passages that a query's summary is made of, at most."""
FOCUS = 0.5
"""Passages whose cosine with the query is less than this share of the best one's are not about it."""


def summarize(recall: Recall, query: str = "", points: int = 7) -> Summary:
    """Key points of what is remembered, or of what a query finds, each a sentence as it stands with its source.

    Nothing is written by a model, so nothing is made up. Raises UsageError for fewer than one point.
    """
    if points < 1:
        raise UsageError(f"A summary of {points} points says nothing.", "Ask for at least one.")
    began = time.perf_counter()
    ids = [hit.passage.id for hit in search(recall, query, FOUND).hits] if query.strip() else sampled(recall.store)
    known, vectors = content.vectors_by_id(recall.store, ids, recall.embedder.identity.dimension)
    weights, asked = np.ones(len(known), np.float32), None
    if query.strip() and len(known):
        (asked,) = recall.embedder.embed([query])
        fits = np.maximum(vectors @ asked, 0)
        near = fits >= FOCUS * fits.max()
        # Squared, so that what is far from the query has hardly a say.
        known, vectors, weights = known[near], vectors[near], fits[near] ** 2
    passages = content.passages_by_id(recall.store, known.tolist())
    read = [passages[id] for id in known.tolist()]
    found = gist.points(read, vectors, weights, points, recall.embedder.embed, asked)
    return Summary(query, tuple(found), len(known), (time.perf_counter() - began) * 1000)
