"""The graph's public face over a real store: what is shown is what the layer holds, and only that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pytest

from memapp.errors import UsageError
from memapp.graph import Graph
from memapp.graph.assembly import forms_of
from memapp.graph.picture import shortened
from memapp.layers.graph.keys import phrase_key
from memapp.layers.graph.layer import GraphLayer
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder
from memapp.store import extractions
from memapp.store.log import Store
from memapp.types import Extraction, Fact

HOSTILE = (
    "[bold red]Red[/bold red] Herring",
    "Line\x00 Feed\x1b[31m Bell\x07",
    "\u202eright to left\u202c",
    "مكتبة الإسكندرية",
    "東京タワー展望台",
    "A & B <script>alert('1')</script>",
    "Long " + "x" * 195,
    "Ends ]]> \ufffe here",
)

Speak = Callable[[str, str, Extraction], int]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "notes.db", embedder=ScriptedEmbedder()) as opened:
        yield opened


@pytest.fixture
def speak(memory: Memory) -> Speak:
    """Remembers a passage that speaks of exactly this; returns its number."""

    def remember(id: str, title: str, extraction: Extraction) -> int:
        memory.add(f"The text of {id}.", id=id, title=title)
        (passage,) = memory.passages(id)
        with_store = Store(memory.store_location, memory.namespace)
        extractions.replace(with_store, {passage.id: extraction}, extractions.TAGGER)
        with_store.close()
        return passage.id

    return remember


@pytest.fixture
def filled(memory: Memory, speak: Speak) -> Memory:
    """Two islands: Curie with her family and places, and a lighthouse."""
    born = Fact("Marie Curie", "was born in", "Warsaw")
    speak("marie", "Marie Curie", Extraction(("Marie Curie", "Warsaw", "Paris", "Pierre Curie"), (born,)))
    married = (Fact("Pierre Curie", "married", "Marie Curie"), Fact("Marie Curie", "married", "Pierre Curie"))
    speak("pierre", "Pierre Curie", Extraction(("Pierre Curie", "MARIE CURIE", "Sorbonne"), married))
    speak("sorbonne", "Sorbonne (university)", Extraction(("Sorbonne", "Paris", "Robert de Sorbon")))
    speak("paris", "Paris", Extraction(("Paris", "France")))
    speak("light", "Skarrow light", Extraction(("Skarrow light", "Tiverley")))
    return memory


def layer_of(memory: Memory) -> GraphLayer:
    found = memory._chosen(("graph",))["graph"]
    assert isinstance(found, GraphLayer)
    return found


def key_of(name: str) -> int:
    kind, _, rest = name.partition(":")
    return int(rest) if kind == "passage" else phrase_key(rest)


def assert_same_as_layer(made: nx.Graph, memory: Memory) -> None:
    """The exported graph has the layer's nodes and weights, no more and no less."""
    graph = memory.graph()
    held = layer_of(memory).state().canonical()
    assert sorted(key_of(name) for name in made) == held["nodes"]
    found = [(*sorted((key_of(one), key_of(other))), weight) for one, other, weight in made.edges.data("weight")]
    assert sorted(found) == sorted(edge for edge in held["edges"] if edge[0] < edge[1])
    counted = {key_of(name): count for name, count in made.nodes.data("passages") if count is not None}
    assert counted == {key: held["mentions"][key] for key in held["nodes"] if key < 0}
    kinds: dict[str, int] = {"context": 0, "relation": 0, "synonym": 0, "neighbour": 0}
    for _, _, kind in made.edges.data("kind"):
        kinds[kind] += 1
    statistics = graph.statistics()
    assert statistics.edges == kinds
    assert (statistics.components, statistics.largest_component) == (
        nx.number_connected_components(made),
        max(map(len, nx.connected_components(made)), default=0),
    )
    degrees = [degree for _, degree in made.degree()]
    assert sum(statistics.degrees.values()) == len(degrees)
    for name, count in statistics.degrees.items():
        bounds = [int(each.replace(",", "")) for each in name.split("-")]
        assert count == sum(bounds[0] <= degree <= bounds[-1] for degree in degrees)


