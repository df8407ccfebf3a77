"""`python -m memapp.train.ranker --data FOLDER`: the ranker over all layers, and how good it is on sets left out.

Questions of every kind train together, those with one passage to find and those with several. The figures are those
of a ranker that never saw the set. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.evaluate import metrics, workspace
from memapp.evaluate.bench import RESULTS
from memapp.evaluate.data import Collection, Question, load
from memapp.evaluate.report import Cell, Report, circumstances, record, table
from memapp.memory import Memory
from memapp.models.minilm import WEIGHTS_SHA256
from memapp.recall.features import NAMES
from memapp.recall.ranker import anchored
from memapp.search import gather

SETS = (
    "multihop/musique_train100",
    "multihop/hotpot_train100",
    "multihop/wiki2_train500",
    "singlehop/squad1190",
    "singlehop/nq2655",
)
MOST = 600
"""Questions of one set; more of the same kind teach nothing new."""
TREES, LEAVES, RATE = 400, 10, 0.07
PLAIN, PLAIN_WEIGHT = ("squad1190", "nq2655"), 3.0
"""Sets of questions with one passage to find, and what such a set weighs: most questions are of this kind."""
AMONG_ALL = " among all"
"""Marks a set whose questions were asked of all corpora together."""
_K = 5

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """The candidates of one question."""

    documents: tuple[str, ...]
    features: Matrix
    gold: frozenset[str]

    @property
    def labels(self) -> NDArray[np.float64]:
        """1 for a passage of a document that helps."""
        return np.array([float(document in self.gold) for document in self.documents])


Sets = Mapping[str, Sequence[Example]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Gathers, measures with one set left out at a time, trains on all, writes weights and manifest."""
    parser = argparse.ArgumentParser("python -m memapp.train.ranker", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with multihop/ and singlehop/")
    parser.add_argument("--out", type=Path, default=Path("data/weights/ranker.safetensors"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gathered", type=Path, help="keep what was gathered there, or take it from there")
    parser.add_argument("--record", type=Path, metavar="FILE", nargs="?", const=RESULTS, help="keep the table there")
    options = parser.parse_args(arguments)
    sets = _kept(options.gathered) if options.gathered and options.gathered.exists() else _gathered(options.data)
    if options.gathered and not options.gathered.exists():
        _keep(options.gathered, sets)
    held_out: dict[str, Mapping[str, float]] = {}
    for left in (name for name in sets if not name.endswith(AMONG_ALL)):
        booster = _trained(_without(sets, left), options.seed)
        for name in (left, left + AMONG_ALL):
            held_out[name] = _measured(booster, sets[name])
    told = _report(held_out, {name: _measured(_Fusion(), examples) for name, examples in sets.items()})
    sys.stdout.write(table(told) + "\n")
    if options.record:
        record(options.record, told, circumstances(["python", "-m", "memapp.train.ranker", "--data", "FOLDER"]))
    _write(options.out, _trained(sets, options.seed), held_out, sets, options.seed)
    return 0


def _without(sets: Sets, left: str) -> Sets:
    return {name: examples for name, examples in sets.items() if name.removesuffix(AMONG_ALL) != left}


# Gathering


def _gathered(folder: Path) -> Sets:
    """Each set in a memory of its own, and once more in one that holds all corpora: collections differ in size."""
    settings = workspace.settings()
    embedder = workspace.new_embedder(settings)
    chance = random.Random(0)
    known: dict[str, Collection] = {}
    for name in SETS:
        (collection,) = load(folder / f"{name}.json", folder / f"{name}_corpus.json")
        questions = list(collection.questions)
        chance.shuffle(questions)
        known[Path(name).name] = Collection(collection.name, collection.records, tuple(questions[:MOST]))
    everything = Collection("all", tuple(one for each in known.values() for one in each.records), ())
    sets: dict[str, Sequence[Example]] = {}
    for name, collection in known.items():
        with workspace.remembered([collection], embedder) as memories:
            sets[name] = [_example(memories[0][1], each) for each in collection.questions]
    with workspace.remembered([everything], embedder) as memories:
        for name, collection in known.items():
            sets[name + AMONG_ALL] = [_example(memories[0][1], each) for each in collection.questions]
    return sets


def _example(memory: Memory, question: Question) -> Example:
    found = gather(memory.recall_with(), question.text, _K)
    if found.evidence is None:
        raise RuntimeError("The layers that the ranker is for are not all there.")
    documents = tuple(found.passages[id].document for id in found.evidence.passages)
    return Example(documents, found.evidence.features, frozenset(question.gold))


def _keep(path: Path, sets: Sets) -> None:
    arrays: dict[str, Any] = {}
    for name, examples in sets.items():
        told = [{"documents": example.documents, "gold": sorted(example.gold)} for example in examples]
        arrays[f"{name}/told"] = np.array(json.dumps(told))
        arrays[f"{name}/features"] = np.concatenate([example.features for example in examples])
    np.savez_compressed(path, **arrays)


def _kept(path: Path) -> Sets:
    arrays = np.load(path, allow_pickle=False)
    sets: dict[str, Sequence[Example]] = {}
    for key in arrays.files:
        name, _, what = key.rpartition("/")
        if what != "told":
            continue
        features, at, examples = arrays[f"{name}/features"], 0, []
        for one in json.loads(str(arrays[key])):
            length = len(one["documents"])
            examples.append(Example(tuple(one["documents"]), features[at : at + length], frozenset(one["gold"])))
            at += length
        sets[name] = examples
    return sets


# Training


def _trained(sets: Sets, seed: int) -> Any:
    """The booster."""
    import lightgbm

    features = np.concatenate([example.features for examples in sets.values() for example in examples])
    labels = np.concatenate([example.labels for examples in sets.values() for example in examples])
    weights = np.concatenate(
        [_weights(example, len(each)) * _worth(name) for name, each in sets.items() for example in each]
    )
    options = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "learning_rate": RATE,
        "min_data_in_leaf": 40,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5,
        "verbose": -1,
        "num_threads": 1,
        "deterministic": True,
    }
    data = lightgbm.Dataset(features, labels, weight=weights / weights.mean())
    return lightgbm.train({**options, "seed": seed}, data, TREES)


def _weights(example: Example, questions: int) -> NDArray[np.float64]:
    """In a set each question weighs the same, however many passages it needs."""
    return np.full(len(example.documents), 1 / questions / max(example.labels.sum(), 1))


def _worth(name: str) -> float:
    return PLAIN_WEIGHT if name.removesuffix(AMONG_ALL) in PLAIN else 1.0


def _measured(booster: Any, examples: Sequence[Example]) -> dict[str, float]:
    found: dict[str, list[float]] = {"recall@2": [], "recall@5": [], "all-gold@5": [], "recall@20": []}
    for example in examples:
        scores = booster.predict(example.features, raw_score=True)
        scores = anchored(scores, example.features)
        order = np.argsort(-np.asarray(scores), kind="stable")
        ranking = list(dict.fromkeys(example.documents[i] for i in order))
        gold = dict.fromkeys(example.gold, 1)
        for k in (2, 5, 20):
            found[f"recall@{k}"].append(metrics.recall(ranking, gold, k))
        found["all-gold@5"].append(metrics.all_gold(ranking, gold, 5))
    return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


class _Fusion:
    """What recall would be without a ranker: the fusion of words and vectors."""

    def predict(self, features: Matrix, raw_score: bool) -> Matrix:
        """The fused score."""
        return features[:, NAMES.index("fused")]


def _report(held_out: Mapping[str, Mapping[str, float]], fused: Mapping[str, Mapping[str, float]]) -> Report:
    """Each set by a ranker that never saw it, beside fusion on the same questions."""
    columns = ("set left out", "questions' memory", *(next(iter(held_out.values()))), "recall@5 of fusion", "change")
    rows: list[tuple[Cell, ...]] = []
    for name, figures in held_out.items():
        where = "all corpora" if name.endswith(AMONG_ALL) else "its own corpus"
        before = fused[name]["recall@5"]
        change = f"{figures['recall@5'] - before:+.3f}"
        rows.append((name.removesuffix(AMONG_ALL), where, *figures.values(), before, change))
    note = (
        "Lexical, dense and graph layer, ranked; no language model at ingest or query. Each row is by a ranker trained"
        f" on the other sets alone; at most {MOST} questions of a set."
    )
    return Report("ranker: one set left out at a time", columns, tuple(rows), dict(held_out), (note,))


# Writing


def _write(path: Path, booster: Any, held_out: Mapping[str, Mapping[str, float]], sets: Sets, seed: int) -> None:
    from safetensors.numpy import save

    trees = booster.dump_model()["tree_info"]
    flat = [_flat(tree["tree_structure"]) for tree in trees]
    nodes = max(len(tree) for tree in flat)
    arrays = {
        "feature": np.zeros((len(flat), nodes), np.int32),
        "threshold": np.zeros((len(flat), nodes), np.float32),
        "left": np.zeros((len(flat), nodes), np.int32),
        "right": np.zeros((len(flat), nodes), np.int32),
        "value": np.zeros((len(flat), nodes), np.float32),
    }
    for row, tree in enumerate(flat):
        for column, (feature, threshold, left, right, value) in enumerate(tree):
            arrays["feature"][row, column] = feature
            arrays["threshold"][row, column] = _single(threshold)
            arrays["left"][row, column], arrays["right"][row, column] = left, right
            arrays["value"][row, column] = value
    content = save(arrays)
    manifest = {
        "made_by": f"python -m memapp.train.ranker --data FOLDER --seed {seed}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seed": seed,
        "data": {name: len(examples) for name, examples in sets.items()},
        "embedder": WEIGHTS_SHA256,
        "features": list(NAMES),
        "trees": len(flat),
        "depth": max(_depth(tree["tree_structure"]) for tree in trees),
        "left_out": held_out,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}: {len(flat)} trees, {len(content):,} bytes\n")


def _flat(tree: Mapping[str, Any]) -> list[tuple[int, float, int, int, float]]:
    """Nodes as (feature, threshold, left, right, value), the root first; a leaf points to itself."""
    nodes: list[tuple[int, float, int, int, float]] = []

    def place(node: Mapping[str, Any]) -> int:
        at = len(nodes)
        if "leaf_value" in node:
            nodes.append((0, 0.0, at, at, float(node["leaf_value"])))
            return at
        nodes.append((0, 0.0, at, at, 0.0))
        left, right = place(node["left_child"]), place(node["right_child"])
        nodes[at] = (int(node["split_feature"]), float(node["threshold"]), left, right, 0.0)
        return at

    place(tree)
    return nodes


def _single(threshold: float) -> np.float32:
    """The largest float32 not above the threshold: features are float32, so no comparison changes."""
    near = np.float32(threshold)
    return near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf))


def _depth(tree: Mapping[str, Any]) -> int:
    if "leaf_value" in tree:
        return 0
    return 1 + max(_depth(tree["left_child"]), _depth(tree["right_child"]))


if __name__ == "__main__":
    sys.exit(main())
