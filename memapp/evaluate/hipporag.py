"""`memapp bench hipporag`: HippoRAG 2 as published, over our embedder and PageRank, beside what memapp recalls."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.errors import UsageError
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Collection, load
from memapp.evaluate.recall import METRICS, ranking
from memapp.evaluate.report import Report
from memapp.evaluate.synonyms import near_pairs
from memapp.extract import triples
from memapp.extract.triples import worded
from memapp.layers.graph.adjacency import Adjacency
from memapp.layers.graph.pagerank import DAMPING, power_iteration
from memapp.memory import Memory
from memapp.protocols import Embedder
from memapp.recall import ranker
from memapp.types import Fact, Vectors

LINKED = 5
"""Facts that a question is led to, and phrases that walks begin at."""
PASSAGE_SHARE = 0.05
SYNONYM_FROM = 0.8
SYNONYMS = 100
UNIT = 100
"""Weight of a context edge: weights are integers, so a synonym's cosine counts to its second decimal."""
DENSE, PUBLISHED, OURS = "dense", "HippoRAG 2", "complete"
RECALLS: Mapping[str, Sequence[str] | None] = {
    DENSE: ["dense"],
    "lexical + dense": ["lexical", "dense"],
    "graph": ["graph"],
    OURS: None,
}
WITH_FACTS = " with these facts"
UNSEEN = "complete, trained without the set"
SHOWN = ("recall@2", "recall@5", "all-gold@5", "recall@20")

Values = dict[str, dict[str, list[float]]]
"""By recall and metric: one value a question."""
Floats = NDArray[np.float32]

_OTHER = re.compile(r"[^a-z0-9 ]")
_TELLING = 3
"""Letters and digits from which on a phrase has synonyms."""
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Index:
    """HippoRAG 2's graph and vectors. Passages are the nodes 0 to passages - 1, phrases those behind them."""

    adjacency: Adjacency
    passages: Vectors
    facts: Vectors
    ends: NDArray[np.int64]
    """The nodes of each fact's subject and object, shape (facts, 2)."""
    holders: NDArray[np.int64]
    """How many passages hold each node's phrase, shape (nodes,); 0 for a passage."""
    synonyms: int
    """How many pairs of phrases are joined for their likeness."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--facts", type=Path, required=True, help="facts of its passages, as `memapp extract --import`")
    parser.add_argument("--limit", type=int, help="only the first questions")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set or file of facts."""
    settings = workspace.settings()
    (collection, *others) = load(arguments.set, arguments.corpus)
    if others:
        raise UsageError("A file of facts belongs to one collection.", "Name a set of one.")
    facts = facts_of(collection, arguments.facts, settings.max_file_mb << 20)
    embedder = workspace.new_embedder(settings)
    values: Values = {}
    with workspace.remembered([collection], embedder) as memories:
        memory = memories[0][1]
        _ask(memory, collection, arguments.limit, RECALLS, values)
        memory.import_facts(arguments.facts)
        known = {f"{name}{WITH_FACTS}": layers for name, layers in RECALLS.items() if name in ("graph", OURS)}
        _ask(memory, collection, arguments.limit, known, values)
    workspace.note("Building HippoRAG 2's graph.")
    made = index([f"{one.title}\n{one.text}" for one in collection.records], facts, embedder)
    workspace.note("Walking.")
    questions = collection.questions[: arguments.limit]
    for question, found in zip(questions, rank(made, [one.text for one in questions], embedder), strict=True):
        _score(values, PUBLISHED, [collection.records[row].id for row in found], question.gold)
    return _report(arguments.set.stem, values, made, sum(1 for each in facts if each))


def facts_of(collection: Collection, path: Path, largest: int) -> list[tuple[Fact, ...]]:
    """The facts of each record. Raises UsageError when they fit none, and what `triples.read` raises."""
    rows = {worded(f"{one.title}\n{one.text}"): row for row, one in enumerate(collection.records)}
    found: list[tuple[Fact, ...]] = [() for _ in collection.records]
    for entry in triples.read(path, largest):
        if isinstance(entry, triples.Entry) and (row := rows.get(worded(entry.content))) is not None:
            found[row] = entry.extraction.facts
    if not any(found):
        raise UsageError("The facts fit no passage of the corpus.", "Name those of this corpus.")
    return found