def test_the_export_is_the_layers_graph_in_words(filled: Memory) -> None:
    made = filled.graph().networkx()
    assert_same_as_layer(made, filled)
    assert made.nodes["phrase:marie curie"] == {"kind": "phrase", "label": "Marie Curie", "passages": 2}
    (marie,) = filled.passages("marie")
    passage = made.nodes[f"passage:{marie.id}"]
    assert passage == {
        "kind": "passage", "label": "Marie Curie", "passage": marie.id, "document": "marie", "title": "Marie Curie"
    }  # fmt: skip
    born = made.edges["phrase:warsaw", "phrase:marie curie"]
    assert born == {"kind": "relation", "weight": 8, "predicates": "was born in", "subject": "phrase:marie curie"}
    assert made.edges["phrase:pierre curie", "phrase:marie curie"]["predicates"] == "married"
    assert made.edges["phrase:sorbonne (university)", "phrase:sorbonne"]["kind"] == "synonym"


def test_long_documents_have_neighbours_in_the_export(memory: Memory) -> None:
    memory.add("Ada met Charles Babbage in London. " * 200, id="long", title="Long")
    assert len(memory.passages("long")) > 2
    made = memory.graph().networkx()
    assert_same_as_layer(made, memory)
    assert memory.graph().statistics().edges["neighbour"] == len(memory.passages("long")) - 1


@pytest.mark.parametrize("format", ["graphml", "json"])
def test_what_was_written_is_read_back_the_same(memory: Memory, speak: Speak, tmp_path: Path, format: str) -> None:
    facts = tuple(Fact(one, "<is>\x00 & \x1b[2J", other) for one, other in pairwise(HOSTILE))
    speak("hostile", "[/]\u202e \x9b31m <&>", Extraction(HOSTILE, facts))
    path = tmp_path / f"graph.{format}"
    nodes, edges = memory.graph().write(path, format)
    if format == "graphml":
        back = nx.read_graphml(path)
    else:
        back = nx.node_link_graph(json.loads(path.read_text(encoding="utf-8")), edges="edges")
    made = memory.graph().networkx()
    assert (nodes, edges) == (made.number_of_nodes(), made.number_of_edges())
    assert nodes > len(HOSTILE)
    assert dict(back.nodes(data=True)) == dict(made.nodes(data=True))
    assert back.adj == made.adj
    assert_same_as_layer(back, memory)
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".part")] == []


def test_nothing_of_what_was_forgotten_is_in_the_export(filled: Memory, tmp_path: Path) -> None:
    assert filled.graph().around("Robert de Sorbon").centre.passages == 1
    filled.forget("sorbonne")
    path = tmp_path / "graph.graphml"
    filled.graph().write(path)
    assert not re.search("robert|university", path.read_text(encoding="utf-8"), re.IGNORECASE)
    assert_same_as_layer(filled.graph().networkx(), filled)
    with pytest.raises(UsageError, match="does not know"):
        filled.graph().around("Robert de Sorbon")


def test_another_namespace_is_not_in_the_export(filled: Memory) -> None:
    with Memory.open(filled.store_location, namespace="other", embedder=ScriptedEmbedder()) as other:
        assert other.graph().networkx().number_of_nodes() == 0
        other.add("Grace Hopper wrote a compiler.", title="Grace Hopper")
        assert_same_as_layer(other.graph().networkx(), other)
        assert "phrase:marie curie" not in other.graph().networkx()


def test_around_a_phrase_stand_facts_passages_and_their_phrases(filled: Memory) -> None:
    view = filled.graph().around("the Marie  CURIE's")
    names = {node.id: node for node in view.nodes}
    assert view.centre == names["phrase:marie curie"]
    assert (view.centre.label, view.centre.passages) == ("Marie Curie", 2)
    said = {(edge.one, edge.other): edge.predicates for edge in view.edges if edge.kind == "relation"}
    assert said == {
        ("phrase:marie curie", "phrase:warsaw"): ("was born in",),
        ("phrase:marie curie", "phrase:pierre curie"): ("married",),
        ("phrase:pierre curie", "phrase:marie curie"): ("married",),
    }
    documents = [node.document for node in view.nodes if node.kind == "passage"]
    assert documents == ["marie", "pierre"]
    assert "phrase:sorbonne" in names
    assert "phrase:tiverley" not in names
    whole = filled.graph().networkx().subgraph(names)
    assert {frozenset((edge.one, edge.other)) for edge in view.edges} == {frozenset(pair) for pair in whole.edges}
    assert all(whole.edges[edge.one, edge.other]["weight"] == edge.weight for edge in view.edges)


def test_the_limit_bounds_what_is_shown_and_the_rest_is_counted(filled: Memory) -> None:
    view = filled.graph().around("Paris", limit=1)
    assert [node.document for node in view.nodes if node.kind == "passage"] == ["paris"]
    assert view.left_out == 2


