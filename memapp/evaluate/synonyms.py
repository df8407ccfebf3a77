"""`memapp bench synonyms`: what joining phrases of like meaning adds to joining the forms of one name."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Collection, Question, load
from memapp.evaluate.report import Report
from memapp.extract.phrases import normal
from memapp.layers.graph.activation import activate
from memapp.layers.graph.contribution import CONTEXT, SYNONYM, Contribution, contribution
from memapp.layers.graph.keys import phrase_key
from memapp.layers.graph.state import GraphState
from memapp.memory import Memory
from memapp.protocols import Embedder
from memapp.recall import fuse
from memapp.search import NEAR, SEEDING, gather
from memapp.store import extractions
from memapp.store.extractions import Spoken
from memapp.types import Score, Vectors

NONE, FORMS = "none", "forms"
COSINES = (0.8, 0.85, 0.9)
PUBLISHED = 2 * CONTEXT
"""Weight of a pair's edge by its cosine in HippoRAG 2, where a context edge weighs half as much as a sure synonym."""
MOST = 10
"""Neighbours of one phrase."""
DEPTHS = (5, 20)
_BATCH = 512
_TIMED = 200
"""Phrases that are embedded and looked up a few at a time."""
_FEW = 10

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Rows of both phrases, the first one's lower, and their cosine."""
Values = dict[str, dict[int, list[float]]]
"""By kind of synonym edges and depth: one value a question."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One collection: what its passages contribute, and what the other layers find near each question."""

    contributions: Sequence[Contribution]
    forms: Sequence[str]
    """The normal forms of all phrases, each once."""
    documents: Mapping[int, str]
    """By passage: the record that it is of."""
    questions: Sequence[tuple[Question, Sequence[Score]]]


@dataclass
class Costs:
    """What edges cost to find, and how many there are."""

    ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds by what is done."""
    new: float = 0.0
    """New phrases that a record brings on average."""
    pairs: dict[str, int] = field(default_factory=dict)
    """Pairs of phrases by the least cosine."""
    edges: dict[str, int] = field(default_factory=dict)
    """Edges of the graph by the kind of its synonym edges."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--limit", type=int, help="only the first questions")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    collection = load(arguments.set, arguments.corpus)[0]
    embedder = workspace.new_embedder(workspace.settings())
    costs = Costs()
    began = time.perf_counter()
    with workspace.remembered([collection], embedder) as memories:
        costs.ms["ingest"] = 1000 * (time.perf_counter() - began) / len(collection.records)
        known = _remembered(memories[0][1], collection, arguments.limit)
    workspace.note(f"Embedding {len(known.forms):,} phrases.")
    vectors = np.concatenate(
        [embedder.embed(known.forms[start : start + _BATCH]) for start in range(0, len(known.forms), _BATCH)]
    )
    costs.new = len(known.forms) / len(collection.records)
    pairs = near_pairs(vectors, min(COSINES), MOST)
    _time(known.forms, vectors, embedder, costs)
    values: Values = {}
    for name, contributions in _variants(known, pairs, costs).items():
        workspace.note(f"Asking {len(known.questions):,} questions: {name}.")
        state = GraphState()
        state.add(contributions)
        costs.edges[name] = state.adjacency.edges
        values[name] = _asked(known, state)
    return _report(arguments.set.stem, values, costs, len(known.forms))


def near_pairs(vectors: Vectors, threshold: float, most: int) -> Pairs:
    """Pairs of rows whose cosine is at least `threshold`, each once, where one is among the other's `most` nearest.

    The vectors, shape (n, dimension), are of unit length.
    """
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    found: dict[tuple[int, int], float] = {}
    for start in range(0, len(vectors), _BATCH):
        cosines, rows = index.search(vectors[start : start + _BATCH], min(most + 1, len(vectors)))
        for place, column in zip(*np.nonzero(cosines >= threshold), strict=True):
            one, other = start + int(place), int(rows[place, column])
            if one != other:
                found[min(one, other), max(one, other)] = float(cosines[place, column])
    ends = np.array(list(found), np.int64).reshape(-1, 2)
    return ends[:, 0], ends[:, 1], np.fromiter(found.values(), np.float32)


def _remembered(memory: Memory, collection: Collection, limit: int | None) -> Remembered:
    """All that is needed of a memory, so that every kind of edges has the same passages to start from."""
    recall = memory.recall_with(SEEDING)
    last = memory.stats().passages
    spoken = list(extractions.spoken(recall.store, [(1, last)]))
    made = [contribution(one, _previous(spoken, place)) for place, one in enumerate(spoken)]
    forms = dict.fromkeys(form for one in spoken for form in _forms(one))
    questions = []
    documents = {passage.id: one.id for one in collection.records for passage in memory.passages(one.id)}
    workspace.note("Asking the other layers.")
    for question in collection.questions[:limit]:
        found = gather(recall, question.text, fuse.DEPTH)
        near = fuse.fuse(found.rankings, depth=fuse.DEPTH)[:NEAR]
        questions.append((question, tuple(Score(one.passage, one.score) for one in near)))
    return Remembered(made, tuple(forms), documents, questions)


def _previous(spoken: Sequence[Spoken], place: int) -> int | None:
    before = spoken[place - 1] if place else None
    return before.passage if before is not None and before.document == spoken[place].document else None


