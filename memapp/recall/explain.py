"""The way to a passage in words: which phrases the question names, and through which phrase from which passage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from memapp.extract.phrases import aliases, normal
from memapp.layers.graph.keys import phrase_key
from memapp.types import Extraction, Hit, Link, Passage, Step

_BEGINNING = 6
"""Words of a passage without a title that stand for its name."""


def explained(hit: Hit, links: Sequence[Link], spoken: Mapping[int, Extraction], sources: Mapping[int, Passage]) -> Hit:
    """The hit with the graph's way to it; a link whose phrase or source is gone meanwhile is left out."""
    path = tuple(dict.fromkeys(_steps(hit.passage, links, spoken.get(hit.passage.id, Extraction()), sources)))
    if not path:
        return hit
    why = sentence(path)
    shares = tuple(replace(share, why=why) if share.layer == "graph" else share for share in hit.shares)
    return replace(hit, shares=shares, path=path)


def sentence(path: Sequence[Step]) -> str:
    """A way in one line."""
    named = [f"“{step.phrase}”" for step in path if not step.source]
    parts = [f"the question names {', '.join(named)}"] if named else []
    return "; ".join([*parts, *(f"from “{step.source}” through “{step.phrase}”" for step in path if step.source)])


def name_of(title: str, text: str) -> str:
    """What to call a passage: its title, else how it begins."""
    words = text.split(None, _BEGINNING)
    return title or " ".join(words[:_BEGINNING]) + ("" if 0 < len(words) <= _BEGINNING else " …")


def spellings(title: str, extraction: Extraction) -> Iterator[tuple[str, str]]:
    """The normal forms that a passage brings into the graph, each with how the passage writes it.

    A form that only another name for a phrase has (see `aliases`) is spelled as that phrase. Own forms come first.
    """
    ends = (phrase for fact in extraction.facts for phrase in (fact.subject, fact.object))
    written = dict.fromkeys((title.partition(" (")[0], title, *extraction.phrases, *ends))
    for phrase in written:
        if form := normal(phrase):
            yield form, phrase
    for phrase in written:
        for form in aliases(phrase):
            yield form, phrase


def _steps(
    passage: Passage, links: Sequence[Link], extraction: Extraction, sources: Mapping[int, Passage]
) -> Iterator[Step]:
    words: dict[int, str] = {}
    wanted = {link.phrase for link in links}
    for form, phrase in spellings(passage.title, extraction):
        if len(words) == len(wanted):
            break
        key = phrase_key(form)
        if key in wanted:
            words.setdefault(key, phrase)
    for link in links:
        if link.phrase in words and link.source is None:
            yield Step(words[link.phrase])
    for link in links:
        source = sources.get(link.source) if link.source is not None else None
        if source is not None and link.phrase in words:
            yield Step(words[link.phrase], name_of(source.title, source.text), source.id)
