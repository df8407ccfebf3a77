"""The program as the shell sees it: start-up, exit codes, encodings, closed pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from memapp.memory import Memory
from memapp.protocols import Embedder

Run = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = {
    "alembic", "faiss", "llama_cpp", "lxml", "numpy", "onnx", "openvino", "pydantic", "pypdfium2", "rich", "sqlalchemy",
    "textual", "tokenizers", "torch",
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `python -m memapp` with a home of its own."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MEMAPP_")}
        environment |= {"MEMAPP_HOME": str(tmp_path / "home")} | variables
        return subprocess.run(
            [sys.executable, "-m", "memapp", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=60,
        )

    return call


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    code = "import sys, memapp.cli; print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)
    assert "typer" in loaded


def test_help_loads_no_memory_and_names_every_command() -> None:
    code = (
        "import sys, memapp.cli\nsys.argv = ['memapp', '--help']\n"
        "try:\n    memapp.cli.main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    assert not {"memapp.memory", "memapp.store", "rich", "pydantic", "numpy"} & set(loaded)
    commands = "init ingest extract search ask batch chat forget list show log stats graph rebuild verify doctor bench"
    commands += " complete train export import note notes summarize"
    listed = [line.split()[0] for line in done.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert set(commands.split()) | {"models", "plugins"} == set(listed)


def test_version(run: Run) -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("memapp 0.")


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("search",), ("search", "q", "-k", "0"), ("search", "q", "-k", "many"), ("list", "--nonsense"), ()],
)
def test_wrong_usage_is_exit_2_on_standard_error(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Usage: memapp" in done.stderr + done.stdout


def test_a_bad_settings_file_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("colour = 1")
    done = run("--config", str(config), "stats")
    assert done.returncode == 2
    assert "colour" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debugging_shows_where_an_error_comes_from(run: Run) -> None:
    done = run("--config", "/nowhere.toml", "stats", MEMAPP_DEBUG="1")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_no_store_is_exit_3_with_advice(run: Run, tmp_path: Path) -> None:
    done = run("--store", str(tmp_path / "none.db"), "stats")
    assert done.returncode == 3
    assert "none.db" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_foreign_store_is_exit_3(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("these are not the bytes of a store\n" * 100)
    done = run("--store", str(tmp_path / "notes.db"), "list")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_the_store_may_come_from_the_environment(run: Run, tmp_path: Path) -> None:
    done = run("stats", MEMAPP_STORE=str(tmp_path / "elsewhere.db"))
    assert done.returncode == 3
    assert "elsewhere.db" in done.stderr


@pytest.fixture
def store(tmp_path: Path, embedder: Embedder) -> Path:
    """A store with one document, written by the library itself."""
    path = tmp_path / "notes.db"
    with Memory.open(path, embedder=embedder) as memory:
        memory.add("Das Café in Łódź öffnet um neun. \u4f60\u597d", id="café", title="Öffnungszeiten")
    return path


ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "LANG": "C", "NO_COLOR": "1"}


@pytest.mark.parametrize("command", [("list",), ("show", "café"), ("log",), ("search", "Café", "--layers", "lexical")])
def test_a_terminal_without_the_letters_gets_question_marks(run: Run, store: Path, command: tuple[str, ...]) -> None:
    done = run("--store", str(store), *command, **ASCII)
    assert done.returncode == 0, done.stderr
    assert "caf?" in done.stdout or "?ffnungszeiten" in done.stdout


def test_json_for_such_a_terminal_loses_nothing(run: Run, store: Path) -> None:
    done = run("--store", str(store), "show", "café", "--json", **ASCII)
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["title"] == "Öffnungszeiten"


@pytest.mark.parametrize("command", [("list",), ("show", "café", "--json"), ("log",)])
def test_nobody_reading_is_no_fault(store: Path, command: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "memapp", "--store", str(store), *command],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writing)
    assert done.returncode == 141
    assert done.stderr == ""


def test_closed_output_is_no_fault(store: Path) -> None:
    closed = 'exec "$0" -m memapp --store "$1" list >&-'
    done = subprocess.run(["sh", "-c", closed, sys.executable, str(store)], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_completes_commands(run: Run, shell: str) -> None:
    asked = {"COMP_WORDS": "memapp in", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "memapp in"}
    done = run(_MEMAPP_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_FISH_ACTION="get-args", **asked)
    assert "ingest" in done.stdout
