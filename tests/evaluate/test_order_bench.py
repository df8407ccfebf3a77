"""The bench of orders, on a small set with the real model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memapp.errors import UsageError
from memapp.evaluate import bench
from memapp.evaluate.split import held_out

FINDERS = ("Orla Finch", "Benedikt Vos", "Tamsin Hale", "Ida Kestrel")


def files(folder: Path) -> list[str]:
    towns = [name for name in map("Alder{}".format, range(99)) if held_out(name)][: len(FINDERS)]
    corpus = [
        {"title": town, "text": f"The well at {town} was found by {finder}."}
        for town, finder in zip(towns, FINDERS, strict=True)
    ]
    asked = [
        {"id": town, "question": f"Who found the well at {town}?", "answers": [finder], "gold": [[*one.values()]]}
        for town, finder, one in zip(towns, FINDERS, corpus, strict=True)
    ]
    (folder / "wells.json").write_text(json.dumps(asked))
    (folder / "wells_corpus.json").write_text(json.dumps(corpus))
    return ["--set", str(folder / "wells.json"), "--corpus", str(folder / "wells_corpus.json"), "--sizes", "3"]


@pytest.mark.models
def test_every_order_is_measured_on_the_same_passages(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert bench.run("order", [*files(tmp_path), "--sample", "3", "--profiled", "0", "--json", str(out)]) == 0
    figures = json.loads(out.read_text())["figures"]
    ways = {name.partition(", ")[2] for name in figures if ", " in name}
    assert ways == {"score", "reverse", "ends", "a set", "apart, best last", "read twice"}
    assert all(figures[f"3, {way}"]["log-probability"] < 0 for way in ways)
    assert figures["3, score"]["F1"] > 0.5


@pytest.mark.models
def test_too_few_questions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too few questions"):
        bench.run("order", [*files(tmp_path), "--sample", "1", "--profiled", "3"])
