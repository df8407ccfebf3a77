"""HippoRAG 2 on five passages, and what the two benches around it print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.errors import UsageError
from memapp.evaluate import bench, hipporag, synonyms
from memapp.evaluate.data import Collection, Record
from memapp.layers.graph.contribution import contribution
from memapp.layers.graph.keys import phrase_key
from memapp.layers.graph.state import GraphState
from memapp.models.scripted import ScriptedEmbedder
from memapp.store.extractions import Spoken
from memapp.types import Extraction, Fact

PASSAGES = {
    "Tidal mill": "The mill was built by Alba Roth.",
    "Alba Roth": "Alba Roth was born in Quimper.",
    "Quillon": "Quillon is a board game.",
    "Mirror bees": "Mirror bees nest in chimneys.",
    "Glass tax": "The glass tax was paid by the pane.",
}
FACTS = [
    (Fact("tidal mill", "was built by", "Alba Roth"),),
    (Fact("Alba Roth", "was born in", "Quimper"),),
    (Fact("Quillon", "is", "board game"),),
    (Fact("mirror bees", "nest in", "chimneys"),),
    (),
]
CONTENTS = [f"{title}\n{text}" for title, text in PASSAGES.items()]


def made() -> tuple[hipporag.Index, ScriptedEmbedder]:
    embedder = ScriptedEmbedder()
    return hipporag.index(CONTENTS, FACTS, embedder), embedder


def test_a_question_is_led_over_a_fact_to_the_passage_of_its_other_end() -> None:
    index, embedder = made()
    (found,) = hipporag.rank(index, ["tidal mill was built by"], embedder)
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert found[:2] == [0, 1]
    by_vector = np.argsort(-(index.passages @ embedder.embed(["tidal mill was built by"])[0]))
    assert by_vector[0] == 0


def test_edges_weigh_as_published() -> None:
    index, _ = made()
    indptr, indices, weights = (index.adjacency.arrays()[name] for name in ("indptr", "indices", "weights"))
    mill, roth = index.ends[0]
    row = dict(zip(indices[indptr[roth] : indptr[roth + 1]], weights[indptr[roth] : indptr[roth + 1]], strict=True))
    assert row[0] == row[1] == hipporag.UNIT
    assert row[mill] == 2 * hipporag.UNIT
    assert index.holders[roth] == 2
    assert index.holders[mill] == 1
    assert index.adjacency.degree[4] == 0


def test_synonyms_are_joined_by_their_cosine() -> None:
    embedder = ScriptedEmbedder()
    alike, other = Fact("Alba Roth", "built", "mill"), Fact("Roth, Alba", "left", "Brest")
    index = hipporag.index(CONTENTS[:2], [(alike,), (other,)], embedder)
    assert index.synonyms == 1
    arrays = index.adjacency.arrays()
    one, same = index.ends[0, 0], index.ends[1, 0]
    columns = slice(arrays["indptr"][one], arrays["indptr"][one + 1])
    row = dict(zip(arrays["indices"][columns], arrays["weights"][columns], strict=True))
    assert row[same] == 2 * hipporag.UNIT


def test_phrases_are_worth_their_facts_score_and_less_where_many_hold_them() -> None:
    index, _ = made()
    nodes, weights = hipporag.phrases(index, np.array([1.0, 0.5, 0.0, 0.0], np.float32))
    worth = dict(zip(nodes.tolist(), weights.tolist(), strict=True))
    mill, roth = index.ends[0].tolist()
    assert len(worth) == hipporag.LINKED
    assert worth[mill] == 1.0
    assert worth[roth] == pytest.approx((1.0 + 0.5) / 2 / 2)


def test_without_facts_vectors_alone_decide() -> None:
    embedder = ScriptedEmbedder()
    index = hipporag.index(CONTENTS, [()] * 5, embedder)
    (found,) = hipporag.rank(index, ["glass tax"], embedder)
    assert found[0] == 4
    assert hipporag.rank(index, [], embedder) == []


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20))
def test_scaled_scores_keep_their_order_between_0_and_1(scores: list[float]) -> None:
    given_, scaled = np.array(scores, np.float32), hipporag.scaled(np.array(scores, np.float32))
    assert scaled.min() >= 0
    assert scaled.max() == 1
    assert (np.diff(scaled[np.argsort(given_, kind="stable")]) >= 0).all()


def test_facts_of_other_passages_are_refused(tmp_path: Path) -> None:
    records = tuple(Record(str(n), title, text) for n, (title, text) in enumerate(PASSAGES.items()))
    collection = Collection("toy", records, ())
    path = _facts(tmp_path / "facts.json")
    found = hipporag.facts_of(collection, path, 1 << 20)
    assert [bool(each) for each in found] == [True, True, True, True, False]
    with pytest.raises(UsageError, match="fit no passage"):
        hipporag.facts_of(Collection("toy", (Record("x", "Other", "text"),), ()), path, 1 << 20)


def _facts(path: Path) -> Path:
    docs = [
        {"passage": content, "extracted_triples": [[one.subject, one.predicate, one.object] for one in each]}
        for content, each in zip(CONTENTS, FACTS, strict=True)
        if each
    ]
    path.write_text(json.dumps({"docs": docs}))
    return path


def test_near_pairs_are_those_of_all_against_all() -> None:
    vectors = ScriptedEmbedder(8).embed([f"{one} {other}" for one in "abcd" for other in "abcd"])
    ones, others, cosines = synonyms.near_pairs(vectors, 0.8, len(vectors))
    table = vectors @ vectors.T
    wanted = {(i, j) for i in range(len(vectors)) for j in range(i) if table[i, j] >= 0.8}
    assert {(int(other), int(one)) for one, other in zip(ones, others, strict=True)} == wanted
    assert np.allclose(table[ones, others], cosines, atol=1e-5)
    few = synonyms.near_pairs(vectors, -1.0, 1)
    assert len(few[0]) <= len(vectors)


def test_edges_of_neighbours_are_added_and_forms_are_taken_away() -> None:
    spoken = Spoken(1, 1, "Dr. Alba Roth", "She built mills.", Extraction(("mills",), ()))
    made = contribution(spoken, None)
    form, alias, mills = phrase_key("dr. alba roth"), phrase_key("alba roth"), phrase_key("mills")
    assert (form, alias, 1) in made.edges
    bare = synonyms.without_synonyms(made)
    assert all(one > 0 for one, _, _ in bare.edges)
    near = {form: [(mills, 0.9)], mills: [(form, 0.9)]}
    both = synonyms.with_neighbours(made, near)
    assert {(form, mills, 1), (mills, form, 1)} <= set(both.edges)
    published = synonyms.with_published([made, made], near)
    weight = round(synonyms.PUBLISHED * 0.9)
    assert set(published[0].edges) - set(made.edges) == {(min(form, mills), max(form, mills), weight)}
    assert published[1] == made
    state = GraphState()
    state.add([both])
    assert state.phrases == 2


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    corpus = [{"title": title, "text": text} for title, text in PASSAGES.items()]
    asked: list[dict[str, Any]] = [
        {"question": "Where was the builder of the tidal mill born?", "answers": ["Quimper"], "gold": corpus[:2]},
        {"question": "Where do mirror bees nest?", "answers": ["chimneys"], "gold": corpus[3:4]},
    ]
    questions = [{**one, "gold": [[gold["title"], gold["text"]] for gold in one["gold"]]} for one in asked]
    (tmp_path / "toy.json").write_text(json.dumps(questions))
    (tmp_path / "toy_corpus.json").write_text(json.dumps(corpus))
    return ["--set", str(tmp_path / "toy.json"), "--corpus", str(tmp_path / "toy_corpus.json")]


@pytest.mark.models
def test_the_bench_tells_all_recalls(files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    arguments = [*files, "--facts", str(_facts(tmp_path / "facts.json")), "--json", str(out)]
    assert bench.run("hipporag", arguments) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["facts"] == 4
    assert set(figures["recalls"]) >= {*hipporag.RECALLS, hipporag.PUBLISHED}
    for measured in figures["recalls"].values():
        assert measured["recall@5"]["mean"] == 1.0


@pytest.mark.models
def test_the_bench_of_synonyms_measures_what_the_layer_recalls(files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert bench.run("synonyms", [*files, "--json", str(out)]) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures[synonyms.FORMS]["recall@5"]["mean"] == 1.0
    assert figures["phrases"] >= 5
    assert figures["edges"][synonyms.NONE] <= figures["edges"][synonyms.FORMS]
    assert figures["pairs"]["0.8"] >= figures["pairs"]["0.85"] >= figures["pairs"]["0.9"]
