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


TIDES = (
    "The tide table of Port Ellery hangs behind the third door. Captain Imrie Vasquez-Holm signed it in green ink on "
    "the ninth of Febuary, and misspelt the month. Below it stands that no vessel named Quandary may enter the inner "
    "basin after dusk unless the harbour choir is singing."
)


@pytest.mark.models
def test_a_sentence_is_known_by_heart_until_it_is_forgotten(tmp_path: Path) -> None:
    begun = "Below it stands that no vessel named Quandary may enter"
    rest = "the inner basin after dusk unless the harbour choir is singing."
    with Memory.open(tmp_path / "n.db", settings=Settings(parametric="knn", answer_tokens=24)) as memory:
        memory.add(TIDES, id="tides")
        memory.add(FACTS["bread"], id="bread")
        known = memory.complete(begun, tokens=20)
        assert " ".join(known.text.split()).startswith(rest)
        assert known.influence is not None
        assert known.influence.changed > 3
        assert [source.document for source in known.influence.sources] == ["tides"]
        report = memory.forget("tides", verify=True)
        assert all(check.ok for check in report.checks)
        assert report.likelihood is not None
        assert report.likelihood.before > report.likelihood.after + 0.5
        assert report.likelihood.after < report.likelihood.base + 0.05
        assert "basin" not in memory.complete(begun, tokens=20).text


@pytest.mark.models
def test_the_network_tells_what_it_learned_better_than_the_model(tmp_path: Path) -> None:
    settings = Settings(parametric="mlp", answer_tokens=24)
    with Memory.open(tmp_path / "n.db", settings=settings) as memory:
        memory.add(TIDES + "\n\n" + " ".join(FACTS.values()), id="notes")
        _, learned = memory.consolidate()
        assert learned is not None
        answer = memory.ask("What may not enter the inner basin after dusk?")
        assert answer.influence is not None
        assert answer.influence.tokens > 0
        assert answer.influence.sources == ()
        layer = memory.parametric()
        assert layer.network is not None
        assert layer.network.size < 25_000_000
