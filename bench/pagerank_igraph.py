"""Answers the questions of `memapp bench pagerank` with igraph's PRPACK and, on small graphs, with networkx.

Run by an interpreter that has them: pagerank_igraph.py ASKED.npz DAMPING TOP LARGEST_FOR_NETWORKX. Making the graph
does not count, and neither does turning the seeds into the form that each of them takes.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import igraph
import networkx as nx
import numpy as np


def main(asked: Path, damping: float, top: int, largest: int) -> None:
    with np.load(asked, allow_pickle=False) as file:
        indptr, indices, weights = file["indptr"], file["indices"], file["weights"]
        ends = file["ends"][:-1]
        questions = list(zip(np.split(file["seeds"], ends), np.split(file["shares"], ends), strict=True))
    nodes = len(indptr) - 1
    rows = np.repeat(np.arange(nodes), np.diff(indptr))
    once = rows < indices
    edges, weights = np.column_stack((rows[once], indices[once])), weights[once]
    answers = {"igraph PRPACK": answered(with_igraph(nodes, edges, weights, damping), questions, top)}
    if nodes <= largest:
        answers["networkx"] = answered(with_networkx(nodes, edges, weights, damping), questions, top)
    print(json.dumps(answers))


def answered(prepare: Callable, questions: list, top: int) -> dict:
    seconds, best = [], []
    for seeds, shares in questions:
        ask = prepare(seeds, shares)
        began = time.perf_counter()
        values = ask()
        seconds.append(time.perf_counter() - began)
        best.append(np.argpartition(np.asarray(values), -top)[-top:].tolist())
    return {"seconds": seconds, "best": best}


def with_igraph(nodes: int, edges: np.ndarray, weights: np.ndarray, damping: float) -> Callable:
    graph = igraph.Graph(nodes, edges)
    graph.es["weight"] = weights.tolist()

    def prepare(seeds: np.ndarray, shares: np.ndarray) -> Callable:
        reset = np.zeros(nodes)
        reset[seeds] = shares
        options = {"damping": damping, "directed": False, "weights": "weight", "implementation": "prpack"}
        given = reset.tolist()
        return lambda: graph.personalized_pagerank(reset=given, **options)

    return prepare


def with_networkx(nodes: int, edges: np.ndarray, weights: np.ndarray, damping: float) -> Callable:
    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_weighted_edges_from(
        (*edge, weight) for edge, weight in zip(edges.tolist(), weights.tolist(), strict=True)
    )

    def prepare(seeds: np.ndarray, shares: np.ndarray) -> Callable:
        reset = dict(zip(seeds.tolist(), shares.tolist(), strict=True))
        # networkx stops at an error below nodes x tol.
        options = {"alpha": damping, "tol": 1e-6 / nodes, "weight": "weight"}
        return lambda: list(nx.pagerank(graph, personalization=reset, **options).values())

    return prepare


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
