"""The way to a passage in words: which phrases the question names, and through which phrase from which passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from memapp.extract.phrases import aliases, normal
from memapp.layers.graph.keys import phrase_key
from memapp.types import Extraction, Hit, Link, Passage


def explained(hit: Hit, links: Sequence[Link], spoken: Mapping[int, Extraction], sources: Mapping[int, Passage]) -> Hit:
    """The hit with the graph's share explained; a link whose phrase or source is gone meanwhile is left out."""
    words = _words(hit.passage, spoken.get(hit.passage.id, Extraction()))
    named = [f"“{words[link.phrase]}”" for link in links if link.source is None and link.phrase in words]
    parts = [f"the question names {', '.join(named)}"] if named else []
    for link in links:
        source = sources.get(link.source) if link.source is not None else None
        if source is not None and link.phrase in words:
            parts.append(f"from “{_name(source)}” through “{words[link.phrase]}”")
    why = "; ".join(parts)
    shares = tuple(replace(share, why=why) if share.layer == "graph" else share for share in hit.shares)
    return replace(hit, shares=shares) if why else hit


def _words(passage: Passage, extraction: Extraction) -> dict[int, str]:
    """Phrases of a passage by their key, as they are written."""
    found: dict[int, str] = {}
    ends = (phrase for fact in extraction.facts for phrase in (fact.subject, fact.object))
    for phrase in (passage.title.partition(" (")[0], passage.title, *extraction.phrases, *ends):
        for form in (normal(phrase), *aliases(phrase)):
            found.setdefault(phrase_key(form), phrase)
    return found


def _name(passage: Passage) -> str:
    return passage.title or " ".join(passage.text.split()[:6]) + " …"
