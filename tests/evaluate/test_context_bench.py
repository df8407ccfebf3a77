"""`memapp bench context` on a few short passages, with the real model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memapp.evaluate import bench, context_answers, context_times
from memapp.evaluate.split import held_out

PLACES = ("Brae", "Sullen Point", "Harn", "Lindern", "Ostwick", "Pell", "Quay", "Rudd")


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    """A set of two questions on held-out documents, and its corpus."""
    corpus = [
        {"title": f"The light of {place}", "text": f"The light of {place} was lit in {1871 + n}. " + "It is tall. " * 9}
        for n, place in enumerate(PLACES)
    ]
    questions = [
        {
            "id": str(n),
            "question": f"When was the light of {PLACES[n]} lit?",
            "answers": [str(1871 + n)],
            "gold": [[corpus[n]["title"], corpus[n]["text"]]],
        }
        for n in [n for n, record in enumerate(corpus) if held_out(record["title"])][:2]
    ]
    (tmp_path / "lights.json").write_text(json.dumps(questions))
    (tmp_path / "lights_corpus.json").write_text(json.dumps(corpus))
    return tmp_path / "lights.json", tmp_path / "lights_corpus.json"


@pytest.mark.models
def test_times_orders_and_answers(
    data: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(context_times, "_TOKENS", 30)
    monkeypatch.setattr(context_times, "SESSION", 330)
    monkeypatch.setattr(context_answers, "ANSWER", 6)
    out = tmp_path / "out.json"
    options = ["--set", str(data[0]), "--corpus", str(data[1]), "--json", str(out), "--repeats", "1", "--recoveries"]
    options += ["--sample", "2"]
    assert bench.run("context", [*options, "--permutations", "2", "--rounding", "1", "--sequential", "1"]) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["a set, 2 orders: same answer"] == 1
    assert figures["a set, 2 orders: largest change of log-probability"] == 0
    assert figures["a set joined in the order given, 1 orders: largest change of log-probability"] < 0.5
    assert figures["a set: log-probability"] < 0
    assert 0 < figures["a set, states in memory: share of one after another"] < 1
    assert figures["tokens of these passages"] >= 5 * 29
    assert "places of their own" in capsys.readouterr().out
