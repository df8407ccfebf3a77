"""A model's profile, with the default model on a part of the sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from memapp import profile as profiling
from memapp.memory import Memory
from memapp.models import profiles
from memapp.models.scripted import ScriptedEmbedder
from memapp.settings import Settings


@pytest.mark.models
def test_a_profile_is_measured_kept_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "PLACES", 2)
    monkeypatch.setattr(profiles, "default_directory", lambda: tmp_path / "models")
    told: list[str] = []
    found = profiling.profile(Settings(answer_tokens=8), lambda progress: told.append(progress.stage), questions=3)
    assert 2 <= found.questions <= 3
    assert len(found.curve) == len(found.spread) == 2
    assert all(value < 0 for value in found.curve)
    assert "profile" in told
    assert profiles.curve(found.model) == pytest.approx(found.curve, abs=1e-4)
    profiles.keep(found.model, [-9.0, -1.0])
    settings = Settings(order="profile", answer_tokens=8, k=2, focus=0.0, layers=("lexical", "dense"), extract=False)
    with Memory.open(tmp_path / "m.db", settings=settings, embedder=ScriptedEmbedder()) as memory:
        memory.add("The mill at Brae grinds rye on Mondays.", id="mill")
        memory.add("The ferry to Sullen Point leaves at nine.", id="ferry")
        answer = memory.ask("When does the mill at Brae grind rye?")
    assert not answer.abstained
    assert answer.citations[0].document == "mill"
