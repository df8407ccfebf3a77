"""What reading passages apart does to answers, and what the order of a set does to them."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from memapp.evaluate import metrics, workspace
from memapp.evaluate.answering import Answering, among_others
from memapp.evaluate.data import Question
from memapp.evaluate.report import Cell
from memapp.memory import Memory
from memapp.models.llama import LlamaEngine
from memapp.models.set_prompt import Apart, Tokens
from memapp.protocols import StateKey
from memapp.types import Hit

ANSWER = 24
"""Tokens of an answer that is compared."""
_K = 5
ONE_AFTER_ANOTHER = "one after another"
Rows = list[tuple[Cell, ...]]
Values = dict[str, dict[str, list[float]]]


class _Near:
    """States of one question's passages."""

    def __init__(self) -> None:
        self._held: dict[StateKey, bytes] = {}

    def get(self, key: StateKey) -> bytes | None:
        return self._held.get(key)

    def put(self, key: StateKey, state: bytes) -> None:
        self._held[key] = state

    def drop(self, key: StateKey) -> None:
        self._held.pop(key, None)


@dataclass(slots=True)
class _Orders:
    """What other orders of the same passages do."""

    same: list[float] = field(default_factory=list)
    """Share of a question's orders with the same greedy answer."""
    moved: list[float] = field(default_factory=list)
    """Largest change of the gold answer's log-probability."""


def measure(engine: LlamaEngine, memory: Memory, questions: Sequence[Question], arguments: argparse.Namespace) -> Rows:
    """Rows of the table. Raises UsageError when search finds too little."""
    asked = Answering(engine, engine.taught is not None and not arguments.plain, ANSWER)
    values: Values = {}
    orders = {"ordered": _Orders(), "as given": _Orders(), ONE_AFTER_ANOTHER: _Orders()}
    chance = random.Random(0)
    for number, question in enumerate(questions, 1):
        hits = _hits(memory, question)
        states = _Near()
        for name, make in _ways(asked, question.text, states, arguments.recoveries).items():
            values.setdefault(name, {}).setdefault("log-probability", []).append(asked.forced(make(hits), question))
            values[name].setdefault("F1", []).append(asked.scored(asked.said(make(hits)), question))
        shuffled = [chance.sample(hits, len(hits)) for _ in range(arguments.permutations)]
        few, plain = shuffled[: arguments.rounding], shuffled[: arguments.sequential]
        for name, some in (("ordered", shuffled), ("as given", few), (ONE_AFTER_ANOTHER, plain)):
            if some:
                _turned(asked, question, [hits, *some], states, name, orders[name])
        if number % 5 == 0:
            workspace.note(f"{number} of {len(questions)} questions. {_short(values)}")
    return [*_of_orders(orders, arguments), *_of_ways(values)]


def _hits(memory: Memory, question: Question) -> list[Hit]:
    """The gold passage, and the best others, in order of rank."""
    return [replace(hit, rank=rank) for rank, hit in enumerate(among_others(memory, question, _K), 1)]


# Ways of reading


def _ways(
    asked: Answering, question: str, states: _Near, recoveries: bool
) -> dict[str, Callable[[Sequence[Hit]], Tokens]]:
    def apart(hits: Sequence[Hit], *, spread: bool = False, even: bool = False, anew: str = "") -> Apart:
        made = replace(asked.apart(question, hits, states, anew), spread=spread)
        return _even(made) if even else made

    def text(hits: Sequence[Hit]) -> str:
        return "".join(one.text for one in asked.set_of("", hits).passages)

    ways: dict[str, Callable[[Sequence[Hit]], Tokens]] = {
        ONE_AFTER_ANOTHER: lambda hits: asked.sequential(question, hits),
        "a set": apart,
        "apart, at places of their own, best last": lambda hits: apart(hits[::-1], spread=True),
    }
    if asked.taught:
        ways |= {
            "a set, even temperature": lambda hits: apart(hits, even=True),
            "apart, best last, even temperature": lambda hits: apart(hits[::-1], spread=True, even=True),
            "the best passage alone": lambda hits: asked.sequential(question, hits[:1]),
        }
    if recoveries:
        told = "Answer in one short sentence, using only the passages above.\n\n"
        ways |= {
            "one after another, not numbered": lambda hits: asked.unnumbered(question, hits),
            "a set, the instruction again after it": lambda hits: apart(hits, anew=told),
            "a set, the best passage again after it": lambda hits: apart(hits, anew=text(hits[:1])),
            "apart, best last, the best again after it": lambda hits: apart(
                hits[::-1], spread=True, anew=text(hits[:1])
            ),
            "apart, at places of their own, best first": lambda hits: apart(hits, spread=True),
        }
    return ways


def _even(made: Apart) -> Apart:
    """With all passages at the temperature of the best."""
    return replace(made, passages=[replace(one, temperature=1.0) for one in made.passages])


# Orders


def _turned(
    asked: Answering, question: Question, shuffled: Sequence[Sequence[Hit]], states: _Near, name: str, into: _Orders
) -> None:
    """The first of `shuffled` is what the others are compared with."""

    def made(hits: Sequence[Hit]) -> Tokens:
        if name == ONE_AFTER_ANOTHER:
            return asked.sequential(question.text, hits)
        return replace(asked.apart(question.text, hits, states), ordered=name == "ordered")

    said = [asked.said(made(hits)) for hits in shuffled]
    found = [asked.forced(made(hits), question) for hits in shuffled]
    into.same.append(float(np.mean([one == said[0] for one in said[1:]])))
    into.moved.append(max(abs(one - found[0]) for one in found[1:]))


def _of_orders(orders: dict[str, _Orders], arguments: argparse.Namespace) -> Rows:
    names = {
        "ordered": f"a set, {arguments.permutations} orders",
        "as given": f"a set joined in the order given, {arguments.rounding} orders",
        ONE_AFTER_ANOTHER: f"one after another, {arguments.sequential} orders",
    }
    rows: Rows = []
    for key, name in names.items():
        if orders[key].same:
            wanted = (">= 0.98", "<= 0.01") if key == "ordered" else ("", "")
            rows.append((f"{name}: same answer", float(np.mean(orders[key].same)), wanted[0]))
            rows.append((f"{name}: largest change of log-probability", max(orders[key].moved), wanted[1]))
            rows.append((f"{name}: mean of the largest changes", float(np.mean(orders[key].moved)), ""))
    return rows


def _of_ways(values: Values) -> Rows:
    rows: Rows = []
    base = values[ONE_AFTER_ANOTHER]
    for name, each in values.items():
        mean = {metric: float(np.mean(found)) for metric, found in each.items()}
        rows.append((f"{name}: log-probability", mean["log-probability"], ""))
        if each is not base:
            change = metrics.interval(each["log-probability"], base["log-probability"])
            share = float(np.mean(base["log-probability"])) / mean["log-probability"]
            rows.append((f"{name}: share of one after another", share, ">= 0.97"))
            rows.append((f"{name}: change", f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]", ""))
        rows.append((f"{name}: F1", mean["F1"], ""))
        if each is not base:
            change = metrics.interval(each["F1"], base["F1"])
            rows.append((f"{name}: change of F1", f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]", ""))
    return rows


def _short(values: Values) -> str:
    return "; ".join(
        f"{name} {np.mean(each['log-probability']):.3f} F1 {np.mean(each['F1']):.3f}" for name, each in values.items()
    )
