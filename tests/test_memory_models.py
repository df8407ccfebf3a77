"""The facade with the real default models: remembered, found by meaning, answered with a source, forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from memapp.memory import Memory
from memapp.settings import Settings
from memapp.types import Citation, Done, Recalled

FACTS = {
    "heron": "The grey heron waits without moving at the edge of the pond and catches frogs.",
    "turku": "The harbour of Turku was closed by ice for eleven weeks in the winter of 1878.",
    "bread": "Rye bread is leavened with a sour starter that is fed with flour for five days.",
}


@pytest.mark.models
def test_from_a_text_to_an_answer_and_back(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "n.db", settings=Settings(answer_tokens=24, k=2)) as memory:
        for id, fact in FACTS.items():
            memory.add(fact, id=id)
        meant = {"How long could ships not reach the Finnish port?": "turku", "What does the wading bird eat?": "heron"}
        for question, id in meant.items():
            assert memory.recall(question, 1, layers=["dense"])[0].passage.document == id
        events = list(memory.chat("In which year was the harbour of Turku closed by ice?", "s"))
        assert isinstance(events[0], Recalled)
        done = events[-1]
        assert isinstance(done, Done)
        assert done.answer.hits[0].passage.document == "turku"
        assert done.answer.text
        for citation in (event for event in events if isinstance(event, Citation)):
            assert FACTS[citation.document][citation.start : citation.end] == citation.text
        report = memory.forget("turku", verify=True)
        assert report.turns == 1
        assert all(check.ok for check in report.checks)
        assert "turku" not in {hit.passage.document for hit in memory.recall("harbour of Turku")}
