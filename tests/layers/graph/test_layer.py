"""The graph of what lives: the same whatever came and went before, and nothing left of what is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memapp.extract.phrases import normal
from memapp.layers.graph import layer as module
from memapp.layers.graph.bridge import HUB
from memapp.layers.graph.keys import phrase_key
from memapp.layers.graph.layer import GraphLayer
from memapp.models.scripted import ScriptedEmbedder
from memapp.search import catch_up
from memapp.store import derived, extractions
from memapp.store.extractions import TAGGER
from memapp.store.log import Entry, Store
from memapp.types import Document, Extraction, Fact, Query, Score, Span

EMBEDDER = ScriptedEmbedder()
NAMES = (
    "Amber Hall",
    "Basalt",
    "Cedar (tree)",
    "Dune",
    "Élan",
    "Mr. Fjord",
    "C++",
    "C#",
    "C",
    "北京",
    "Москва",
    "القاهرة",
)


class World:
    """A store whose passages name what a test says."""

    def __init__(self, path: Path) -> None:
        self.store = Store(path, "default")

    def put(self, key: str, *passages: Extraction, title: str = "") -> None:
        texts = [", ".join(one.phrases) or "nothing" for one in passages]
        starts = [sum(len(text) + 1 for text in texts[:i]) for i in range(len(texts))]
        spans = tuple(Span(start, start + len(text)) for start, text in zip(starts, texts, strict=True))
        document = Document(key, title, "\n".join(texts))
        self.store.put([Entry(document, spans, EMBEDDER.embed(texts), tuple(passages), TAGGER)], EMBEDDER.identity)

    def layer(self) -> GraphLayer:
        layer = GraphLayer(self.store)
        catch_up(layer, self.store)
        return layer

    def first(self, key: str) -> int:
        (id,) = [p.id for p in extractions.unread(self.store, "nobody") if p.document == key][:1]
        return id


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "notes.db")
    yield made
    made.store.close()


def names(*phrases: str, facts: tuple[Fact, ...] = ()) -> Extraction:
    return Extraction(phrases, facts)


def fresh(world: World) -> dict[str, Any]:
    made = GraphLayer(world.store)
    made.rebuild()
    return made.state().canonical()


spoken = st.builds(
    Extraction,
    st.lists(st.sampled_from(NAMES), max_size=5).map(tuple),
    st.lists(st.builds(Fact, st.sampled_from(NAMES), st.just("knows"), st.sampled_from(NAMES)), max_size=2).map(tuple),
)
keys = st.sampled_from("abcdef")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, st.lists(spoken, min_size=1, max_size=3), st.sampled_from(("", *NAMES))),
        st.tuples(st.just("forget"), keys),
        st.tuples(st.just("learn"), keys, spoken),
        st.tuples(
            st.sampled_from(("catch up", "save", "reopen")),
        ),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_any_history_gives_the_graph_of_a_batch_build(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    world = World(tmp_path_factory.mktemp("world") / "notes.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SAVE_FROM", 1)
        layer = world.layer()
        for step in steps:
            known = {p.document: p.id for p in extractions.unread(world.store, "nobody")}
            if step[0] == "put":
                world.put(step[1], *step[2], title=step[3])
            elif step[0] == "forget":
                world.store.forget([step[1]])
            elif step[0] == "learn" and step[1] in known:
                extractions.replace(world.store, {known[step[1]]: step[2]}, "openie")
            elif step[0] == "reopen":
                layer = GraphLayer(world.store)
            elif step[0] == "save":
                layer.save()
            if step[0] != "put":
                catch_up(layer, world.store)
        catch_up(layer, world.store)
        assert layer.state().canonical() == fresh(world)
    world.store.close()


def test_nothing_is_left_of_what_is_forgotten(world: World) -> None:
    world.put("a", names("Amber Hall", "Dune"), names("Basalt"))
    before = world.layer().state().canonical()
    layer = world.layer()
    world.put("b", names("Amber Hall", "Quixote", facts=(Fact("Quixote", "owns", "Rocinante"),)), title="La Mancha")
    catch_up(layer, world.store)
    assert phrase_key("quixote") in layer.state().canonical()["nodes"]
    world.store.forget(["b"])
    catch_up(layer, world.store)
    assert layer.state().canonical() == before
    held = np.concatenate([np.ravel(array).view(np.uint8) for array in layer.state().arrays().values()]).tobytes()
    for word in ("quixote", "rocinante", "la mancha"):
        assert np.int64(phrase_key(word)).tobytes() not in held


def test_a_saved_graph_is_the_same_and_is_dropped_when_it_is_of_another_past(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_FROM", 1)
    world.put("a", names("Amber Hall", "Dune"), names("Basalt"))
    layer = world.layer()
    layer.save()
    path = world.store.database.derived(world.store.number()) / "graph.safetensors"
    assert path.exists()
    assert GraphLayer(world.store).state().canonical() == layer.state().canonical()
    world.put("b", names("Dune"))
    world.store.forget(["a"])
    again = world.layer()
    assert not path.exists()
    assert again.state().canonical() == fresh(world)


@pytest.mark.parametrize("damage", [b"", b"x" * 500])
def test_a_damaged_file_is_made_anew(world: World, monkeypatch: pytest.MonkeyPatch, damage: bytes) -> None:
    monkeypatch.setattr(module, "SAVE_FROM", 1)
    world.put("a", names("Amber Hall", "Dune"))
    layer = world.layer()
    layer.save()
    path = world.store.database.derived(world.store.number()) / "graph.safetensors"
    path.write_bytes(damage)
    manifest = json.loads(path.with_suffix(".json").read_text())
    stamp = derived.Stamp(*(manifest[name] for name in derived.Stamp.__slots__))
    manifest["sha256"] = derived._digest(stamp, damage)
    path.with_suffix(".json").write_text(json.dumps(manifest))
    assert GraphLayer(world.store).state().canonical() == layer.state().canonical()


def test_names_stay_themselves(world: World) -> None:
    for number, name in enumerate(("C", "C++", "C#", "北京", "Москва", "القاهرة", "नई दिल्ली")):
        world.put(str(number), names(name, "Language"))
    layer = world.layer()
    assert layer.state().phrases == 8
    for name in ("C++", "C#", "北京", "Москва", "القاهرة"):
        found = layer.recall(Query(f"Who knows {name} ?"), 10)
        best = found[0]
        assert normal(name)
        assert [link.phrase for link in best.links] == [phrase_key(normal(name))]


def test_spellings_of_one_name_are_one(world: World) -> None:
    world.put("a", names("The  KING’s Head", "Ａｍｂｅｒ"))
    world.put("b", names("King's Head.", "“amber”"))
    assert world.layer().state().phrases == 2


def test_another_form_of_a_name_is_a_step_away(world: World) -> None:
    world.put("a", names("Dr. Ada Quill", "Dune"))
    world.put("b", names("Ada Quill", "Basalt"))
    world.put("c", names("Cedar"))
    found = world.layer().recall(Query("What did Dr. Ada Quill write?"), 10)
    assert [score.passage for score in found][:2] == [world.first("a"), world.first("b")]


def test_a_second_document_is_found_that_no_word_of_the_question_points_at(world: World) -> None:
    world.put("film", names("Dancing Pirate", "Lloyd Corrigan"), title="Dancing Pirate")
    world.put("person", names("Lloyd Corrigan", "Lillian Elliott"), title="Lloyd Corrigan")
    for number in range(20):
        world.put(f"other {number}", names(f"Name {number}", f"Place {number % 3}"))
    film, person = world.first("film"), world.first("person")
    found = world.layer().recall(
        Query("Who is the mother of the maker of Dancing Pirate?", near=(Score(film, 0.8),)), 5
    )
    assert {score.passage for score in found[:2]} == {film, person}
    (link,) = next(score for score in found if score.passage == person).links
    assert (link.source, link.phrase) == (film, phrase_key("lloyd corrigan"))


def test_a_phrase_in_every_passage_drowns_nothing(world: World) -> None:
    for number in range(HUB + 20):
        world.put(f"d{number}", names("Everywhere", f"Own {number}"))
    world.put("pair one", names("Everywhere", "Rare Thing", "Pair"))
    world.put("pair two", names("Everywhere", "Rare Thing"))
    one, two = world.first("pair one"), world.first("pair two")
    found = world.layer().recall(Query("What is a Pair, Everywhere?", near=(Score(one, 0.9),)), 10)
    assert {score.passage for score in found[:2]} == {one, two}


def test_passages_without_phrases_and_phrases_without_end(world: World) -> None:
    world.put("a", names(), names("x" * 10_000, "Dune", "", " ", "\u200f\u200e", "a\u0301" * 50))
    world.put("b", names("Dune"))
    layer = world.layer()
    assert layer.stats().passages == 3
    assert [s.passage for s in layer.recall(Query("Dune " + "y" * 10_000), 5)]
    assert layer.recall(Query(""), 5) == []
    world.store.forget(["a", "b"])
    catch_up(layer, world.store)
    assert layer.stats().passages == 0
    assert layer.state().canonical()["nodes"] == []


def test_one_passage_is_a_graph(world: World) -> None:
    world.put("a", names("Dune"))
    layer = world.layer()
    assert [s.passage for s in layer.recall(Query("Dune?"), 5)] == [world.first("a")]
    assert layer.recall(Query("Basalt?"), 5) == []


def test_seeds_outside_the_graph_are_passed_over(world: World) -> None:
    world.put("a", names("Dune"))
    layer = world.layer()
    found = layer.recall(Query("Basalt?", near=(Score(999_999, 1.0), Score(world.first("a"), 0.5))), 5)
    assert [s.passage for s in found] == [world.first("a")]


def test_neighbours_of_a_document_are_near(world: World) -> None:
    world.put("a", names("Dune"), names("Basalt"), names("Cedar"))
    world.put("b", names("Elm"))
    first = world.first("a")
    found = world.layer().recall(Query("Dune?"), 5)
    assert [s.passage for s in found] == [first, first + 1, first + 2]


def test_another_namespace_is_not_seen(world: World, tmp_path: Path) -> None:
    world.put("a", names("Dune"))
    other = Store(tmp_path / "notes.db", "other")
    layer = GraphLayer(other)
    catch_up(layer, other)
    assert layer.stats().passages == 0
    assert layer.recall(Query("Dune?", near=(Score(world.first("a"), 1.0),)), 5) == []
    other.close()
