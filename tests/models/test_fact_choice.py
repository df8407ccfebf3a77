"""The real default model choosing among facts: whatever it thinks of them, it says numbers."""

from __future__ import annotations

import pytest

from memapp.models.llama import LlamaEngine
from memapp.recall.facts import recognised
from memapp.types import Fact, FittingFact

GIVEN = (
    FittingFact(Fact("Dancing Pirate", "was directed by", "Lloyd Corrigan"), 1.0),
    FittingFact(Fact("Port Ellery", "lies on", "the coast"), 0.4),
)


@pytest.mark.models
def test_a_real_model_chooses_by_number(engine: LlamaEngine) -> None:
    found = recognised("Who directed Dancing Pirate?", GIVEN, engine)
    assert found
    assert set(found) <= set(GIVEN)
