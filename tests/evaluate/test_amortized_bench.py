"""The bench of soft tokens, on a small set with the real model and the shipped encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memapp.errors import UsageError
from memapp.evaluate import bench
from memapp.evaluate.split import held_out

FINDERS = ("Orla Finch", "Benedikt Vos", "Tamsin Hale", "Ida Kestrel", "Marek Thorn", "Lena Whitlock")


def sets(folder: Path, titles: list[str]) -> list[str]:
    corpus = [
        {"title": title, "text": f"The well at {title} was found by {FINDERS[n]} in {1840 + 7 * n}, and is kept open."}
        for n, title in enumerate(titles)
    ]
    asked = [
        {
            "id": str(n),
            "question": f"Who found the well at {one['title']}?",
            "answers": [FINDERS[n]],
            "gold": [[*one.values()]],
        }
        for n, one in enumerate(corpus)
    ]
    (folder / "wells.json").write_text(json.dumps(asked))
    (folder / "wells_corpus.json").write_text(json.dumps(corpus))
    return ["--set", str(folder / "wells.json"), "--corpus", str(folder / "wells_corpus.json")]


def towns(held: bool) -> list[str]:
    names = (
        f"{first}{last}"
        for first in ("Alder", "Birch", "Cedar", "Elm")
        for last in ("ton", "ford", "by", "wick", "ham")
    )
    return [name for name in names if held_out(name) == held][: len(FINDERS)]


@pytest.mark.models
def test_the_right_passage_against_its_controls(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    arguments = [
        *sets(tmp_path, towns(held=True)),
        "--sample",
        "3",
        "--entries",
        "50",
        "--levels",
        "5",
        "--json",
        str(out),
    ]
    assert bench.run("amortized", arguments) == 0
    figures = json.loads(out.read_text())["figures"]
    found = figures["log-probability"]
    assert found["reading"] > found["nothing"]
    assert found["own"] > found["wrong"]
    assert found["among"] > found["others"]
    assert found["by levels"] > found["others by levels"]
    assert 0 < figures["found among"] <= 1


def test_a_set_that_was_trained_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="held out"):
        bench.run("amortized", sets(tmp_path, towns(held=False)))


@pytest.mark.models
def test_only_what_bm25_misses_is_asked(tmp_path: Path) -> None:
    found, missed, decoy = towns(held=True)[:3]
    texts = {
        found: "Orla Finch found the old well here.",
        missed: "Its water was discovered by Ida Kestrel.",
        decoy: "Nobody knows who dug the spring of the town; the spring of the town is dry.",
    }
    corpus = [{"title": title, "text": text} for title, text in texts.items()]
    asked = [
        {
            "id": "found",
            "question": f"Who found the well at {found}?",
            "answers": ["Orla Finch"],
            "gold": [[*corpus[0].values()]],
        },
        {
            "id": "missed",
            "question": "Who dug the spring of the town?",
            "answers": ["Ida Kestrel"],
            "gold": [[*corpus[1].values()]],
        },
    ]
    (tmp_path / "wells.json").write_text(json.dumps(asked))
    (tmp_path / "wells_corpus.json").write_text(json.dumps(corpus))
    out = tmp_path / "out.json"
    options = ["--set", str(tmp_path / "wells.json"), "--corpus", str(tmp_path / "wells_corpus.json"), "--missed"]
    assert bench.run("amortized", [*options, "-k", "1", "--json", str(out)]) == 0
    assert "1 questions on held-out documents" in json.loads(out.read_text())["notes"][0]


@pytest.mark.models
def test_without_what_bm25_misses_there_is_nothing_to_ask(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="BM25 misses none"):
        bench.run("amortized", [*sets(tmp_path, towns(held=True)), "--missed"])