def test_another_name_leads_to_the_phrase_that_has_it(filled: Memory) -> None:
    view = filled.graph().around("Sorbonne (university)")
    assert view.centre.id == "phrase:sorbonne (university)"
    assert filled.graph().around("Sorbonne (school)").centre.id == "phrase:sorbonne"
    assert forms_of("  ") == ()


@pytest.mark.parametrize(
    ("asked", "nearest"), [("Curie", "Marie Curie"), ("Sorbone", "Sorbonne"), ("Robert Sorbon", "Robert de Sorbon")]
)
def test_an_unknown_phrase_names_the_nearest_known_one(filled: Memory, asked: str, nearest: str) -> None:
    with pytest.raises(UsageError) as raised:
        filled.graph().around(asked)
    assert f"“{asked}”" in raised.value.message
    assert f"“{nearest}”" in raised.value.hint


@pytest.mark.parametrize("asked", ["", " ", "\x00", "(", '"', "x" * 5000, "*", "ZZZZ QQQQ", *HOSTILE])
def test_an_unknown_phrase_may_be_anything(filled: Memory, asked: str) -> None:
    with pytest.raises(UsageError, match="does not know"):
        filled.graph().around(asked)


def test_ways_lead_over_facts_and_passages(filled: Memory) -> None:
    direct, *others = filled.graph().paths("Marie Curie", "Warsaw")
    assert [node.label for node in direct.nodes] == ["Marie Curie", "Warsaw"]
    assert direct.edges[0].predicates == ("was born in",)
    assert all(way.cost >= direct.cost for way in others)
    made = filled.graph().networkx()
    for way in filled.graph().paths("Warsaw", "Robert de Sorbon", 5):
        assert nx.is_simple_path(made, [node.id for node in way.nodes])
        assert (way.nodes[0].label, way.nodes[-1].label) == ("Warsaw", "Robert de Sorbon")
        for (one, other), edge in zip(pairwise(way.nodes), way.edges, strict=True):
            assert {edge.one, edge.other} == {one.id, other.id}
            assert edge.kind == made.edges[one.id, other.id]["kind"]


def test_the_first_way_has_as_few_steps_as_there_are(filled: Memory) -> None:
    made = filled.graph().networkx()
    island = nx.node_connected_component(made, "phrase:paris")
    phrases = sorted(name for name in island if made.nodes[name]["kind"] == "phrase")
    for name in phrases:
        if name != "phrase:paris":
            (way,) = filled.graph().paths("Paris", name.partition(":")[2], 1)
            assert len(way.edges) == nx.shortest_path_length(made, "phrase:paris", name)


def test_a_hub_is_gone_around(memory: Memory, speak: Speak) -> None:
    for number in range(60):
        speak(f"crowd{number}", "", Extraction(("Hub", f"Thing {number} of many")))
    speak("one", "", Extraction(("Start", "Hub", "Quiet lane")))
    speak("two", "", Extraction(("Quiet lane", "Hub", "Goal")))
    first, second = memory.graph().paths("Start", "Goal", 2)
    assert "Quiet lane" in [node.label for node in first.nodes]
    assert "Hub" in [node.label for node in second.nodes]
    assert first.cost < second.cost


def test_no_way_leads_from_one_island_to_another(filled: Memory) -> None:
    assert filled.graph().paths("Marie Curie", "Tiverley") == ()


def test_one_phrase_has_no_way_to_itself(filled: Memory) -> None:
    with pytest.raises(UsageError, match="one phrase"):
        filled.graph().paths("Marie Curie", "marie curie's")


def test_islands_are_communities(filled: Memory) -> None:
    found = filled.graph().communities()
    assert found == filled.graph().communities()
    assert found.least == 1
    assert sum(each.size for each in found.communities) == filled.graph().statistics().phrases
    assert sum(each.passages for each in found.communities) == 5
    light = next(each for each in found.communities if "Tiverley" in {node.label for node in each.phrases})
    assert {node.label for node in light.phrases} == {"Skarrow light", "Tiverley"}
    assert filled.graph().communities(count=1).communities == found.communities[:1]