def _forms(spoken: Spoken) -> list[str]:
    facts = [phrase for fact in spoken.extraction.facts for phrase in (fact.subject, fact.object)]
    return [form for phrase in (*spoken.extraction.phrases, *facts, spoken.title) if (form := normal(phrase))]


def _variants(known: Remembered, pairs: Pairs, costs: Costs) -> dict[str, list[Contribution]]:
    """The contributions by the kind of their synonym edges."""
    own = list(known.contributions)
    found = {NONE: [without_synonyms(one) for one in own], FORMS: own}
    keys = np.fromiter((phrase_key(form) for form in known.forms), np.int64)
    for threshold in COSINES:
        chosen = pairs[2] >= threshold
        near: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for one, other, cosine in zip(*(part[chosen].tolist() for part in pairs), strict=True):
            near[int(keys[one])].append((int(keys[other]), cosine))
            near[int(keys[other])].append((int(keys[one]), cosine))
        costs.pairs[f"{threshold}"] = int(chosen.sum())
        found[f"{FORMS}, cosine {threshold}"] = [with_neighbours(one, near) for one in own]
        found[f"{FORMS}, cosine {threshold}, weights as published"] = with_published(own, near)
    return found


def without_synonyms(made: Contribution) -> Contribution:
    """The contribution without the edges between forms of one name."""
    kept = tuple(edge for edge in made.edges if not (edge[0] < 0 and edge[1] < 0 and edge[2] == SYNONYM))
    return replace(made, edges=kept)


def with_neighbours(made: Contribution, near: Mapping[int, Sequence[tuple[int, float]]]) -> Contribution:
    """The contribution with an edge to each neighbour of each phrase that the passage holds, as forms have."""
    held = [edge[1] for edge in made.edges if edge[0] > 0 and edge[1] < 0]
    added = [(phrase, other, SYNONYM) for phrase in held for other, _ in near.get(phrase, ())]
    return replace(made, edges=(*made.edges, *added))


def with_published(made: Sequence[Contribution], near: Mapping[int, Sequence[tuple[int, float]]]) -> list[Contribution]:
    """The contributions with one edge for each pair, whatever holds it, in the proportion that HippoRAG 2 has."""
    seen: set[int] = set()
    found = []
    for one in made:
        held = [edge[1] for edge in one.edges if edge[0] > 0 and edge[1] < 0 and edge[1] not in seen]
        seen.update(held)
        added = [
            (phrase, other, round(PUBLISHED * cosine))
            for phrase in held
            for other, cosine in near.get(phrase, ())
            if phrase < other
        ]
        found.append(replace(one, edges=(*one.edges, *added)))
    return found


def _asked(known: Remembered, state: GraphState) -> dict[int, list[float]]:
    values: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    for question, near in known.questions:
        found = dict.fromkeys(known.documents[score.passage] for score in activate(state, question.text, near))
        for depth in DEPTHS:
            values[depth].append(metrics.recall(list(found), question.gold, depth))
    return values


def _time(forms: Sequence[str], vectors: Vectors, embedder: Embedder, costs: Costs) -> None:
    """What a new phrase costs when those of one passage come together."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    timed = forms[:: max(1, len(forms) // _TIMED)][:_TIMED]
    costs.ms["embed"] = costs.ms["search"] = 0.0
    for start in range(0, len(timed), _FEW):
        began = time.perf_counter()
        few = embedder.embed(timed[start : start + _FEW])
        embedded = time.perf_counter()
        index.search(few, min(MOST + 1, len(vectors)))
        costs.ms["embed"] += 1000 * (embedded - began) / len(timed)
        costs.ms["search"] += 1000 * (time.perf_counter() - embedded) / len(timed)


def _report(name: str, values: Values, costs: Costs, phrases: int) -> Report:
    rows: list[tuple[str | float | int, ...]] = []
    figures: dict[str, Any] = {"ms": costs.ms, "pairs": costs.pairs, "edges": costs.edges, "phrases": phrases}
    for kind, measured in values.items():
        own = {f"recall@{depth}": asdict(metrics.interval(each)) for depth, each in measured.items()}
        against = [metrics.interval(each, values[FORMS][depth]) for depth, each in measured.items()]
        for depth, each in zip(measured, against, strict=True):
            own[f"recall@{depth}"][f"against_{FORMS}"] = asdict(each)
        shown = [f"{each.mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}]" if kind != FORMS else "" for each in against]
        rows.append((kind, *(each["mean"] for each in own.values()), *shown, costs.edges[kind]))
        figures[kind] = own
    depths = [f"recall@{depth}" for depth in DEPTHS]
    columns = ("synonym edges", *depths, *(f"{depth} against {FORMS} [95 %]" for depth in depths), "edges")
    notes = (
        f"The graph layer alone, {len(values[FORMS][DEPTHS[0]]):,} questions; {phrases:,} phrases; differences with a "
        f"paired bootstrap's 95 % interval. Forms are what the layer has. At most {MOST} neighbours a phrase; an edge "
        "weighs as much as one between forms, or as in HippoRAG 2 against the edge of a passage and its phrase.",
        f"A new phrase costs {costs.ms['embed']:.2f} ms to embed and {costs.ms['search']:.2f} ms to look up, {_FEW} at "
        f"a time, and a record brings {costs.new:.1f}; all else of a record's ingest took "
        f"{costs.ms['ingest']:.1f} ms.",
    )
    return Report(f"synonyms: {name}", columns, tuple(rows), figures, notes)
