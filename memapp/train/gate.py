"""`python -m memapp.train.gate --data FOLDER`: how much each parametric memory may say, and how good that is on texts
left out.

Each text is remembered but for its end; then the memories are asked about that end, about other texts, and about its
own sentences from their middle on. The figures are those of a gate that saw nothing of the text.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memapp.evaluate import workspace
from memapp.evaluate.bench import RESULTS
from memapp.evaluate.mixed import Asked, ask, gated
from memapp.evaluate.report import Cell, Report, circumstances, record, table
from memapp.evaluate.texts import Part, named, parts, sentences
from memapp.layers.parametric.gate import MEMORIES, MODES, SIGNALS, Gate, heard, softmax
from memapp.layers.parametric.layer import ParametricLayer
from memapp.protocols import StateModel
from memapp.types import Vectors

TEXTS = ("Doyle_Hound_1902", "wikitext2_test", "Conrad_Almayer_1895", "Kipling_Captains_1896", "wikitext2_valid")
"""Each is asked about its own end and its own sentences, and about the ends of two others."""
KINDS = ("held out", "unrelated", "repeated")
WEIGHTS = {"held out": 1.0, "unrelated": 5.0, "repeated": 1.0}
"""What a token of each kind weighs. What is unrelated must not suffer, so it weighs more than its number."""
_STEPS, _RATE, _DECAY = 800, 0.04, 1e-4
_SENTENCES = 150
_FLOOR = 1e-30


Gathered = dict[str, list[Asked]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Gathers, measures with one text left out at a time, fits to all, writes the weights."""
    parser = argparse.ArgumentParser("python -m memapp.train.gate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with text/")
    parser.add_argument("--texts", default=",".join(TEXTS), help="names of files, by comma")
    parser.add_argument("--remember", type=int, default=30_000, help="tokens of a text that are remembered")
    parser.add_argument("--out", type=Path, default=Path("data/weights/gate.json"))
    parser.add_argument("--gathered", type=Path, help="keep what was gathered there, or take it from there")
    parser.add_argument("--record", type=Path, metavar="FILE", nargs="?", const=RESULTS, help="keep the table there")
    options = parser.parse_args(arguments)
    gathered = _kept(options.gathered) if options.gathered else {}
    for name, asked in _gather(options, set(gathered)):
        gathered[name] = asked
        if options.gathered:
            _keep(options.gathered, gathered)
    told = _report({left: fit(_without(gathered, left)) for left in gathered}, gathered)
    sys.stdout.write(table(told) + "\n")
    command = ["python", "-m", "memapp.train.gate", "--data", "FOLDER"]
    if options.record:
        record(options.record, told, circumstances(command))
    _write(options.out, fit(_all(gathered)), gathered, told, " ".join(command))
    return 0


# Gathering


def _gather(options: argparse.Namespace, known: set[str]) -> Iterable[tuple[str, list[Asked]]]:
    files = named(options.data / "text", options.texts)
    with workspace.parametric("both") as (model, make):
        for place, path in enumerate(files):
            if path.stem in known:
                continue
            workspace.note(f"Reading {path.stem}.")
            memory = make()
            part = parts(path, model, options.remember)
            others = [
                parts(other, model, 1000).ending[:1500] for other in (files[place - 1], files[(place + 3) % len(files)])
            ]
            memory.add(part.remembered, id=path.stem)
            memory.consolidate()
            yield path.stem, _of_text(part, others, memory.parametric(), model)


def _of_text(part: Part, others: Sequence[NDArray[np.int32]], layer: ParametricLayer, model: StateModel) -> list[Asked]:
    found = [ask("held out", [part.ending], layer, model)]
    found.append(ask("unrelated", others, layer, model))
    repeated = [model.tokens(sentence)[0] for sentence in sentences(part.remembered, _SENTENCES)]
    return [*found, ask("repeated", repeated, layer, model, halves=True)]


def _keep(path: Path, gathered: Gathered) -> None:
    arrays: dict[str, Vectors] = {}
    for name, asked in gathered.items():
        for one in asked:
            arrays |= {f"{name}/{one.kind}/{key}": getattr(one, key) for key in ("base", "said", "signals")}
    save: Any = np.savez
    save(path, **arrays)


