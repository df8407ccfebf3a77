"""`memapp bench parametric`: what the parametric memory is worth on texts: perplexity, repetition, time and bytes.

Each text is remembered but for its last tokens, in a memory of its own. The end of it is what was held out; the end of
another text, which nothing has to do with it, must not suffer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memapp.evaluate import workspace
from memapp.evaluate.mixed import ask, fixed, gated
from memapp.evaluate.report import Cell, Report
from memapp.evaluate.texts import Part, parts, sentences
from memapp.layers.parametric.gate import MEMORIES, MODES, shipped_gate
from memapp.memory import Memory
from memapp.protocols import StateModel
from memapp.store import states

_LATER = 5


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one text."""

    name: str
    tokens: int
    held_out: Mapping[str, float]
    """Perplexity of the model, as base, and of each mode."""
    bounds: Mapping[str, tuple[float, float]]
    """Of each memory alone: perplexity at the best fixed share, and that share."""
    unrelated: Mapping[str, float]
    seconds: Mapping[str, float]
    """Reading and learning."""
    bytes: Mapping[str, float]
    """A token's in the store, and the network's."""
    repeated: tuple[int, int, int]
    """Sentences that were gone on with word for word: with the memory, after forgetting, and of how many."""

    def change(self, mode: str) -> float:
        """Relative change of held-out perplexity."""
        return self.held_out[mode] / self.held_out["base"] - 1

    def harm(self, mode: str) -> float:
        """Relative change of perplexity on the unrelated text."""
        return self.unrelated[mode] / self.unrelated["base"] - 1


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("texts", type=Path, nargs="+", metavar="TEXT", help="files, each remembered by itself")
    parser.add_argument(
        "--unrelated", type=Path, required=True, metavar="TEXT", help="what has to do with none of them"
    )
    parser.add_argument("--tokens", type=int, default=100_000, help="tokens of a text that are remembered at most")
    parser.add_argument("--sentences", type=int, default=25, help="sentences of each text to be gone on with")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError for a text that is too short."""
    results = []
    with workspace.parametric("both") as (model, make):
        unrelated = parts(arguments.unrelated, model, 1000).ending
        for path in arguments.texts:
            workspace.note(f"{path.stem}: reading and learning.")
            part = parts(path, model, arguments.tokens)
            results.append(_of_text(part, unrelated, arguments.sentences, make(), model))
    return _report(results, arguments.unrelated.stem)


def _of_text(part: Part, unrelated: Any, count: int, memory: Memory, model: StateModel) -> Result:
    began = time.perf_counter()
    memory.add(part.remembered, id=part.name)
    read = time.perf_counter() - began
    _, learned = memory.consolidate()
    seconds = {"reading": read, "learning": time.perf_counter() - began - read}
    layer = memory.parametric()
    assert learned is not None
    assert layer.network is not None
    stored, tokens = states.size(memory.recall_with().store)
    workspace.note(f"{part.name}: asking.")
    gate = shipped_gate()
    held_out, other = ask("held out", [part.ending], layer, model), ask("unrelated", [unrelated], layer, model)
    chosen = sentences(part.remembered, count)
    network = layer.network.size
    with_memory = sum(_goes_on(memory, sentence) for sentence in chosen)
    memory.forget(part.name)
    without = sum(_goes_on(memory, sentence) for sentence in chosen)
    return Result(
        part.name,
        tokens,
        gated(gate, held_out),
        fixed(held_out),
        gated(gate, other),
        seconds,
        {"token": stored / tokens, "network": float(network)},
        (with_memory, without, len(chosen)),
    )


def _goes_on(memory: Memory, sentence: str) -> bool:
    """Whether the first half of a sentence is gone on with by its second half, word for word."""
    words = sentence.split()
    begun, rest = words[: len(words) // 2], words[len(words) // 2 :]
    made = memory.complete(sentence[: _end(sentence, len(begun))], tokens=4 * len(rest) + _LATER)
    return made.text.split()[: len(rest)] == rest or " ".join(made.text.split()).startswith(" ".join(rest))


def _end(sentence: str, words: int) -> int:
    """Where so many words of a sentence end."""
    at = 0
    for word in sentence.split()[:words]:
        at = sentence.index(word, at) + len(word)
    return at


def _report(results: list[Result], unrelated: str) -> Report:
    modes = list(MODES)
    rows: list[tuple[Cell, ...]] = []
    for one in results:
        bounds = [
            f"{_percent(one.bounds[m][0] / one.held_out['base'] - 1)} at {one.bounds[m][1]:.2f}" for m in MEMORIES
        ]
        rows.append(
            (
                one.name,
                one.tokens,
                one.held_out["base"],
                *bounds,
                *(_percent(one.change(mode)) for mode in modes),
                *(_percent(one.harm(mode), 2) for mode in modes),
                f"{one.repeated[0]} / {one.repeated[1]} of {one.repeated[2]}",
                f"{one.seconds['reading']:.0f} + {one.seconds['learning']:.0f}",
                f"{one.bytes['token']:.0f}",
                f"{one.bytes['network'] / 1e6:.1f}",
            )
        )
    means = {mode: float(np.mean([one.change(mode) for one in results])) for mode in modes}
    harms = {mode: max(one.harm(mode) for one in results) for mode in modes}
    totals = [sum(one.repeated[place] for one in results) for place in range(3)]
    rows.append(
        (
            "mean, worst, sum",
            sum(one.tokens for one in results) // len(results),
            "",
            *[""] * len(MEMORIES),
            *(_percent(means[mode]) for mode in modes),
            *(_percent(harms[mode], 2) for mode in modes),
            f"{totals[0]} / {totals[1]} of {totals[2]}",
            *[""] * 3,
        )
    )
    columns = (
        "remembered",
        "tokens",
        "model",
        *(f"{memory}, best fixed share" for memory in MEMORIES),
        *modes,
        *(f"{mode}, {unrelated}" for mode in modes),
        "repeated with / after forgetting",
        "seconds",
        "bytes a token",
        "network MB",
    )
    figures = {"mean": means, "worst": harms, "repeated": totals, "texts": [_plain(one) for one in results]}
    notes = (
        "Perplexity of the last 5,000 tokens of each text, in windows of 512, beside the model's own. A fixed share is "
        "chosen in hindsight; knn (with the suffix array), mlp and both are as in answers, with the shipped gate, "
        f"also on {unrelated}. Repeated: sentences given by their first half. Seconds: reading and learning.",
    )
    return Report("parametric memory", columns, tuple(rows), figures, notes)


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:+.{digits}f} %"


def _plain(one: Result) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}
