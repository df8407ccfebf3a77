"""`memapp train parametric`, `memapp complete`, and what `ask` and `forget` tell of the parametric memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from memapp import consolidate
from memapp.layers.amortized import encoder
from memapp.layers.parametric.training import Recipe

Call = Callable[..., Result]
STORY = " ".join(f"On day {day} the keeper wrote that ferry {day * 7 % 31} had come back." for day in range(60))


@pytest.fixture
def filled(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One text, remembered; networks are small."""
    monkeypatch.setattr(consolidate, "Recipe", lambda: Recipe(width=8, batch=32))
    path = tmp_path / "story.txt"
    path.write_text(STORY)
    assert call("ingest", str(path)).exit_code == 0
    return path


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_train_reads_then_learns_and_says_what_uses_it(call: Call, filled: Path) -> None:
    result = call("train", "parametric")
    assert (result.exit_code, result.stdout) == (0, "")
    words = len(STORY.split())
    assert f"{words} tokens in" in result.stderr
    assert "; 0 left." in result.stderr
    assert f"Network trained on {words} tokens" in result.stderr
    assert "the setting `parametric` is off" in result.stderr
    again = document(call("train", "parametric", "--json"))
    assert again["read"]["read"] == 0
    assert again["learned"]["tokens"] == words


def test_reading_alone_and_within_a_time(call: Call, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consolidate, "_COMMIT_TOKENS", 1)
    none = document(call("train", "parametric", "--minutes", "0", "--json"))
    assert none["learned"] is None
    rest = document(call("train", "parametric", "--no-network", "--json"))
    assert rest["learned"] is None
    assert rest["read"]["remaining"] == 0
    assert none["read"]["read"] == 1
    assert rest["read"]["read"] == none["read"]["remaining"] > 0


def test_an_empty_memory_has_nothing_to_learn(call: Call) -> None:
    assert call("init").exit_code == 0
    result = call("train", "parametric")
    assert result.exit_code == 2
    assert "Ingest something first" in result.stderr


def test_complete_goes_on_with_a_text(call: Call, filled: Path, answers: list[str]) -> None:
    answers.append("came back to the pier.")
    call("train", "parametric")
    result = call("complete", "On day 3 the ferry", "--memory", "both")
    assert (result.exit_code, result.stdout) == (0, "came back to the pier.\n")
    assert "memory (both) changed 0 of 0 tokens" in result.stderr
    record = document(call("complete", "On day 3 the ferry", "-n", "2", "--memory", "knn", "--json"))
    assert record["completion"] == "came back"
    assert record["memory"] == {"mode": "knn", "tokens": 0, "changed": 0, "sources": []}
    assert document(call("complete", "On day 3", "--json"))["memory"] is None
    assert call("complete", "  ").exit_code == 2
    assert call("complete", "On day 3", "--memory", "sometimes").exit_code == 2


def test_ask_tells_of_the_memory_in_its_record(call: Call, filled: Path) -> None:
    call("train", "parametric")
    assert document(call("ask", "What did the keeper write?", "--json"))["memory"] is None
    told = document(call("ask", "What did the keeper write?", "--memory", "mlp", "--json"))["memory"]
    assert told["mode"] == "mlp"


def test_forget_verify_tells_the_likelihood(call: Call, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMAPP_PARAMETRIC", "both")
    call("train", "parametric")
    result = call("forget", str(filled), "--yes", "--verify")
    assert result.exit_code == 0
    assert "Log-likelihood of the text, nats a token" in result.stderr
    assert "layer parametric" in result.stdout + result.stderr


def test_training_soft_tokens_without_torch_says_what_to_install(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "memapp.train.amortized.__main__", raising=False)
    result = call("train", "amortized", "--data", "folder")
    assert result.exit_code != 0
    assert "pip install torch" in result.stderr


def test_an_option_of_the_training_without_data_is_refused(call: Call) -> None:
    assert call("init").exit_code == 0
    result = call("train", "amortized", "--rank", "8")
    assert result.exit_code == 2
    assert "--data" in result.stderr


@pytest.mark.models
def test_soft_tokens_are_made_of_what_has_none(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    # The model as it is shipped: which form is fastest here need not be measured.
    monkeypatch.setattr(encoder, "placed", lambda model, options, *_: (model.path, options))
    assert call("note", "The mill at Brae grinds rye on Mondays.").exit_code == 0
    first = document(call("train", "amortized", "--json"))
    assert (first["made"], first["remaining"]) == (1, 0)
    again = call("train", "amortized")
    assert "0 passages encoded" in again.stderr
    assert "the setting `bank` is 0" in again.stderr
