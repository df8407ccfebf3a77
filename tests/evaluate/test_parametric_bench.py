"""The benches of the parametric memory, and what they are made of, on small texts with the real model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from memapp.errors import UsageError
from memapp.evaluate import bench, texts
from memapp.evaluate.mixed import Asked, fixed, gated, perplexity
from memapp.layers.parametric.gate import MEMORIES, SIGNALS
from memapp.train import gate

KEEPERS = ["Orla Finch", "Benedikt Vos", "Tamsin Hale", "Ruiz the younger"]


@pytest.fixture
def prose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two texts of some hundred tokens, of which the last eighty are never remembered."""
    monkeypatch.setattr(texts, "ENDING", 80)
    days = [
        f"On day {n} of the long winter the keeper {KEEPERS[n % 4]} counted {n * 13 % 47} gulls and {n * 5 % 9} ships. "
        for n in range(40)
    ]
    (tmp_path / "winter.txt").write_text("".join(days))
    (tmp_path / "bread.txt").write_text("Rye bread rises slowly, and the baker waits beside the oven until noon. " * 20)
    return tmp_path


@pytest.mark.models
def test_perplexity_repetition_time_and_bytes(prose: Path) -> None:
    out = prose / "out.json"
    arguments = [str(prose / "winter.txt"), "--unrelated", str(prose / "bread.txt"), "--sentences", "3"]
    assert bench.run("parametric", [*arguments, "--tokens", "700", "--json", str(out)]) == 0
    figures = json.loads(out.read_text())["figures"]
    (text,) = figures["texts"]
    assert text["tokens"] == 700
    assert text["held_out"]["both"] < 0.8 * text["held_out"]["base"]
    assert text["bytes"]["token"] == 580
    assert figures["repeated"][0] > figures["repeated"][1] == 0
    assert figures["mean"]["both"] == pytest.approx(text["held_out"]["both"] / text["held_out"]["base"] - 1)


@pytest.mark.models
def test_speeds(prose: Path) -> None:
    out = prose / "out.json"
    sizes = ["--remember", "300", "--keys", "3000", "--answer", "6", "--repeats", "1"]
    assert bench.run("parametric-speed", [str(prose / "winter.txt"), *sizes, "--json", str(out)]) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["keys"] == 3000
    assert set(figures["tokens_per_second"]) == {"off", "knn", "mlp", "both"}
    assert all(speed > 0 for speed in figures["tokens_per_second"].values())


@pytest.mark.models
def test_answers(prose: Path) -> None:
    corpus = [{"title": "Pump", "text": "The pump was serviced by Ines in May 2021."}]
    asked = [{"id": "1", "question": "Who serviced the pump?", "answers": ["Ines"], "gold": [[*corpus[0].values()]]}]
    (prose / "toy.json").write_text(json.dumps(asked))
    (prose / "toy_corpus.json").write_text(json.dumps(corpus))
    out = prose / "out.json"
    arguments = ["--set", str(prose / "toy.json"), "--corpus", str(prose / "toy_corpus.json"), "--json", str(out)]
    assert bench.run("parametric-qa", arguments) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["with passages / off / log-probability"] > figures["without / off / log-probability"]
    assert len(figures) == 16


def test_a_text_that_is_too_short_or_absent_is_told_of(prose: Path) -> None:
    with pytest.raises(UsageError, match="no text"):
        texts.named(prose, "summer")
    assert [path.stem for path in texts.named(prose)] == ["bread", "winter"]


def test_sentences_stand_once_in_the_text_and_are_always_the_same() -> None:
    text = "The gulls came back to the western pier in the morning. " * 2 + (
        "Nobody had counted the lamps on the island before that winter. Then a second keeper came from the mainland."
    )
    found = texts.sentences(text, 5)
    assert sorted(found) == [
        "Nobody had counted the lamps on the island before that winter.",
        "Then a second keeper came from the mainland.",
    ]
    assert found == texts.sentences(text, 5)


def asked(kind: str, right: str, size: int = 400) -> Asked:
    """Tokens of which one memory always knew, whose record says so."""
    said = np.full((size, len(MEMORIES)), 0.01, np.float32)
    said[:, MEMORIES.index(right)] = 0.9
    signals = np.zeros((size, len(SIGNALS)), np.float32)
    signals[:, 0] = 1
    for memory in MEMORIES:
        signals[:, SIGNALS.index(f"{memory} so far")] = 2.0 if memory == right else -2.0
    return Asked(kind, np.full(size, 0.1, np.float32), said, signals)


def test_a_gate_learns_whom_to_trust_and_leaves_the_rest_alone() -> None:
    known = [asked("held out", memory) for memory in MEMORIES]
    nothing = Asked("unrelated", known[0].base, np.full_like(known[0].said, 0.001), -np.abs(known[0].signals))
    nothing.signals[:, 0] = 1
    made = gate.fit([*known, nothing])
    for one in known:
        assert gated(made, one)["both"] < 1.3
    assert gated(made, nothing)["both"] < 10 * 1.02
    knn = gated(made, known[MEMORIES.index("knn")])
    assert knn["mlp"] > 9
    assert knn["base"] == pytest.approx(10)


def test_a_mode_hears_nothing_of_memories_that_are_not_its_own() -> None:
    one = asked("held out", "mlp")
    made = gate.fit([one, asked("unrelated", "mlp")])
    loud = Asked(one.kind, one.base, one.said, one.signals.copy())
    loud.signals[:, SIGNALS.index("knn so far")] = 99
    assert gated(made, loud)["mlp"] == gated(made, one)["mlp"]


def test_the_best_fixed_share_is_found() -> None:
    found = fixed(asked("held out", "ngram"))
    assert found["ngram"] == (pytest.approx(perplexity(np.full(9, 0.05 * 0.1 + 0.95 * 0.9, np.float32))), 0.95)
    assert found["knn"][1] == 0.02
