"""From passages to the phrases they speak of."""

from __future__ import annotations

from memapp.protocols import EmbedderIdentity, Extractor


def open_extractor(embedder: EmbedderIdentity) -> Extractor:
    """The extractor for the token states of this embedder; rules alone for one that the tagger was not trained on."""
    from memapp.extract.extractor import PhraseExtractor, RuleExtractor
    from memapp.models import minilm

    return PhraseExtractor() if embedder.sha256 == minilm.WEIGHTS_SHA256 else RuleExtractor()
