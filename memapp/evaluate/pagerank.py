"""`memapp bench pagerank`: time of Personalized PageRank on random graphs, and how much of the exact best is found.

The graphs have the shape of a memory's: passages with ten phrases each, phrases that are as unevenly frequent as words
are, and synonyms. igraph and networkx answer the same questions in the same run, from another interpreter.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import memapp
from memapp.errors import ModelError, UsageError
from memapp.evaluate import workspace
from memapp.evaluate.report import Report
from memapp.layers.graph.adjacency import Adjacency
from memapp.layers.graph.pagerank import DAMPING, EPSILON, forward_push, power_iteration

SIZES = (20_000, 200_000, 2_000_000)
TOP = 100
_PHRASES = 10
"""Phrases of a passage."""
_SYNONYMS = 5
"""Synonym edges for each phrase."""
_UNIT = 1000
"""The weight of a phrase in a passage; synonyms weigh as much as their similarity."""
_SCRIPT = Path("bench") / "pagerank_igraph.py"


@dataclass(frozen=True, slots=True)
class _Question:
    seeds: NDArray[np.int64]
    shares: NDArray[np.float64]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--nodes", type=int, nargs="+", default=list(SIZES), help="sizes of the graphs")
    parser.add_argument("--questions", type=int, default=30, help="questions answered by forward push (30)")
    parser.add_argument("--checked", type=int, default=10, help="questions answered by all others, too (10)")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[EPSILON], help=f"bounds to compare ({EPSILON})")
    parser.add_argument("--igraph", metavar="PYTHON", help="an interpreter that has igraph, networkx and SciPy")
    parser.add_argument(
        "--networkx", type=int, default=20_000, help="largest graph that networkx is asked about (20000)"
    )


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError for impossible numbers, ModelError when igraph cannot be run."""
    if min(arguments.nodes) < 1000 or not 0 < arguments.checked <= arguments.questions:
        raise UsageError("Too small to be measured.", "Give --nodes from 1000 on and --checked up to --questions.")
    rows: list[tuple[str | int | float, ...]] = []
    figures: dict[str, Any] = {}
    for nodes in arguments.nodes:
        workspace.note(f"Making a graph of {nodes:,} nodes.")
        graph = _graph(nodes)
        questions = [_question(graph, number) for number in range(arguments.questions)]
        measured = _measured(graph, questions, arguments)
        base = statistics.median(next(iter(measured.values()))[0])
        for name, (seconds, agreement) in measured.items():
            middle = statistics.median(seconds)
            found = f"{statistics.mean(agreement):.1f} ({min(agreement)})" if agreement else ""
            rows.append((nodes, 2 * graph.edges, name, f"{middle * 1000:.2f}", f"{middle / base:.1f}", found))
        figures[str(nodes)] = {
            name: {"seconds": seconds, "agreement": agreement} for name, (seconds, agreement) in measured.items()
        }
    columns = ("nodes", "stored entries", "algorithm", "ms, median", "x first row", f"of exact top {TOP}, mean (worst)")
    note = (
        f"A question has 5 phrases and 30 passages for seeds, damping {DAMPING}; {arguments.questions} questions for"
        f" forward push, {arguments.checked} for the others and for the agreement with power iteration in float64 to"
        " 1e-12. One thread each; no time contains making a graph."
    )
    return Report("pagerank", columns, tuple(rows), figures, (note,))


Measured = dict[str, tuple[list[float], list[int]]]


def _measured(graph: Adjacency, questions: list[_Question], arguments: argparse.Namespace) -> Measured:
    """Seconds for each question and hits among the exact best, by algorithm; forward push first."""
    workspace.note("Answering exactly.")
    checked = questions[: arguments.checked]
    exact = [_best(power_iteration(graph, _dense(graph, one), DAMPING, 1e-12)) for one in checked]
    measured: Measured = {}
    for epsilon in arguments.epsilon:

        def push(one: _Question, epsilon: float = epsilon) -> set[int]:
            nodes, values = forward_push(graph, one.seeds, one.shares, DAMPING, epsilon)
            return _best(values, nodes)

        workspace.note(f"Forward push at {epsilon:g}.")
        push(questions[0])
        measured[f"forward push, epsilon {epsilon:g}"] = _timed(push, questions, exact)
    workspace.note("Power iteration.")

    def iterate(one: _Question) -> set[int]:
        return _best(power_iteration(graph, _dense(graph, one, np.float32)))

    measured["power iteration, float32"] = _timed(iterate, checked, exact)
    if arguments.igraph:
        workspace.note("igraph and networkx.")
        measured |= _peers(graph, checked, exact, arguments)
    return measured


