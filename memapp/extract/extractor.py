"""Phrases of a passage without a language model: the tagger on the embedder's token states, and a few rules."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from memapp.extract import rules, tagger
from memapp.extract.phrases import normal
from memapp.extract.words import words
from memapp.models import weights
from memapp.protocols import TokenStates
from memapp.settings import shipped
from memapp.types import Extraction, Passage

if TYPE_CHECKING:
    from memapp.extract.tagger import Weights

NAME = "phrases-1"
"""The number changes with the rules."""
WEIGHTS = "weights/tagger.safetensors"
DOUBT = 0.5
"""A word is left out when the tagger is so sure that it belongs to no mention."""
DOUBT_CAPITAL = 0.9
"""The same for a word with a capital inside a sentence."""
BATCH = 64
"""Passages whose token states are looked at together."""


class PhraseExtractor:
    """Names, titles, works, events, concepts and dates that passages speak of. Safe to use from several threads.

    Making one is cheap; the weights are read and checked at first use, which raises ModelMissing or ModelDamaged.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._loaded: tuple[Weights, str] | None = None

    @property
    def identity(self) -> str:
        """Name and hash of the weights."""
        return f"{NAME}/{self._read()[1]}"

    def extract(self, passages: Sequence[Passage], states: Sequence[TokenStates]) -> list[Extraction]:
        """The phrases of each passage as they are written, in order; the title first.

        `states` are those of each passage's `content`, from Embedder.encode; what lies behind their end is looked at
        by the rules alone.
        """
        weights = self._read()[0]
        made = []
        for at in range(0, len(passages), BATCH):
            chosen = passages[at : at + BATCH]
            found = self._mentions(weights, [passage.content for passage in chosen], states[at : at + BATCH])
            made += [_extraction(passage, spans) for passage, spans in zip(chosen, found, strict=True)]
        return made

    def phrases(self, text: str, states: TokenStates) -> tuple[str, ...]:
        """The phrases of a text of its own, such as a question."""
        return _written(text, self.spans([text], [states])[0])

    def spans(self, texts: Sequence[str], states: Sequence[TokenStates]) -> list[list[tuple[int, int]]]:
        """Where the phrases of texts without titles stand, [start, end) in characters, in order."""
        found = self._mentions(self._read()[0], texts, states)
        return [_with_rules(text, spans) for text, spans in zip(texts, found, strict=True)]

    def _mentions(
        self, weights: Weights, texts: Sequence[str], states: Sequence[TokenStates]
    ) -> list[list[tuple[int, int]]]:
        found = words(texts, states)
        return tagger.spans(found, tagger.scores(weights, found, states), len(texts), DOUBT, DOUBT_CAPITAL)

    def _read(self) -> tuple[Weights, str]:
        with self._lock:
            if self._loaded is None:
                self._loaded = read_weights(self._path or shipped(WEIGHTS))
            return self._loaded


class RuleExtractor:
    """Titles, dates, quoted names and runs of words with capitals: for token states that the tagger does not know."""

    @property
    def identity(self) -> str:
        """A constant name."""
        return f"{NAME}/rules"

    def extract(self, passages: Sequence[Passage], states: Sequence[TokenStates]) -> list[Extraction]:
        """The phrases of each passage as they are written, in order; the title first. `states` are not looked at."""
        return [_extraction(passage, rules.capitals(passage.content)) for passage in passages]


def read_weights(path: Path) -> tuple[Weights, str]:
    """The tagger's weights and the sha256 of their file. Raises ModelDamaged where the manifest beside it differs."""
    found = weights.read(path, "memapp.train.tagger")
    return {name: value.astype(np.float32) for name, value in found.tensors.items()}, found.sha256


def _extraction(passage: Passage, spans: list[tuple[int, int]]) -> Extraction:
    content = passage.content
    titles = rules.title_forms(passage.title)
    head = len(passage.title) + 1 if passage.title else 0
    own = {normal(title) for title in titles}
    body = _with_rules(content, spans, *(rules.places(content, title) for title in titles))
    kept = [span for span in body if span[0] >= head or normal(content[slice(*span)]) not in own]
    return Extraction((*titles, *_written(content, kept)))


def _with_rules(text: str, spans: list[tuple[int, int]], *titles: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The tagger's spans and those of the rules: a date or a title is taken whole, else the tagger knows best."""
    spans = rules.mended(text, spans)
    dates = rules.dates(text)
    whole = [date for date, inside in zip(dates, rules.within(dates, spans), strict=True) if not inside]
    return rules.merged(whole, *titles, spans, rules.quoted(text))


def _written(text: str, spans: list[tuple[int, int]]) -> tuple[str, ...]:
    written = (" ".join(text[start:end].split()) for start, end in spans)
    return tuple(phrase for phrase in written if normal(phrase))