def index(contents: Sequence[str], facts: Sequence[Sequence[Fact]], embedder: Embedder) -> Index:
    """Makes the graph of passages, given as title, newline and text, and their facts.

    Gutiérrez et al., From RAG to Memory: Non-Parametric Continual Learning for Large Language Models, 2025. An edge
    between the ends of a fact, and one between synonyms, counts twice, as in the authors' program, where both
    directions become edges of one undirected graph.
    """
    said = [dict.fromkeys(normal(fact) for fact in each) for each in facts]
    said = [{triple: None for triple in each if triple[0] and triple[2]} for each in said]
    nodes: dict[str, int] = {}
    for triple in (triple for each in said for triple in each):
        for phrase in triple[::2]:
            nodes.setdefault(phrase, len(contents) + len(nodes))
    weights: Counter[tuple[int, int]] = Counter()
    context: set[tuple[int, int]] = set()
    for row, each in enumerate(said):
        for triple in each:
            one, other = sorted(nodes[phrase] for phrase in triple[::2])
            weights[one, other] += 2 * UNIT
            context |= {(row, one), (row, other)}
    synonyms = _synonyms(nodes, embedder)
    weights.update(dict.fromkeys(context, UNIT))
    # A synonym's weight takes the place of a fact's.
    for pair, score in synonyms.items():
        weights[pair] = round(2 * UNIT * score)
    adjacency = Adjacency(len(contents) + len(nodes))
    pairs = np.array(list(weights), np.int64).reshape(-1, 2)
    adjacency.add(pairs[:, 0], pairs[:, 1], np.fromiter(weights.values(), np.int64))
    known = list(dict.fromkeys(triple for each in said for triple in each))
    ends = np.array([[nodes[triple[0]], nodes[triple[2]]] for triple in known], np.int64).reshape(-1, 2)
    holders = np.bincount([phrase for _, phrase in context], minlength=adjacency.nodes)
    vectors = _embedded(contents, embedder), _embedded([str(triple) for triple in known], embedder)
    return Index(adjacency, *vectors, ends, holders, len(synonyms))


def rank(index: Index, questions: Sequence[str], embedder: Embedder) -> list[list[int]]:
    """The passages for each question, best first, without the recognition filter, for which a large model is needed.

    Where there is no fact, by their vectors alone.
    """
    if not questions:
        return []
    vectors = _embedded(questions, embedder)
    near = np.stack([scaled(index.passages @ vector) for vector in vectors])
    if len(index.facts) == 0:
        return [np.argsort(-row, kind="stable").tolist() for row in near]
    restarts = np.zeros((index.adjacency.nodes, len(questions)), np.float32)
    restarts[: len(index.passages)] = PASSAGE_SHARE * near.T
    for column, vector in enumerate(vectors):
        nodes, weights = phrases(index, scaled(index.facts @ vector))
        restarts[nodes, column] = weights
    values = power_iteration(index.adjacency, restarts, DAMPING)[: len(index.passages)]
    return [np.argsort(-column, kind="stable").tolist() for column in values.T]


