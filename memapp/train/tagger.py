"""Trains the tagger that finds the phrases of a passage: `python -m memapp.train.tagger --data FOLDER`.

The folder holds wikigold, WNUT 2017, CrossNER and, if it is to be learned from, an open information extraction of
Wikipedia passages by a large model. The encoder is not trained. The same seed and data give the same weights on the
same machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memapp.evaluate import mentions
from memapp.evaluate.mentions import Marked
from memapp.extract import tagger
from memapp.extract.words import SHAPES, Words, words
from memapp.models.embedder import MiniLMEmbedder
from memapp.models.files import sha256
from memapp.protocols import TokenStates

if TYPE_CHECKING:
    import torch

    from memapp.extract.tagger import Weights
    from memapp.types import Vectors

WORD, CONTEXT = 96, 64
"""Widths of the two layers."""
EPOCHS = 14
BATCH = 48
"""Samples of one step."""
RATE = 2e-3
DROPOUT = 0.3
UNCASED = 0.15
"""Share of samples that are shown without their capitals, as people type."""
CASE_COLUMNS = (0, 1, 2, 3)
SILVER = "musique_train_openie_silver.json"
DOMAINS = ("ai", "literature", "music", "politics", "science")
NAME = "tagger.safetensors"


@dataclass(frozen=True, slots=True)
class Sample:
    """A text ready to be learned from."""

    states: Vectors
    first: Any
    last: Any
    shapes: Vectors
    labels: Any


@dataclass(frozen=True, slots=True)
class Sets:
    """Texts to train on, and texts held out, by the name of their set."""

    train: list[Marked]
    held: dict[str, list[Marked]]
    files: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, measures and writes; the exit code. Raises UsageError and Malformed for a bad folder."""
    parser = argparse.ArgumentParser("python -m memapp.train.tagger", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the extraction data sets")
    parser.add_argument("--out", type=Path, default=Path("data") / "weights", help="folder to write to")
    parser.add_argument("--no-silver", action="store_true", help="learn from what people marked alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args(arguments)
    sets = read(options.data, silver=not options.no_silver)
    embedder = MiniLMEmbedder()
    weights = train(prepared(embedder, sets.train), options.seed, options.epochs)
    figures = {name: measured(weights, embedder, samples) for name, samples in sets.held.items()}
    for name, each in figures.items():
        sys.stdout.write(f"{name:20} " + "  ".join(f"{key} {value:.3f}" for key, value in each.items()) + "\n")
    write(options.out, weights, _manifest(options, sets, figures))
    return 0


def read(folder: Path, silver: bool) -> Sets:
    """The sets in the folder, split. Raises UsageError and Malformed."""
    gold, held_gold = mentions.split_running(mentions.read_conll(folder / "wikigold.conll.txt", mentions.SENTENCES))
    marked, held_marked = mentions.split_titled(mentions.read_silver(folder / SILVER))
    files = ["wikigold.conll.txt", "wnut17_train.conll", *(f"crossner_{name}_train.txt" for name in DOMAINS)]
    train = gold + [sample for name in files[1:] for sample in mentions.read_conll(folder / name)]
    held = {f"crossner {name}": mentions.read_conll(folder / f"crossner_{name}_dev.txt") for name in DOMAINS}
    if silver:
        train, files = train + marked, [*files, SILVER]
    return Sets(train, {"wikigold": held_gold, **held, "silver": held_marked}, tuple(files))


def prepared(embedder: MiniLMEmbedder, samples: Sequence[Marked]) -> list[Sample]:
    """What the network sees of each sample, and what it should say."""
    made = []
    for sample in samples:
        (states,) = embedder.encode([sample.text])[1]
        found = words([sample.text], [states])
        if len(found.spans):
            made.append(
                Sample(states.states, found.tokens[:, 0], found.tokens[:, 1], found.shapes, _labels(found, sample))
            )
    return made


def _labels(found: Words, sample: Marked) -> Any:
    labels = np.full(len(found.spans), tagger.OUTSIDE, np.int64)
    for start, end in sample.spans:
        within = np.flatnonzero((found.spans[:, 0] >= start) & (found.spans[:, 1] <= end))
        labels[within] = tagger.INSIDE
        labels[within[:1]] = tagger.BEGIN
    return labels


def train(samples: Sequence[Sample], seed: int, epochs: int) -> dict[str, Vectors]:
    """The weights by the names that memapp.extract.tagger knows."""
    import torch

    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    network = _network()
    steps = epochs * -(-len(samples) // BATCH)
    optimizer = torch.optim.AdamW(network.values(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    for epoch in range(epochs):
        total, order = 0.0, generator.permutation(len(samples))
        for at in range(0, len(samples), BATCH):
            chosen = [_uncased(samples[row], generator) for row in order[at : at + BATCH]]
            loss = _loss(network, chosen)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(chosen)
        sys.stderr.write(f"epoch {epoch + 1}: loss {total / len(samples):.4f}\n")
    return {name: value.detach().numpy() for name, value in network.items()}


def _uncased(sample: Sample, generator: np.random.Generator) -> Sample:
    if generator.random() >= UNCASED:
        return sample
    shapes = sample.shapes.copy()
    shapes[:, CASE_COLUMNS] = 0
    return replace(sample, shapes=shapes)


def _network() -> dict[str, torch.Tensor]:
    import torch

    from memapp.models.minilm import DIMENSION

    window = 2 * tagger.REACH + 1

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return (torch.randn(rows, columns) * rows**-0.5).requires_grad_()

    return {
        "tokens": matrix(DIMENSION, 2 * WORD),
        "shapes": matrix(SHAPES, WORD),
        "word": torch.zeros(WORD, requires_grad=True),
        "around": matrix(window * WORD, CONTEXT),
        "context": torch.zeros(CONTEXT, requires_grad=True),
        "labels": matrix(CONTEXT, 3),
        "prior": torch.zeros(3, requires_grad=True),
    }


def _loss(network: dict[str, torch.Tensor], samples: Sequence[Sample]) -> torch.Tensor:
    """Cross-entropy of the labels; the same steps as tagger.scores, with dropout."""
    import torch
    from torch.nn import functional

    shifts = np.cumsum([0, *(len(sample.states) for sample in samples)])
    first = torch.from_numpy(np.concatenate([one.first + at for one, at in zip(samples, shifts, strict=False)]))
    last = torch.from_numpy(np.concatenate([one.last + at for one, at in zip(samples, shifts, strict=False)]))
    owners = torch.from_numpy(np.repeat(np.arange(len(samples)), [len(one.labels) for one in samples]))
    states = functional.dropout(torch.from_numpy(np.concatenate([one.states for one in samples])), DROPOUT)
    tokens = states @ network["tokens"]
    seen = tokens[first, :WORD] + tokens[last, WORD:]
    seen = seen + torch.from_numpy(np.concatenate([one.shapes for one in samples])) @ network["shapes"]
    seen = functional.dropout(functional.relu(seen + network["word"]), DROPOUT)
    windows = []
    for step in range(-tagger.REACH, tagger.REACH + 1):
        near = (torch.roll(owners, -step) == owners).float()
        if step > 0:
            near[-step:] = 0
        elif step < 0:
            near[:-step] = 0
        windows.append(torch.roll(seen, -step, 0) * near[:, None])
    inner = functional.relu(torch.cat(windows, 1) @ network["around"] + network["context"])
    logits = functional.dropout(inner, DROPOUT) @ network["labels"] + network["prior"]
    return functional.cross_entropy(logits, torch.from_numpy(np.concatenate([one.labels for one in samples])))


def measured(weights: Weights, embedder: MiniLMEmbedder, samples: Sequence[Marked]) -> dict[str, float]:
    """Precision, recall and F1 of exact spans."""
    right = given = wanted = 0
    for sample in samples:
        states: list[TokenStates] = embedder.encode([sample.text])[1]
        found = set(tagger.mentions(weights, [sample.text], states)[0])
        right += len(found & set(sample.spans))
        given += len(found)
        wanted += len(sample.spans)
    precision, recall = right / max(given, 1), right / max(wanted, 1)
    return {"precision": precision, "recall": recall, "F1": 2 * right / max(given + wanted, 1)}


def write(folder: Path, weights: dict[str, Vectors], manifest: dict[str, Any]) -> None:
    """The weights in half precision, and what they are made of."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value, np.float16) for name, value in weights.items()}, folder / NAME)
    manifest["sha256"] = sha256(folder / NAME)
    (folder / NAME).with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _manifest(options: argparse.Namespace, sets: Sets, figures: dict[str, Any]) -> dict[str, Any]:
    command = f"python -m memapp.train.tagger --data FOLDER --seed {options.seed} --epochs {options.epochs}"
    return {
        "made_by": command + (" --no-silver" if options.no_silver else ""),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seed": options.seed,
        "data": list(sets.files),
        "samples": len(sets.train),
        "held_out": {name: {key: round(value, 4) for key, value in each.items()} for name, each in figures.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
