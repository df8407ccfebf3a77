"""The way to a hit in words: seeds first, then steps; nothing of what is gone."""

from __future__ import annotations

from memapp.extract.phrases import normal
from memapp.layers.graph.keys import phrase_key
from memapp.recall.explain import explained, name_of, sentence
from memapp.types import Extraction, Fact, Hit, LayerShare, Link, Passage, Step

PASSAGE = Passage(3, "d", "Sorbonne (university)", "It is in Paris.", 0, 15)
SOURCE = Passage(9, "e", "", "Marie Curie taught there for many long years.", 0, 40)
SPOKEN = {3: Extraction(("Paris", "Dr. Robert de Sorbon"), (Fact("Sorbonne", "lies in", "Latin Quarter"),))}
HIT = Hit(1, 0.9, PASSAGE, (LayerShare("dense", 1, 0.5, "near"), LayerShare("graph", 2, 1.5)))


def link(phrase: str, source: int | None = None) -> Link:
    return Link(phrase_key(normal(phrase)), source)


def test_a_way_names_seeds_and_steps_as_the_passage_writes_them() -> None:
    links = [link("PARIS", 9), link("the Sorbonne"), link("latin quarter"), link("Robert de Sorbon"), link("Paris", 9)]
    hit = explained(HIT, links, SPOKEN, {9: SOURCE})
    assert hit.path == (
        Step("Sorbonne"),
        Step("Latin Quarter"),
        Step("Dr. Robert de Sorbon"),
        Step("Paris", "Marie Curie taught there for many …", 9),
    )
    assert hit.shares[0] == HIT.shares[0]
    assert hit.shares[1].why == sentence(hit.path)
    assert hit.why.endswith(
        "graph #2 (1.500, the question names “Sorbonne”, “Latin Quarter”, “Dr. Robert de Sorbon”; "
        "from “Marie Curie taught there for many …” through “Paris”)"
    )


def test_what_is_gone_is_not_told() -> None:
    assert explained(HIT, [link("Paris", 9)], SPOKEN, {}) == HIT
    assert explained(HIT, [link("Forgotten")], SPOKEN, {9: SOURCE}) == HIT
    assert explained(HIT, [link("Paris")], {}, {}) == HIT
    assert explained(HIT, [], SPOKEN, {9: SOURCE}) == HIT


def test_a_passage_without_title_is_called_by_its_beginning() -> None:
    assert name_of("", "One two three.") == "One two three."
    assert name_of("", "1 2 3 4 5 6 7") == "1 2 3 4 5 6 …"
    assert name_of("Title", "text") == "Title"
    assert name_of("", " ") == " …"