def _kept(path: Path) -> Gathered:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as found:
        names = dict.fromkeys(key.split("/")[0] for key in found)
        return {
            name: [
                Asked(kind, *(found[f"{name}/{kind}/{key}"] for key in ("base", "said", "signals"))) for kind in KINDS
            ]
            for name in names
        }


# Fitting


def _all(gathered: Gathered) -> list[Asked]:
    return [one for asked in gathered.values() for one in asked]


def _without(gathered: Gathered, left: str) -> list[Asked]:
    return [one for name, asked in gathered.items() if name != left for one in asked]


def fit(asked: Sequence[Asked]) -> Gate:
    """The weights under which the tokens that came are likeliest, for each mode on its own; convex enough for Adam."""
    kinds = np.concatenate([np.full(len(one.base), WEIGHTS[one.kind]) for one in asked])
    kinds /= kinds.sum()
    base, said, signals = (np.concatenate([getattr(one, key) for one in asked]) for key in ("base", "said", "signals"))
    weights = {}
    for mode, memories in MODES.items():
        columns = [MEMORIES.index(memory) for memory in memories]
        weights[mode] = _fitted(base, said[:, columns], signals * heard(mode), kinds)
    return Gate(weights)


def _fitted(base: Vectors, said: Vectors, signals: Vectors, kinds: NDArray[np.float64]) -> Vectors:
    scale = np.abs(signals).max(axis=0)
    scale[scale == 0] = 1.0
    scaled = signals / scale
    weights = np.zeros((said.shape[1], signals.shape[1]))
    weights[:, 0] = -2.0
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, _STEPS + 1):
        shares = softmax(scaled @ weights.T)
        mixed = base * (1 - shares.sum(axis=1)) + (shares * said).sum(axis=1) + _FLOOR
        # d log p / d score of a memory = its share times (what it said - what was said) / what was said.
        slope = kinds[:, None] * shares * (said - mixed[:, None]) / mixed[:, None]
        gradient = -(slope.T @ scaled) + _DECAY * weights
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        rate = _RATE * (1 - step / (_STEPS + 1))
        weights -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-9)
    return np.asarray(weights / scale, np.float32)


# Telling


def _report(gates: Mapping[str, Gate], gathered: Gathered) -> Report:
    rows: list[tuple[Cell, ...]] = []
    sums: dict[str, list[float]] = {}
    for name, asked in gathered.items():
        for one in asked:
            found = gated(gates[name], one)
            changes = [found[mode] / found["base"] - 1 for mode in MODES]
            rows.append(
                (name, one.kind, len(one.base), found["base"], *(f"{100 * change:+.1f} %" for change in changes))
            )
            for mode, change in zip(MODES, changes, strict=True):
                sums.setdefault(f"{one.kind}, {mode}", []).append(change)
    means = {key: float(np.mean(values)) for key, values in sums.items()}
    worst = {key: float(np.max(values)) for key, values in sums.items()}
    for kind in KINDS:
        shown = [f"{100 * means[f'{kind}, {mode}']:+.1f} %" for mode in MODES]
        rows.append(("mean", kind, sum(len(one.base) for one in _all(gathered) if one.kind == kind), "", *shown))
    notes = ("Perplexity beside the model's own; each text under a gate that was fitted without it.",)
    return Report(
        "parametric gate, texts left out",
        ("remembered", "asked", "tokens", "model", *MODES),
        tuple(rows),
        {"mean": means, "worst": worst},
        notes,
    )


def _write(path: Path, gate: Gate, gathered: Gathered, told: Report, command: str) -> None:
    weights = {mode: np.round(value.astype(float), 4).tolist() for mode, value in gate.weights.items()}
    text = json.dumps({"signals": SIGNALS, "weights": weights}, sort_keys=True)
    value = {
        "made": {
            "command": command,
            "data": [f"text/{name}" for name in gathered],
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "held_out": {
                name: {key: round(each, 4) for key, each in values.items()} for name, values in told.figures.items()
            },
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        },
        "signals": SIGNALS,
        "weights": weights,
    }
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
