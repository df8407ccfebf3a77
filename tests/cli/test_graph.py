"""The graph in the terminal: trees that fit, names that steer nothing, files that other programs read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import networkx as nx
import pytest
from rich.cells import cell_len
from typer.testing import Result

from memapp.store import content, extractions
from memapp.store.log import Store
from memapp.types import Extraction, Fact

Call = Callable[..., Result]

HOSTILE = (
    "[bold red]Red[/bold red] Herring",
    "Line\x00 Feed\x1b[31m Bell\x07\x9b2J",
    "\u202eright to left\u202c",
    "مكتبة الإسكندرية",
    "東京タワー展望台" * 12,
    "Long " + "x" * 195,
)


@pytest.fixture
def filled(call: Call, store: Path, tmp_path: Path) -> Path:
    """A store in which Marie Curie stands beside hostile phrases, and a lighthouse stands alone."""
    lines = [
        {"id": "marie", "title": "Marie Curie", "text": "A text."},
        {"id": "pierre", "title": "Pierre [/] \x1b[31mCurie", "text": "Another."},
        {"id": "light", "title": "Skarrow light", "text": "It stands in Tiverley."},
    ]
    path = tmp_path / "notes.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert call("ingest", str(path)).exit_code == 0
    opened = Store(store, "default")
    found = {id: content.passages_of(opened, id)[0].id for id in ("marie", "pierre")}
    facts = (Fact("Marie Curie", "[b]was born\x1b[2J in", "Warsaw"), Fact(HOSTILE[5], "saw " * 40, "Marie Curie"))
    marie = Extraction(("Marie Curie", "Warsaw", *HOSTILE), facts)
    spoken = {found["marie"]: marie, found["pierre"]: Extraction(("Pierre Curie", "Marie Curie", "Paris"))}
    extractions.replace(opened, spoken, extractions.TAGGER)
    opened.close()
    return store


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_tree_fits_the_terminal_and_steers_nothing(
    call: Call, filled: Path, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = call("graph", "show", "Marie Curie").stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert all(cell_len(line) <= columns for line in shown.splitlines())
    lines = shown.splitlines()
    assert lines[0] == "Marie Curie  2 passages"
    assert all(line.startswith(("├", "│", "└", " ")) for line in lines[1:])
    assert "[b]was born in → Warsaw" in shown
    assert "…" in shown
    if columns == 120:
        assert "[bold red]Red[/bold red] Herring" in shown


def test_a_tree_as_json(call: Call, filled: Path) -> None:
    view = json.loads(call("graph", "show", "marie curie", "--json").stdout)
    assert view["centre"] == view["nodes"][0]
    assert view["centre"]["label"] == "Marie Curie"
    names = {node["id"] for node in view["nodes"]}
    assert {"phrase:marie curie", "phrase:warsaw", "phrase:paris"} <= names
    assert all({edge["one"], edge["other"]} <= names for edge in view["edges"])


def test_a_limit_counts_what_it_leaves_out(call: Call, filled: Path) -> None:
    shown = call("graph", "show", "Marie Curie", "--limit", "1").stdout
    assert "└── and 1 passage more" in shown


def test_an_unknown_phrase_is_wrong_usage(call: Call, filled: Path) -> None:
    result = call("graph", "show", "Curie")
    assert result.exit_code == 2
    assert "“Marie Curie”" in result.stderr
    # the nearest known phrases may be hostile themselves
    for phrase in ("right to lefd", "Feed Bell", "\x1b[31m", "\u202e"):
        said = call("graph", "show", phrase).stderr
        assert "does not know" in said
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said)


def test_ways_between_phrases(call: Call, filled: Path) -> None:
    result = call("graph", "show", "Warsaw", "--to", "Paris")
    first = result.stdout.splitlines()[:4]
    assert first[0] == "Warsaw  1 passage"
    assert first[1] == "└── [b]was born in ← Marie Curie  2 passages"
    assert re.search(r"└── Pierre \[/\] .*Curie  passage \d+ of pierre", first[2])
    assert first[3].strip() == "└── Paris  1 passage"
    found = json.loads(call("graph", "show", "Warsaw", "--to", "Paris", "--json").stdout)
    assert [node["label"] for node in found["paths"][0]["nodes"]][::3] == ["Warsaw", "Paris"]


def test_no_way_is_an_answer_too(call: Call, filled: Path, tmp_path: Path) -> None:
    result = call("graph", "show", "Warsaw", "--to", "Skarrow light", "--picture", str(tmp_path / "none.svg"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No way leads from “Warsaw” to “Skarrow light”." in result.stderr
    assert not (tmp_path / "none.svg").exists()
    assert json.loads(call("graph", "show", "Warsaw", "--to", "Skarrow light", "--json").stdout)["paths"] == []


def test_a_picture_is_svg(call: Call, filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "marie.svg"
    result = call("graph", "show", "Marie Curie", "--picture", str(path))
    assert "Drawn in" in result.stderr
    texts = [text.text for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
    assert "Marie Curie" in texts
    refused = call("graph", "show", "Marie Curie", "--picture", str(tmp_path / "marie.png"))
    assert refused.exit_code == 2
    assert "*.svg" in refused.stderr


@pytest.mark.parametrize(("name", "options"), [("g.graphml", ()), ("g.json", ()), ("g.xml", ("--format", "graphml"))])
def test_an_export_is_read_by_networkx(
    call: Call, filled: Path, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    path = tmp_path / name
    told = json.loads(call("graph", "export", str(path), *options, "--json").stdout)
    if name == "g.json":
        back = nx.node_link_graph(json.loads(path.read_text(encoding="utf-8")), edges="edges")
    else:
        back = nx.read_graphml(path)
    assert (told["nodes"], told["edges"]) == (back.number_of_nodes(), back.number_of_edges())
    held = json.loads(call("graph", "stats", "--json").stdout)
    assert back.number_of_nodes() == held["phrases"] + held["passages"]
    assert back.number_of_edges() == sum(held["edges"].values())


def test_an_export_does_not_replace_the_store(call: Call, filled: Path) -> None:
    assert call("graph", "export", str(filled)).exit_code == 2
    assert call("stats").exit_code == 0


def test_numbers_and_hubs(call: Call, filled: Path) -> None:
    shown = call("graph", "stats").stdout
    assert re.search(r"^passages +3$", shown, re.MULTILINE)
    assert re.search(r"^ +2  Marie Curie$", shown, re.MULTILINE)
    assert "relation" in shown


def test_communities(call: Call, filled: Path) -> None:
    result = call("graph", "communities")
    assert "Skarrow light" in result.stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", result.stdout)
    found = json.loads(call("graph", "communities", "--json", "--limit", "1").stdout)
    assert len(found["communities"]) == 1


def test_an_empty_memory_has_an_empty_graph(call: Call, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"id": "a", "text": "nothing here."}')
    call("ingest", str(tmp_path / "one.jsonl"))
    call("forget", "a", "--yes")
    assert re.search(r"^phrases +0$", call("graph", "stats").stdout, re.MULTILINE)
    assert "No phrases are joined." in call("graph", "communities").stderr
    assert call("graph", "show", "anything").exit_code == 2
    assert call("graph", "export", str(tmp_path / "g.json")).exit_code == 0


def test_a_search_tells_the_way_to_each_passage(call: Call, filled: Path) -> None:
    shown = call("search", "Who was born in Warsaw?", "--explain", "--layers", "lexical,graph").stdout
    assert "named in the question: “Warsaw”" in shown
    assert re.search(r"- graph: rank \d+, score -?\d", shown)
    record = json.loads(call("search", "Who was born in Warsaw?", "--json", "--layers", "lexical,graph").stdout)
    marie = next(hit for hit in record["hits"] if hit["document"] == "marie")
    assert {"phrase": "Warsaw", "from": None, "passage": None} in marie["path"]
    assert [share["layer"] for share in marie["shares"]] == marie["layers"]
    assert "the question names “Warsaw”" in marie["why"]