def test_a_large_graph_is_divided_by_its_frequent_phrases(filled: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memapp.graph.overview.MOST_EDGES", 12)
    found = filled.graph().communities()
    assert found.least > 1
    shown = [node for each in found.communities for node in each.phrases]
    assert shown
    assert all(node.passages >= found.least for node in shown)


def test_an_empty_namespace_has_an_empty_graph(memory: Memory, tmp_path: Path) -> None:
    graph = memory.graph()
    assert graph.networkx().number_of_nodes() == 0
    assert graph.write(tmp_path / "empty.json", "json") == (0, 0)
    assert graph.write(tmp_path / "empty.graphml") == (0, 0)
    assert graph.communities().communities == ()
    statistics = graph.statistics()
    assert (statistics.phrases, statistics.passages, statistics.components, statistics.hubs) == (0, 0, 0, ())
    with pytest.raises(UsageError, match="no phrases yet"):
        graph.around("anything")


def test_a_single_passage_is_a_graph_too(memory: Memory, speak: Speak) -> None:
    speak("only", "", Extraction(("Only Thing",)))
    graph = memory.graph()
    assert_same_as_layer(graph.networkx(), memory)
    assert [node.label for node in graph.around("only thing").nodes] == ["Only Thing", "The text of only."]
    (community,) = graph.communities().communities
    assert (community.size, community.passages) == (1, 1)
    assert [hub.label for hub in graph.statistics().hubs] == ["Only Thing"]


def test_a_look_stays_as_it_was_while_memory_changes(filled: Memory) -> None:
    before = filled.graph()
    statistics = before.statistics()
    filled.forget("light")
    filled.add("Skarrow was lit by Elin Lindqvist.", title="Elin Lindqvist")
    after = before.statistics()
    assert (after.edges, after.components) == (statistics.edges, statistics.components)
    with pytest.raises(UsageError):
        before.around("Tiverley")


def test_a_picture_shows_every_name_and_no_two_boxes_overlap(
    memory: Memory, speak: Speak, filled: Memory, tmp_path: Path
) -> None:
    speak("hostile", "Marie Curie", Extraction(("Marie Curie", *HOSTILE), (Fact("Marie Curie", "<saw>", HOSTILE[4]),)))
    path = tmp_path / "picture.svg"
    view = memory.graph().around("Marie Curie")
    memory.graph().draw(path, view)
    tree = ElementTree.parse(path)
    svg = "{http://www.w3.org/2000/svg}"
    boxes = [group.find(f"{svg}rect") for group in tree.iter(f"{svg}g")]
    assert len(boxes) == len(view.nodes)
    texts = [group.findtext(f"{svg}text") for group in tree.iter(f"{svg}g")]
    assert texts[0] == "Marie Curie"
    assert "東京タワー展望台" in [text.text for text in tree.iter(f"{svg}text")]
    assert "\x1b" not in path.read_text(encoding="utf-8")
    places = np.array(
        [[float(box.attrib[name]) for name in ("x", "y", "width", "height")] for box in boxes if box is not None]
    )
    for at, (x, y, width, height) in enumerate(places):
        for a, b, w, h in places[at + 1 :]:
            assert x + width <= a or a + w <= x or y + height <= b or b + h <= y
    drawn = path.read_bytes()
    memory.graph().draw(path, view)
    assert path.read_bytes() == drawn


def test_a_way_is_drawn_too(filled: Memory, tmp_path: Path) -> None:
    filled.graph().draw(tmp_path / "way.svg", filled.graph().paths("Warsaw", "France"))
    assert ElementTree.parse(tmp_path / "way.svg").getroot().tag.endswith("svg")
    with pytest.raises(UsageError, match="nothing to draw"):
        filled.graph().draw(tmp_path / "none.svg", filled.graph().paths("Warsaw", "Tiverley"))


def test_files_that_cannot_be_written_are_refused(filled: Memory, tmp_path: Path) -> None:
    graph = filled.graph()
    with pytest.raises(UsageError, match="belongs to the store"):
        graph.write(filled.store_location)
    with pytest.raises(UsageError, match="cannot be written"):
        graph.write(tmp_path / "nowhere" / "graph.json", "json")
    with pytest.raises(UsageError, match=r"\.svg"):
        graph.draw(tmp_path / "picture.png", graph.around("Paris"))
    with pytest.raises(UsageError, match="gexf"):
        graph.write(tmp_path / "graph.gexf", "gexf")
    assert isinstance(graph, Graph)


@pytest.mark.parametrize(
    ("text", "columns", "short"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("東京タワー", 5, "東京…"), ("é" * 4, 4, "é" * 4)],
)
def test_long_names_are_cut_by_columns(text: str, columns: int, short: str) -> None:
    assert shortened(text, columns) == short
