"""`python -m memapp.train.amortized --data FOLDER`: trains what makes soft tokens of passages, and measures it on
documents that it never saw.

The examples are made once, `--prepared FILE` keeps them; with that file, the model's GGUF and torch, another machine
trains without the data. Training lasts as long as it is told to.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from memapp.errors import ModelError
from memapp.layers.amortized.encoder import NAME, trained
from memapp.models.files import sha256
from memapp.train import llama_torch, ragged
from memapp.train.amortized.examples import KINDS, SETS, Examples
from memapp.train.amortized.fit import LOSSES, Device, Plan, fit, gains, held_out_rows, measure
from memapp.train.amortized.network import Amortizer, Reader, as_numpy

RANK, RATE, GROUPS = 16, 8e-4, 12
_BETWEEN = 60.0
"""Seconds from one measuring, and saving, to the next."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepares, trains, measures, writes; the exit code."""
    options = _parser().parse_args(arguments)
    options.model = _gguf(options.model)
    options.out = options.out or trained(sha256(options.model)).parent
    examples = _examples(options)
    device = torch.device(options.device)
    torch.manual_seed(options.seed)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    frozen = _frozen(options.model, dtype, device)
    model = Amortizer(frozen, options.rank, 2.0 * options.rank, examples.begin, options.seed)
    reader = Reader(frozen, [head.tolist() for head in map(examples.heads.__getitem__, range(3))])
    data = Device(examples, device)
    plan = Plan(seconds=options.seconds, groups=options.groups, rate=options.rate, seed=options.seed)
    counts = tuple(sorted(set(plan.counts), reverse=True))
    run = _Run(options, model, reader, data, counts)
    run.tell("at the start", held_out_rows(examples, options.sample))
    told = fit(model, reader, data, plan, run.watch)
    run.save(told, None)
    found = run.tell("at the end", held_out_rows(examples, options.measured))
    run.save(told, found)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("memapp train amortized", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--data", type=Path, help="folder with singlehop/ and text/")
    parser.add_argument("--prepared", type=Path, help="keep the examples there, or take them from there")
    parser.add_argument("--silver", action="store_true", help="learn from MuSiQue's extracted triples too")
    parser.add_argument("--limit", type=int, help="passages of each part of the data, for a trial")
    parser.add_argument("--model", type=Path, help="GGUF of the frozen model (the default model)")
    parser.add_argument("--out", type=Path, help="folder to write to (where memapp looks for this model's)")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long to train (300)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--groups", type=int, default=GROUPS, help=f"groups of four passages in a step ({GROUPS})")
    parser.add_argument("--rank", type=int, default=RANK, help=f"of the encoder's adapter ({RANK})")
    parser.add_argument("--rate", type=float, default=RATE, help=f"highest learning rate of the adapter ({RATE})")
    parser.add_argument("--sample", type=int, default=256, help="questions measured on the way (256)")
    parser.add_argument("--measured", type=int, help="questions measured at the end (all that are held out)")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def _examples(options: argparse.Namespace) -> Examples:
    if options.prepared and options.prepared.exists():
        return ragged.load(options.prepared, Examples)
    if not options.data:
        raise SystemExit("There is nothing to learn from: name a folder with --data, or a file with --prepared.")
    from memapp.train.amortized.prepare import prepare

    examples = prepare(options.data, options.model, options.silver, options.limit, options.seed)
    if options.prepared:
        ragged.save(options.prepared, examples)
    return examples


def _frozen(path: Path, dtype: torch.dtype, device: torch.device) -> llama_torch.Llama:
    try:
        return llama_torch.load(path, dtype, device)
    except ValueError as error:
        raise ModelError(f"{error}.", "Soft tokens are trained for models of Llama's architecture.") from error


def _gguf(path: Path | None) -> Path:
    if path is not None:
        return path
    from memapp.models.catalog import bundled_path

    found = bundled_path()
    if found is None:
        raise SystemExit("The default model is not installed: name a GGUF file with --model.")
    return found


class _Run:
    """What is told and kept while it trains."""

    def __init__(
        self, options: argparse.Namespace, model: Amortizer, reader: Reader, data: Device, counts: tuple[int, ...]
    ) -> None:
        self._options, self._model, self._reader, self._data, self._counts = options, model, reader, data, counts
        self._measured = time.perf_counter()
        self._printed = 0.0

    def watch(self, done: float, told: dict[str, float]) -> None:
        """Prints every few seconds; measures and saves now and then."""
        now = time.perf_counter()
        if now - self._printed > 5:
            self._printed = now
            speed = told["tokens"] / told["seconds"]
            losses = " ".join(f"{name} {told[name]:.3f}" for name in LOSSES)
            _say(f"{100 * done:5.1f} % step {int(told['steps'])} {speed:,.0f} tokens/s {losses}")
        if now - self._measured > _BETWEEN:
            self.tell(f"at {100 * done:.0f} %", held_out_rows(self._data.examples, self._options.sample))
            self.save(told, None)
            self._measured = time.perf_counter()

    def tell(self, when: str, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Measures and prints."""
        started = time.perf_counter()
        found: dict[str, NDArray[np.float32]] = measure(self._model, self._reader, self._data, rows, self._counts)
        _say(f"{when}: {len(rows)} questions, measured in {time.perf_counter() - started:.1f} s")
        for name, values in found.items():
            _say(f"  {name:16} {values.mean():8.3f}")
        for count in self._counts:
            for name, share in gains(found, count).items():
                _say(f"  {name:24} {100 * share:6.1f} % of what reading gains")
        return found

    def save(self, told: dict[str, float], found: dict[str, NDArray[np.float32]] | None) -> None:
        """Writes the weights and their manifest."""
        from safetensors.numpy import save_file

        folder: Path = self._options.out
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / NAME
        save_file(as_numpy(self._model.state()), path)
        manifest: dict[str, Any] = {
            "made_by": " ".join(["python -m memapp.train.amortized", *_kept(self._options)]),
            "date": datetime.now(UTC).date().isoformat(),
            "seed": self._options.seed,
            "data": [*SETS, "text", *(["musique_train_openie_silver.json"] if self._options.silver else [])],
            "passages": int((~self._data.examples.held).sum()),
            "questions": self._questions(),
            "rank": self._model.rank,
            "alpha": self._model.alpha,
            "soft_tokens": sorted(self._counts),
            "device": _device(self._data.device),
            "training": {name: round(value, 4) for name, value in told.items()},
            "held_out": self._held_out(found) if found else {},
            "sha256": sha256(path),
        }
        path.with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")

    def _questions(self) -> dict[str, int]:
        examples = self._data.examples
        kinds = examples.kind[~examples.held[examples.of]]
        return {name: int((kinds == number).sum()) for number, name in enumerate(KINDS)}

    def _held_out(self, found: dict[str, NDArray[np.float32]]) -> dict[str, dict[str, float]]:
        kinds = self._data.examples.kind[held_out_rows(self._data.examples, self._options.measured)]
        return {
            name: {
                "questions": int((kinds == number).sum()),
                **{each: round(float(values[kinds == number].mean()), 4) for each, values in found.items()},
            }
            for number, name in enumerate(SETS)
            if (kinds == number).any()
        }


def _kept(options: argparse.Namespace) -> list[str]:
    """The arguments that decide what is learned; no paths."""
    names = ("seconds", "groups", "rank", "rate", "seed")
    said = [f"--{name} {getattr(options, name):g}" for name in names]
    return ["--data FOLDER", *(["--silver"] if options.silver else []), *said]


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
