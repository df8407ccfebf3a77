"""The benches on small data, with the real embedder: what they print must follow from what is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memapp.errors import MemappError
from memapp.evaluate import bench, forget, latency, recall, waiting, workspace
from memapp.evaluate.data import Collection, Question, Record

FACTS = {
    "Alba Roth": "Alba Roth built the first tidal mill in Brest. She was trained as a clockmaker.",
    "Brest": "Brest is a harbour town in the west. Its tidal mill still grinds wheat.",
    "Quillon": "Quillon is a board game with seven stones. It was banned in 1702.",
    "Mirror bees": "Mirror bees nest in old chimneys. They make no honey at all.",
    "Glass tax": "The glass tax of 1644 was paid by the pane. Many windows were bricked up.",
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    corpus = [{"title": title, "text": text} for title, text in FACTS.items()]
    asked = {
        "Who built a tidal mill?": "Alba Roth",
        "Which game was banned?": "Quillon",
        "Where do mirror bees nest?": "Mirror bees",
    }
    questions = [
        {"id": str(n), "question": question, "answers": ["x"], "gold": [[title, FACTS[title]]]}
        for n, (question, title) in enumerate(asked.items())
    ]
    (tmp_path / "toy.json").write_text(json.dumps(questions))
    (tmp_path / "toy_corpus.json").write_text(json.dumps(corpus))
    return tmp_path / "toy.json", tmp_path / "toy_corpus.json"


@pytest.mark.models
def test_recall_of_every_layer_and_the_fusion(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    out = files[0].with_name("out.json")
    results = files[0].with_name("RESULTS.md")
    arguments = ["--set", str(files[0]), "--corpus", str(files[1]), "--json", str(out), "--record", str(results)]
    assert bench.run("recall", arguments) == 0
    layers = json.loads(out.read_text())["figures"]["layers"]
    assert set(layers) >= {"lexical", "dense", "fused"}
    assert layers["fused"]["recall@5"]["mean"] == 1.0
    assert (
        layers["fused"]["recall@1"]["against_dense"]["low"] <= 0 <= layers["fused"]["recall@1"]["against_dense"]["high"]
    )
    assert "recall: toy" in capsys.readouterr().out
    assert "## recall: toy" in results.read_text()
    assert str(files[0].parent) not in results.read_text()


@pytest.mark.models
def test_key_points_stand_for_more_than_sentences_drawn_by_chance(files: tuple[Path, Path]) -> None:
    out = files[0].with_name("out.json")
    options = ["--set", str(files[0]), "--corpus", str(files[1]), "--points", "1", "4", "--json", str(out)]
    assert bench.run("summary", options) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["1"]["by chance"] < figures["1"]["covered"] < figures["4"]["covered"] <= 1


@pytest.mark.models
def test_facts_beside_ours_and_instead(files: tuple[Path, Path], tmp_path: Path) -> None:
    out, theirs = tmp_path / "out.json", tmp_path / "theirs.json"
    docs = [
        {"passage": f"{title}\n{text}", "extracted_entities": [title], "extracted_triples": [[title, "is in", "Brest"]]}
        for title, text in FACTS.items()
    ]
    arguments = ["--set", str(files[0]), "--corpus", str(files[1]), "--facts", str(theirs), "--json", str(out)]
    theirs.write_text(json.dumps({"docs": docs[:0]}))
    with pytest.raises(MemappError, match="fit no passage"):
        bench.run("facts", arguments)
    theirs.write_text(json.dumps({"docs": docs}))
    assert bench.run("facts", arguments) == 0
    recalls = json.loads(out.read_text())["figures"]["recalls"]
    assert set(recalls) == {"all layers", "without ranker", "graph"}
    for measured in recalls.values():
        assert list(measured) == ["ours", "theirs beside ours", "theirs instead"]
        assert measured["ours"]["recall@5"]["mean"] == 1.0
    beside = recalls["graph"]["theirs beside ours"]["recall@5"]
    assert beside["against_ours"]["mean"] == pytest.approx(beside["mean"] - 1.0)


@pytest.mark.models
def test_one_layer_is_measured_in_its_own_order(tmp_path: Path) -> None:
    records = tuple(Record(title, title, text) for title, text in FACTS.items())
    question = Question("1", "Was the board game with seven stones played in Brest?", (), {"Quillon": 1})
    embedder = workspace.new_embedder(workspace.settings())
    with workspace.remembered([Collection("toy", records, (question,))], embedder) as ((_, memory),):
        titles = [f"{record.title}\n{record.text}" for record in records]
        cosines = embedder.embed(titles) @ embedder.embed([question.text])[0]
        own = [records[n].id for n in sorted(range(len(records)), key=lambda n: -cosines[n])]
        assert recall.ranking(memory, question, ["dense"]) == own


@pytest.mark.models
def test_ingest_counts_the_passages_it_made(files: tuple[Path, Path]) -> None:
    out = files[0].with_name("out.json")
    assert bench.run("ingest", ["--corpus", str(files[1]), "--repeats", "2", "--json", str(out)]) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["passages"] == len(FACTS)
    assert len(figures["memapp ingest"]["passages_per_second"]) == 2
    assert figures["memapp ingest"]["memapp_ratio"] == 1.0


@pytest.mark.models
def test_ingest_says_when_txtai_is_not_there(files: tuple[Path, Path]) -> None:
    with pytest.raises(MemappError, match="txtai"):
        bench.run("ingest", ["--corpus", str(files[1]), "--repeats", "1", "--txtai", "/no/such/python"])


@pytest.mark.models
def test_forget_finds_traces_before_and_none_after(files: tuple[Path, Path]) -> None:
    out = files[0].with_name("out.json")
    arguments = ["--corpus", str(files[1]), "--documents", "60", "--forget", "20", "--json", str(out)]
    assert bench.run("forget", arguments) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["forgotten"] == 20
    assert figures["traces before"] == 40
    assert figures["traces after"] == figures["traces after closing"] == 0
    assert figures["kept"] == 40
    assert figures["verify"] == "all pass"


@pytest.mark.models
def test_latency_measures_warm_and_cold(files: tuple[Path, Path]) -> None:
    out = files[0].with_name("out.json")
    arguments = ["--corpus", str(files[1]), "--sizes", "20,40", "--real", "20", "--questions", "5", "--json", str(out)]
    assert bench.run("latency", arguments) == 0
    figures = json.loads(out.read_text())["figures"]
    assert {"20", "40", "memapp --help"} == set(figures)
    assert 0 < figures["40"]["p50_ms"] <= figures["40"]["p95_ms"] <= figures["40"]["max_ms"]
    assert figures["40"]["cold_s"] > 0
    assert "first_p50_ms" not in figures["40"]


@pytest.mark.models
def test_latency_tells_when_the_first_word_of_an_answer_comes(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "_COLD_RUNS", 1)
    out = files[0].with_name("out.json")
    arguments = ["--corpus", str(files[1]), "--sizes", "20", "--questions", "2", "--answers", "2", "--json", str(out)]
    assert bench.run("latency", arguments) == 0
    told = json.loads(out.read_text())["figures"]["20"]
    assert told["p50_ms"] < told["first_p50_ms"] <= told["first_p95_ms"]
    assert told["prompt_tokens"] > 20


@pytest.mark.models
def test_waiting_is_measured_in_a_process_that_is_told_how(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    found = waiting._taken({"GOMP_SPINCOUNT": "7", "OMP_DISPLAY_ENV": "verbose"}, 1)
    assert list(found) == [str(size) for size in waiting.BATCHES]
    assert all(taken > 0 for taken in found.values())
    shown = capfd.readouterr().err
    assert "GOMP_SPINCOUNT = '7'" in shown
    assert "OMP_WAIT_POLICY = 'ACTIVE'" not in shown


def test_every_name_has_a_module_and_a_bad_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for name in bench.names():
        assert bench.run(name, ["--help"]) == 0
        assert f"memapp bench {name}" in capsys.readouterr().out
    assert bench.run("recall", ["--nonsense"]) == 2


def test_recombined_records_are_new_many_and_always_the_same() -> None:
    records = [Record(title, title, text) for title, text in FACTS.items()]
    made = list(workspace.recombined(records, 50))
    assert made == list(workspace.recombined(records, 50))
    assert len({record.id for record in made}) == 50
    sentences = {part for text in FACTS.values() for part in text.replace(". ", ".|").split("|")}
    assert all(set(record.text.replace(". ", ".|").split("|")) <= sentences for record in made)


def test_a_trace_is_found_in_any_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.bin").write_bytes(b"\x00" + forget.marker("1")[3:].encode() + b"\x00")
    needles = [forget.marker(id)[3:].encode() for id in ("1", "2")]
    assert forget.found(tmp_path, needles) == {needles[0]}


@pytest.mark.models
def test_reranking_is_measured_with_its_cost(files: tuple[Path, Path]) -> None:
    out = files[0].with_name("out.json")
    arguments = ["--set", str(files[0]), "--corpus", str(files[1]), "--sample", "2", "--json", str(out)]
    assert bench.run("rerank", arguments) == 0
    figures = json.loads(out.read_text())["figures"]
    assert set(figures) == {"off", "listwise", "likelihood"}
    assert figures["off"]["recall@5"] == 1.0
    assert all(each["seconds"] > 0 for each in figures.values())
