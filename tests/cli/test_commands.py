"""Every command over a real store, with a scripted embedder and engine in the models' place."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Call = Callable[..., Result]


def document(result: Result) -> Any:
    """The one JSON document that a command printed."""
    assert result.exit_code in (0, 1), result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder of three files."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "brindle.txt").write_text("Ada Fenwick painted the Brindle lighthouse white in 1911.")
    (folder / "quarry.md").write_text("# The quarry\n\nThe quarry at Holm closed after the flood of 1954.")
    (folder / "bees.txt").write_text("Bees at the priory make heather honey every August.")
    return folder


@pytest.fixture
def filled(call: Call, notes: Path) -> Path:
    """The folder, remembered."""
    assert call("ingest", str(notes)).exit_code == 0
    return notes


def ids(call: Call) -> dict[str, str]:
    """File name to document id, for all that is remembered."""
    return {Path(info["source"]).name: info["id"] for info in document(call("list", "--json"))["documents"]}


# ingest


def test_ingest_tells_what_became_of_each_file_on_standard_error(call: Call, notes: Path) -> None:
    result = call("ingest", str(notes))
    assert result.exit_code == 0
    assert result.stdout == ""
    for name in ("brindle.txt", "quarry.md", "bees.txt"):
        assert any(line.startswith("added") and name in line for line in result.stderr.splitlines())
    assert "3 documents added" in result.stderr


def test_ingest_again_has_nothing_to_do(call: Call, filled: Path) -> None:
    result = call("ingest", str(filled))
    assert result.exit_code == 0
    assert "Nothing to do: 3 documents remembered already." in result.stderr


def test_ingest_of_an_empty_folder_says_so(call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = call("ingest", str(tmp_path / "empty"))
    assert result.exit_code == 0
    assert "Nothing to do" in result.stderr


def test_a_missing_file_fails_alone(call: Call, notes: Path, tmp_path: Path) -> None:
    result = call("ingest", str(notes), str(tmp_path / "gone.txt"))
    assert result.exit_code == 1
    failed = [line for line in result.stderr.splitlines() if line.startswith("failed")]
    assert len(failed) == 1
    assert "gone.txt" in failed[0]
    assert len(ids(call)) == 3


def test_failed_items_are_listed_even_when_quiet(call: Call, notes: Path, tmp_path: Path) -> None:
    result = call("--quiet", "ingest", str(notes), str(tmp_path / "gone.txt"))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "gone.txt" in result.stderr


def test_ingest_as_json_is_one_document(call: Call, notes: Path, tmp_path: Path) -> None:
    report = document(call("ingest", "--json", str(notes), str(tmp_path / "gone.txt")))
    assert (report["added"], report["unchanged"], report["failed"]) == (3, 0, 1)
    assert {item["state"] for item in report["items"]} == {"added", "failed"}
    assert all(item["reason"] for item in report["items"] if item["state"] == "failed")
    assert report["seconds"]["total"] > 0


def test_a_file_name_with_control_characters_is_printed_without_them(call: Call, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a\x1b[2Jb\n.txt").write_text("Some words about tides.")
    result = call("ingest", str(tmp_path / "notes"))
    assert result.exit_code == 0
    assert "\x1b" not in result.output + call("list").output
    assert len(result.stderr.splitlines()) == 2


def test_standard_input_is_remembered(call: Call) -> None:
    assert call("ingest", "-", input="Terns nest on the northern mole.").exit_code == 0
    assert "northern mole" in call("search", "Where do terns nest?").stdout


def test_many_items_are_counted_and_not_listed(call: Call, tmp_path: Path) -> None:
    lines = (json.dumps({"id": f"r{n}", "text": f"Record number {n}."}) for n in range(60))
    (tmp_path / "many.jsonl").write_text("\n".join([*lines, "{broken"]))
    result = call("ingest", str(tmp_path / "many.jsonl"))
    assert result.exit_code == 1
    assert "60 documents added" in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert len(call("ingest", "--verbose", str(tmp_path / "many.jsonl")).stderr.splitlines()) == 62


def test_control_c_keeps_what_is_committed(call: Call, notes: Path, embedder: Any) -> None:
    embedder.before_embedding = lambda: signal.raise_signal(signal.SIGINT)
    result = call("ingest", str(notes))
    assert result.exit_code == 130
    assert "what is committed stays" in result.stderr
    embedder.before_embedding = None
    assert call("ingest", str(notes)).exit_code == 0
    assert len(ids(call)) == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_control_c_ends_at_once(call: Call, filled: Path, embedder: Any) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    embedder.before_embedding = twice
    result = call("ask", "Who painted the Brindle lighthouse?")
    assert result.exit_code == 130
    assert result.stdout.strip() == ""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    embedder.before_embedding = None
    assert call("verify").exit_code == 0


# search and ask


def test_search_prints_rank_title_place_and_text(call: Call, filled: Path) -> None:
    result = call("search", "Who painted the lighthouse?")
    assert result.exit_code == 0
    first, text = result.stdout.splitlines()[:2]
    assert first.split()[0] == "1"
    assert "brindle" in first
    assert "Ada Fenwick painted the Brindle lighthouse" in text
    assert "\x1b" not in result.stdout
    assert "ms" in result.stderr


def test_search_explains_itself(call: Call, filled: Path) -> None:
    result = call("search", "Brindle lighthouse", "--explain", "-k", "1")
    assert "- lexical: rank 1, score " in result.stdout
    assert "- dense: rank " in result.stdout


def test_search_can_ask_one_layer(call: Call, filled: Path) -> None:
    found = document(call("search", "Brindle lighthouse", "--layers", "lexical", "--json"))
    assert {layer for hit in found["hits"] for layer in hit["layers"]} == {"lexical"}


@pytest.mark.parametrize("layers", ["nonsense", "", " , "])
def test_search_with_a_wrong_layer_is_wrong_usage(call: Call, filled: Path, layers: str) -> None:
    result = call("search", "q", "--layers", layers)
    assert result.exit_code == 2
    assert "layer" in result.stderr


def test_search_as_json_keeps_the_contract(call: Call, filled: Path) -> None:
    found = document(call("search", "When did the quarry close?", "-k", "2", "--json"))
    assert found["question"] == "When did the quarry close?"
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    assert {"rank", "score", "document", "title", "text", "layers", "why"} <= set(found["hits"][0])
    assert found["timing_ms"]["total"] > 0


def test_search_in_an_empty_memory_says_what_to_do(call: Call) -> None:
    assert call("init").exit_code == 0
    result = call("search", "anything")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "memapp ingest" in result.stderr


def test_ask_streams_the_answer_and_lists_its_sources(call: Call, filled: Path, answers: list[str]) -> None:
    answers.append("Ada Fenwick painted it [1].")
    result = call("ask", "Who painted the Brindle lighthouse?")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Ada Fenwick painted it")
    assert any(line.startswith("[1] ") and "brindle" in line for line in lines[1:])
    assert "confidence" in result.stderr


def test_ask_as_json_keeps_the_contract(call: Call, filled: Path, answers: list[str]) -> None:
    answers.append("Ada Fenwick painted it [1].")
    answer = document(call("ask", "Who painted the Brindle lighthouse?", "--json"))
    keys = {"question", "answer", "citations", "confidence", "abstained", "tokens", "timing_ms"}
    assert keys <= set(answer)
    assert answer["answer"].startswith("Ada Fenwick")
    assert {"n", "document", "title", "text", "start", "end"} <= set(answer["citations"][0])


def test_control_c_ends_an_answer(call: Call, filled: Path, embedder: Any) -> None:
    embedder.before_embedding = lambda: signal.raise_signal(signal.SIGINT)
    result = call("ask", "Who painted the Brindle lighthouse?")
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr


def test_ask_of_an_empty_memory_says_what_to_do(call: Call) -> None:
    assert call("init").exit_code == 0
    result = call("ask", "Who painted it?")
    assert result.exit_code == 0
    assert "memapp ingest" in result.stderr


def test_an_answer_reaches_the_terminal_without_control_codes(call: Call, filled: Path, answers: list[str]) -> None:
    answers.append("Ada \x1b]0;owned\x07 Fenwick\u202e painted it.")
    result = call("ask", "Who painted the Brindle lighthouse?")
    assert not set("\x1b\x07\u202e") & set(result.output)


def test_chat_without_a_terminal_is_wrong_usage(call: Call) -> None:
    result = call("chat")
    assert result.exit_code == 2
    assert "memapp ask" in result.stderr


# batch


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Three questions, the second one no question."""
    path = tmp_path / "questions.jsonl"
    path.write_text(
        '{"id": "a", "question": "Who painted it?"}\n{"id": "b"}\n{"id": "c", "question": "What closed?"}\n'
    )
    return path