def _timed(
    answer: Callable[[_Question], set[int]], questions: list[_Question], exact: list[set[int]]
) -> tuple[list[float], list[int]]:
    seconds, found = [], []
    for question in questions:
        began = time.perf_counter()
        best = answer(question)
        seconds.append(time.perf_counter() - began)
        found.append(best)
    return seconds, [len(best & truth) for best, truth in zip(found, exact, strict=False)]


def _best(values: NDArray[Any], nodes: NDArray[np.int64] | None = None) -> set[int]:
    """The nodes of the highest values; choosing them is part of what is timed."""
    first = np.argpartition(values, -TOP)[-TOP:] if len(values) > TOP else np.arange(len(values))
    return set((first if nodes is None else nodes[first]).tolist())


def _dense(graph: Adjacency, question: _Question, kind: type[np.floating] = np.float64) -> NDArray[np.floating]:
    personalization: NDArray[np.floating] = np.zeros(graph.nodes, kind)
    personalization[question.seeds] = question.shares
    return personalization


def _graph(nodes: int) -> Adjacency:
    """Passages are the first half of the nodes; a phrase's frequency is by Zipf's and Mandelbrot's law."""
    random = np.random.default_rng(nodes)
    passages = nodes // 2
    phrases = nodes - passages
    likely = np.cumsum(1 / (np.arange(phrases) + 10))
    drawn = np.searchsorted(likely, random.random(passages * _PHRASES) * likely[-1])
    phrase = random.permutation(phrases)[np.minimum(drawn, phrases - 1)]
    mentions = np.unique(np.repeat(np.arange(passages), _PHRASES) * phrases + phrase)
    synonyms = random.integers(phrases, size=(2, _SYNONYMS * phrases)) + passages
    graph = Adjacency(nodes)
    graph.add(mentions // phrases, mentions % phrases + passages, np.full(len(mentions), _UNIT))
    graph.add(synonyms[0], synonyms[1], random.integers(_UNIT * 8 // 10, _UNIT, synonyms.shape[1]))
    graph.compact()
    return graph


def _question(graph: Adjacency, number: int) -> _Question:
    """Phrases of one passage, and weaker passages from anywhere."""
    random = np.random.default_rng(number)
    passages = graph.nodes // 2
    phrases = graph.neighbours([random.integers(passages)])[1]
    chosen = random.permutation(phrases)[:5].astype(np.int64)
    others = random.choice(passages, 30, replace=False)
    shares = np.concatenate((random.random(len(chosen)), 0.05 * random.random(30)))
    return _Question(np.concatenate((chosen, others)), shares / shares.sum())


def _peers(
    graph: Adjacency, questions: list[_Question], exact: list[set[int]], arguments: argparse.Namespace
) -> Measured:
    script = Path(memapp.__file__).parents[1] / _SCRIPT
    if not script.is_file():
        raise UsageError(f"{_SCRIPT} is not there.", "Compare with igraph from a checkout of memapp.")
    with workspace.folder() as place:
        asked = place / "asked.npz"
        np.savez(
            asked,
            allow_pickle=False,
            **graph.arrays(),
            seeds=np.concatenate([one.seeds for one in questions]),
            shares=np.concatenate([one.shares for one in questions]),
            ends=np.cumsum([len(one.seeds) for one in questions]),
        )
        command = [arguments.igraph, str(script), str(asked), str(DAMPING), str(TOP), str(arguments.networkx)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "") or str(error)
            raise ModelError(
                f"igraph could not be run: {said.strip()[-500:]}", "Name an interpreter with it."
            ) from error
    answers = json.loads(done.stdout.splitlines()[-1])
    return {
        name: (each["seconds"], [len(set(best) & truth) for best, truth in zip(each["best"], exact, strict=True)])
        for name, each in answers.items()
    }