def phrases(index: Index, scores: Floats) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where walks begin by the scores of all facts: the best phrases of the best facts, and what each is worth."""
    best = np.argsort(-scores, kind="stable")[:LINKED]
    nodes, place = np.unique(index.ends[best].ravel(), return_inverse=True)
    worth = np.repeat(scores[best], 2) / np.maximum(index.holders[index.ends[best].ravel()], 1)
    mean = np.bincount(place.ravel(), worth) / np.bincount(place.ravel())
    order = np.argsort(-mean, kind="stable")[:LINKED]
    return nodes[order], mean[order]


def scaled(scores: Floats) -> Floats:
    """The scores between 0 and 1; ones where all are the same."""
    low, high = float(scores.min(initial=np.inf)), float(scores.max(initial=-np.inf))
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)


def normal(fact: Fact) -> tuple[str, str, str]:
    """The fact as HippoRAG 2 compares it: in lower case, only letters and digits of English."""
    return _normal(fact.subject), _normal(fact.predicate), _normal(fact.object)


def _normal(text: str) -> str:
    return _OTHER.sub(" ", text.lower()).strip()


def _synonyms(nodes: Mapping[str, int], embedder: Embedder) -> dict[tuple[int, int], float]:
    """Pairs of phrases that are as good as one, and their cosines."""
    telling = [phrase for phrase in nodes if len(phrase.replace(" ", "")) >= _TELLING]
    ones, others, cosines = near_pairs(_embedded(telling, embedder), SYNONYM_FROM, SYNONYMS)
    ends = np.fromiter((nodes[phrase] for phrase in telling), np.int64)
    pairs = zip(ends[ones].tolist(), ends[others].tolist(), cosines.tolist(), strict=True)
    return {(one, other): score for one, other, score in pairs}


def _embedded(texts: Sequence[str], embedder: Embedder) -> Vectors:
    parts = [embedder.embed(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, embedder.identity.dimension), np.float32)


def _ask(
    memory: Memory,
    collection: Collection,
    limit: int | None,
    recalls: Mapping[str, Sequence[str] | None],
    values: Values,
) -> None:
    questions = collection.questions[:limit]
    workspace.note(f"Asking {len(questions):,} questions: {', '.join(recalls)}.")
    for name, layers in recalls.items():
        for question in questions:
            _score(values, name, ranking(memory, question, layers), question.gold)


def _score(values: Values, name: str, found: Sequence[str], gold: metrics.Gold) -> None:
    for metric in SHOWN:
        values.setdefault(name, {}).setdefault(metric, []).append(METRICS[metric](found, gold))


def _report(name: str, values: Values, made: Index, read: int) -> Report:
    rows: list[tuple[str | float, ...]] = []
    figures: dict[str, Any] = {}
    unseen = ranker.load()[1]["left_out"]
    for recall, measured in sorted(values.items(), key=lambda each: _place(each[0])):
        own = figures[recall] = {metric: asdict(metrics.interval(each)) for metric, each in measured.items()}
        against = []
        for other in (DENSE, PUBLISHED):
            less = metrics.interval(measured["recall@5"], values[other]["recall@5"])
            own["recall@5"][f"against_{other}"] = asdict(less)
            against.append(f"{less.mean:+.3f} [{less.low:+.3f}, {less.high:+.3f}]" if recall != other else "")
        rows.append((recall, *(own[metric]["mean"] for metric in SHOWN), *against))
        if recall == OURS and name in unseen:
            figures[UNSEEN] = dict(unseen[name])
            rows.append((UNSEEN, *(unseen[name][metric] for metric in SHOWN), "", ""))
    questions = len(values[PUBLISHED]["recall@5"])
    size = {"phrases": made.adjacency.nodes - len(made.passages), "facts": len(made.facts), "synonyms": made.synonyms}
    columns = ("recall", *SHOWN, *(f"recall@5 against {other} [95 %]" for other in (DENSE, PUBLISHED)))
    notes = (
        f"{questions:,} questions; differences with a paired bootstrap's 95 % interval. HippoRAG 2: facts of {read:,} "
        f"passages, {size['facts']:,} different ones, {size['phrases']:,} phrases, {size['synonyms']:,} pairs of "
        "synonyms; the embedder of the dense layer, which was not trained for facts; without the recognition filter.",
        "What flatters ours: the ranker of the complete recall was trained on the sets that ranker.json names, so on "
        f"those its row is too high, and '{UNSEEN}' is what it reached without the set, as noted there; and the tagger "
        "that finds the graph's phrases learned from the texts that tagger.json names, though from no question.",
    )
    return Report(
        f"hipporag: {name}", columns, tuple(rows), {"questions": questions, "recalls": figures, **size}, notes
    )


def _place(recall: str) -> int:
    order = (DENSE, "lexical + dense", PUBLISHED, "graph", f"graph{WITH_FACTS}", OURS, f"{OURS}{WITH_FACTS}")
    return order.index(recall)
