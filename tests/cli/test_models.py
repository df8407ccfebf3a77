"""memapp models, over a catalog of this test's own; and the whole road with the real default models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from memapp.cli import app

Call = Callable[..., Result]

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A file that begins like a GGUF file, which is all that adding one looks at."""
    path = tmp_path / "Tiny-1B.Q4_0.gguf"
    path.write_bytes(b"GGUF" + (3).to_bytes(4, "little") + bytes(16) + b"weights")
    return path


def test_the_bundled_model_is_listed_and_in_use(call: Call) -> None:
    listed = json.loads(call("models", "list", "--json").stdout)["models"]
    assert [model["origin"] for model in listed] == ["bundled"]
    assert listed[0]["active"]
    assert call("models", "list").stdout.startswith("*  SmolLM2")


def test_a_model_is_added_and_put_to_use(call: Call, gguf: Path) -> None:
    assert call("models", "add", str(gguf), "--name", "tiny").exit_code == 0
    assert call("models", "use", "tiny").exit_code == 0
    marked = [line.split()[1] for line in call("models", "list").stdout.splitlines() if line.startswith("*")]
    assert marked == ["tiny"]
    gguf.unlink()
    assert "missing" in call("models", "list").stdout
    assert call("models", "use", "tiny").exit_code == 3


def test_what_is_no_model_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "poem.gguf").write_text("Shall I compare thee to a summer's day, or to a file of weights?")
    assert call("models", "add", str(tmp_path / "poem.gguf")).exit_code == 3
    assert call("models", "add", str(tmp_path / "gone.gguf")).exit_code == 3
    assert call("models", "use", "nobody").exit_code == 2
    assert call("models", "pull", "http://example.invalid/model.gguf").exit_code == 2
    assert call("models", "pull", "https://example.invalid/m.gguf", "--sha256", "beef").exit_code == 2


def test_models_alone_explains_itself(call: Call) -> None:
    result = call("models")
    assert "pull" in result.output


@pytest.mark.models
def test_from_nothing_to_an_answer_and_to_oblivion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMAPP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEMAPP_ANSWER_TOKENS", "16")
    monkeypatch.delenv("MEMAPP_STORE", raising=False)
    runner = CliRunner()

    def run(*arguments: str) -> Result:
        return runner.invoke(app, list(arguments), catch_exceptions=False)

    made = run("init")
    assert made.exit_code == 0
    assert "SmolLM2" in made.stdout
    assert run("ingest", str(SAMPLE / "lighthouse")).exit_code == 0
    answer = json.loads(run("ask", "Who made the lens of the Skarrow lighthouse?", "--json").stdout)
    assert answer["answer"]
    assert answer["tokens"]["generated"] > 0
    streamed = run("ask", "Who made the lens of the Skarrow lighthouse?")
    assert streamed.exit_code == 0
    assert streamed.stdout.split()[:3] == answer["answer"].split()[:3]
    assert run("verify").exit_code == 0
    gone = run("forget", "--source", str(SAMPLE / "lighthouse"), "--yes", "--verify")
    assert gone.exit_code == 0, gone.output
    assert json.loads(run("list", "--json").stdout) == {"documents": []}
    assert run("doctor").exit_code == 0