def test_batch_goes_on_after_a_bad_line_and_lists_it(call: Call, filled: Path, questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    result = call("batch", str(questions), "--out", str(out), "--search-only")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert any(line.startswith("failed  b: ") for line in result.stderr.splitlines())
    assert "2 answered, 1 failed" in result.stderr
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["id"] for record in records] == ["a", "b", "c"]
    assert "error" in records[1]


def test_batch_resumes(call: Call, filled: Path, questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    arguments = ("batch", str(questions), "--out", str(out), "--search-only", "--resume", "--json")
    first = document(call(*arguments))
    again = document(call(*arguments))
    assert (first["done"], first["failed"], first["skipped"]) == (3, 1, 0)
    assert (again["done"], again["skipped"]) == (0, 3)
    assert len(out.read_text().splitlines()) == 3


# forget


@pytest.mark.parametrize("arguments", [(), ("a", "--source", "b"), ("--source", "a", "--query", "b"), ("--query", " ")])
def test_forget_wants_one_description(call: Call, filled: Path, arguments: tuple[str, ...]) -> None:
    assert call("forget", *arguments, "--yes").exit_code == 2
    assert len(ids(call)) == 3


def test_forget_without_yes_and_without_a_terminal_refuses(call: Call, filled: Path) -> None:
    result = call("forget", "--query", "honey")
    assert result.exit_code == 2
    assert "bees" in result.stderr
    assert "--yes" in result.stderr
    assert len(ids(call)) == 3


def test_forget_asks_on_a_terminal(call: Call, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memapp.cli.remember.someone_is_there", lambda: True)
    assert call("forget", "--query", "honey", input="n\n").exit_code == 2
    assert len(ids(call)) == 3
    assert call("forget", "--query", "honey", input="y\n").exit_code == 0
    assert set(ids(call)) == {"brindle.txt", "quarry.md"}


@pytest.mark.parametrize("way", ["id", "source", "query"])
def test_forget_and_prove_it(call: Call, filled: Path, way: str) -> None:
    named = ids(call)["bees.txt"]
    arguments = {
        "id": (named,), "source": ("--source", str(filled / "bees.txt")), "query": ("--query", "HEATHER honey"),
    }[way]  # fmt: skip
    result = call("forget", *arguments, "--yes", "--verify")
    assert result.exit_code == 0, result.output
    assert "1 document" in result.stderr
    assert all(line.startswith("ok  ") for line in result.stdout.splitlines())
    assert len(result.stdout.splitlines()) >= 1
    assert set(ids(call)) == {"brindle.txt", "quarry.md"}
    assert "honey" not in call("search", "heather honey").stdout


@pytest.mark.parametrize("arguments", [("nobody",), ("--source", "nowhere"), ("--query", "zebra crossing")])
def test_forgetting_nothing_is_an_error(call: Call, filled: Path, arguments: tuple[str, ...]) -> None:
    for answer in ((), ("--yes",)):
        result = call("forget", *arguments, *answer)
        assert result.exit_code == 2
    assert len(ids(call)) == 3


def test_forget_as_json(call: Call, filled: Path) -> None:
    report = document(call("forget", ids(call)["bees.txt"], "--yes", "--verify", "--json"))
    assert len(report["documents"]) == 1
    assert report["passages"] == 1
    assert all(check["ok"] for check in report["checks"])


# list, show, log, stats


def test_list_has_a_line_for_each_document(call: Call, filled: Path) -> None:
    result = call("list")
    assert len(result.stdout.splitlines()) == 3
    assert all(id in result.stdout for id in ids(call).values())
    assert len(call("list", "--limit", "2").stdout.splitlines()) == 2
    assert len(call("list", "--source", str(filled / "bees.txt")).stdout.splitlines()) == 1


def test_show_prints_the_text_and_its_passages(call: Call, filled: Path) -> None:
    id = ids(call)["quarry.md"]
    result = call("show", id)
    assert "--- passage " in result.stdout
    assert "closed after the flood of 1954" in result.stdout
    whole = document(call("show", id, "--json"))
    assert whole["id"] == id
    spans = [whole["text"][part["start"] : part["end"]] for part in whole["passages"]]
    assert any("flood of 1954" in span for span in spans)
    assert len(call("show", id, "--passages").stdout.splitlines()) == len(spans)
    assert call("show", id, "--text").stdout.rstrip("\n") == whole["text"].rstrip("\n")


def test_show_of_an_unknown_document_is_wrong_usage(call: Call, filled: Path) -> None:
    result = call("show", "nobody")
    assert result.exit_code == 2
    assert "nobody" in result.stderr


def test_show_takes_control_characters_out_of_text_but_not_out_of_json(call: Call, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(json.dumps({"id": "r", "text": "Tides \x1b[31mrise\x07 \u202eat noon."}))
    assert call("ingest", str(tmp_path / "r.jsonl")).exit_code == 0
    shown = call("show", "r").stdout
    assert "Tides" in shown
    assert not set("\x1b\x07\u202e") & set(shown)
    assert "\x1b" not in call("show", "r", "--json").stdout


def test_log_tells_of_what_came_and_what_went(call: Call, filled: Path) -> None:
    call("forget", ids(call)["bees.txt"], "--yes")
    entries = document(call("log", "--json"))["changes"]
    assert [entry["kind"] for entry in entries] == ["forget", "insert", "insert", "insert"]
    lines = call("log", "--limit", "1").stdout.splitlines()
    assert len(lines) == 1
    assert "forget" in lines[0]


def test_stats_count_what_is_held(call: Call, filled: Path) -> None:
    held = document(call("stats", "--json"))
    assert (held["documents"], held["namespace"]) == (3, "default")
    assert {layer["name"] for layer in held["layers"]} >= {"lexical", "dense"}
    assert "documents   3" in call("stats").stdout


def test_namespaces_do_not_mix(call: Call, filled: Path) -> None:
    other = call("--namespace", "other", "list", "--json")
    assert document(other) == {"documents": []}


# care


def test_verify_passes_on_a_sound_store(call: Call, filled: Path) -> None:
    result = call("verify", "--json")
    assert result.exit_code == 0
    report = document(result)
    assert report["ok"] is True
    assert report["checks"]


def test_rebuild_tells_of_each_layer(call: Call, filled: Path) -> None:
    rebuilt = document(call("rebuild", "--json"))["layers"]
    assert {layer["name"] for layer in rebuilt} >= {"lexical", "dense"}
    assert call("rebuild", "nonsense").exit_code == 2
    assert "dense: 3 passages" in call("rebuild", "dense").stderr


def test_export_and_import_bring_everything_over(call: Call, filled: Path, tmp_path: Path) -> None:
    before = {id: document(call("show", id, "--json"))["text"] for id in ids(call).values()}
    assert call("export", str(tmp_path / "all.jsonl")).exit_code == 0
    other = ("--store", str(tmp_path / "other.db"))
    assert call(*other, "import", str(tmp_path / "all.jsonl")).exit_code == 0
    listed = document(call(*other, "list", "--json"))["documents"]
    assert {info["id"]: document(call(*other, "show", info["id"], "--json"))["text"] for info in listed} == before


def test_init_creates_a_store_and_says_what_hardware_is_used(call: Call, store: Path) -> None:
    result = call("init")
    assert result.exit_code == 0
    assert store.exists()
    assert call("list").exit_code == 0
    assert result.stdout or result.stderr


def test_plugins_are_listed(call: Call) -> None:
    result = call("plugins", "--json")
    assert result.exit_code == 0
    assert isinstance(document(result)["plugins"], list)


def test_bench_lists_its_names_and_refuses_others(call: Call) -> None:
    assert "recall" in call("bench").stdout
    assert "recall" in call("bench", "--help").stdout
    assert call("bench", "nonsense").exit_code == 2


def test_options_of_a_bench_reach_it(call: Call) -> None:
    assert "--corpus" in call("bench", "recall", "--help").stdout
    assert call("bench", "recall", "--nonsense").exit_code == 2


def test_without_an_answer_the_nearest_passages_are_shown_with_what_they_say(call: Call, filled: Path) -> None:
    result = call("ask", "Which minister sank the submarine parliament?")
    assert "Memory does not hold an answer to that." in result.stdout
    assert "Nearest passages:" in result.stderr
    assert "brindle" in result.stderr
    assert "Ada Fenwick painted" in result.stderr


def test_search_says_what_it_searched_for_besides(
    call: Call, filled: Path, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMAPP_CLUES", "drafted")
    answers.append("Ada Fenwick painted the Brindle lighthouse.")
    result = call("search", "Whom do I owe the oil?")
    assert "Searched for besides: Ada Fenwick painted the Brindle lighthouse." in result.stderr
