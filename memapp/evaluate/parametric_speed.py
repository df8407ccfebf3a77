"""`memapp bench parametric-speed`: what a token costs with the parametric memory, and what a look into each costs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from memapp.evaluate import workspace
from memapp.evaluate.mixed import Held
from memapp.evaluate.report import Cell, Report
from memapp.evaluate.texts import parts
from memapp.layers.parametric.gate import shipped_gate
from memapp.layers.parametric.keys import KeyIndex
from memapp.layers.parametric.layer import ParametricLayer
from memapp.layers.parametric.mixture import Mixture
from memapp.layers.parametric.runs import Runs
from memapp.models.llama import LlamaEngine
from memapp.store import states
from memapp.store.states import Read
from memapp.types import Message, Piece, Sampling, Vectors

_PROMPT = (Message("user", "Tell a story about a ship that is late, and about those who wait for it on the pier."),)
_BATCH = 128


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("text", type=Path, metavar="TEXT", help="a file; what is remembered of it makes the network")
    parser.add_argument("--remember", type=int, default=20_000, help="tokens of it (20,000)")
    parser.add_argument("--keys", type=int, default=500_000, help="keys, made of the remembered ones (500,000)")
    parser.add_argument("--answer", type=int, default=64, help="tokens written (64)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, the best counts (3)")


def run(arguments: argparse.Namespace) -> Report:
    """Measures."""
    with workspace.parametric("both") as (engine, make):
        memory = make()
        workspace.note("Reading and learning.")
        part = parts(arguments.text, engine, arguments.remember)
        began = time.perf_counter()
        memory.add(part.remembered, id=part.name)
        reading = time.perf_counter() - began
        memory.consolidate()
        seconds = {"reading": reading, "learning": time.perf_counter() - began - reading}
        layer = memory.parametric()
        workspace.note("Making many keys.")
        exact, lists = (_many(layer, memory.recall_with().store, arguments.keys, kind) for kind in ("exact", "ivf"))
        states_ = engine.states(part.ending[:512].tolist())
        workspace.note("Looking.")
        looks = _looks(exact, lists, layer, states_, arguments.repeats)
        workspace.note("Writing.")
        held = {
            "off": None,
            "knn": Held(lists, layer.runs, None),
            "mlp": Held(KeyIndex(_coding(layer)), Runs(), layer.network),
            "both": Held(lists, layer.runs, layer.network),
        }
        speeds = {mode: 0.0 for mode in held}
        for _ in range(arguments.repeats):
            for mode, each in held.items():
                speeds[mode] = max(speeds[mode], _speed(engine, each, mode, arguments.answer))
    return _report(looks, speeds, len(exact), seconds, part.tokens)


def _coding(layer: ParametricLayer) -> states.Coding:
    coding = layer.coding
    assert coding is not None
    return coding


def _many(layer: ParametricLayer, store: Any, count: int, kind: str) -> KeyIndex:
    """Keys beside the remembered ones, a few code units away, in an index of this kind."""
    coding, random = _coding(layer), np.random.default_rng(0)
    read = states.everything(store, len(coding.spread))
    codes = np.concatenate([one.codes for one in read])
    tokens = np.concatenate([one.tokens for one in read])
    index = KeyIndex(coding, "exact" if kind == "exact" else "ivf")
    made = 0
    while made < count:
        size = min(len(codes), count - made)
        noise = random.integers(-12, 13, (size, codes.shape[1]))
        index.add([Read(made + 1, made + 1, tokens[:size], np.clip(codes[:size] + noise, 0, 255).astype(np.uint8))])
        made += size
    return index


def _looks(
    exact: KeyIndex, lists: KeyIndex, layer: ParametricLayer, some: Vectors, repeats: int
) -> dict[str, tuple[float, float]]:
    """Milliseconds a token: one at a time, and many together."""
    network = layer.network
    assert network is not None
    asked: dict[str, Callable[[Vectors], object]] = {
        "exact kNN": exact.search,
        "kNN in inverted lists": lists.search,
        "network": network.logits,
    }
    found = {}
    for name, ask in asked.items():
        ask(some[:1])
        alone = min(_timed(ask, [some[at : at + 1] for at in range(20)]) / 20 for _ in range(repeats))
        together = min(_timed(ask, [some[:_BATCH]]) / _BATCH for _ in range(repeats))
        found[name] = (1000 * alone, 1000 * together)
    return found


def _timed(ask: Callable[[Vectors], object], portions: list[Vectors]) -> float:
    began = time.perf_counter()
    for portion in portions:
        ask(portion)
    return time.perf_counter() - began


def _speed(engine: LlamaEngine, held: Held | None, mode: str, tokens: int) -> float:
    """Tokens a second, the prompt not counted."""
    bias = None if held is None else Mixture(held, shipped_gate(), mode)
    written, began = 0, 0.0
    for piece in engine.stream(_PROMPT, Sampling(tokens), None, bias):
        if isinstance(piece, Piece):
            began = began or time.perf_counter()
            written += piece.tokens
    return (written - 1) / (time.perf_counter() - began)


def _report(
    looks: dict[str, tuple[float, float]], speeds: dict[str, float], keys: int, seconds: dict[str, float], tokens: int
) -> Report:
    rows: list[tuple[Cell, ...]] = [
        (f"{what} {tokens:,} tokens", f"{each:.0f} s", f"{tokens / each:,.0f} tokens/s", "", "")
        for what, each in seconds.items()
    ]
    fastest = looks["network"]
    for name, (alone, together) in looks.items():
        rows.append(
            (
                f"look: {name}",
                f"{alone:.2f} ms",
                f"{together:.3f} ms",
                f"{alone / fastest[0]:.1f}",
                f"{together / fastest[1]:.1f}",
            )
        )
    for mode, speed in speeds.items():
        rows.append((f"writing: {mode}", f"{speed:.1f} tokens/s", "", f"{speed / speeds['off']:.2f}", ""))
    notes = (
        f"{keys:,} keys; writing with knn and both looks them up in inverted lists. Ratio: of looks, times the "
        "network's; of writing, share of the speed without memory.",
    )
    figures = {"keys": keys, "looks_ms": looks, "tokens_per_second": speeds, "seconds": seconds}
    columns = ("what", "one at a time", f"{_BATCH} together", "ratio", "ratio together")
    return Report("parametric memory, speed", columns, tuple(rows), figures, notes)
