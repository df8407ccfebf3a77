"""`python -m memapp.train.reader tune`: the reader goes on learning, from passages that were changed.

Two cores do this in an hour. What comes out stands between the adapter that it began with and the one that it ended
with, which keeps more of what the first could do on texts of other kinds (WiSE-FT; Wortsman et al., 2022).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from memapp.models import lora
from memapp.train import llama_torch
from memapp.train.reader import examples, variations
from memapp.train.reader.examples import Example
from memapp.train.reader.fit import Fit

RATE = 2e-4
FROZEN = 12
"""Layers at the bottom that stay as they are: nothing is computed backwards through them."""
WAY = 0.5
TIMES = 6
"""How often a question is seen at most; twice that if it is a sentence, of which there are few."""

_OF_FILE = ("made_by", "date", "model", "questions", "passages", "sha256", "held out", "rank", "alpha", "seed")


def main(arguments: Sequence[str] | None = None) -> int:
    """Learns and writes reader-*.safetensors and reader.json into a folder."""
    parser = argparse.ArgumentParser("python -m memapp.train.reader.tune")
    parser.add_argument("--pieces", type=Path, required=True, help="made by prepare")
    parser.add_argument("--model", type=Path, required=True, help="the model as a GGUF file")
    parser.add_argument("--reader", type=Path, required=True, help="the adapter to go on from, reader.gguf")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=1e9, help="it learns that long at most")
    parser.add_argument("--share", type=float, default=1.0, help="share of all data, to try the command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--way", type=float, default=WAY, help="how far to go from where it began to where it ended")
    parser.add_argument("--rate", type=float, default=RATE, help="of learning, at its highest")
    options = parser.parse_args(arguments)
    Tune(options).run()
    return 0


class Tune(Fit):
    """One run. In 16 bits, which processors that have them for matrices do twice as fast."""

    def run(self) -> None:
        """All of it."""
        tensors, alpha = lora.read(self.options.reader)
        before = {name: torch.from_numpy(value) for name, value in tensors.items()}
        model = self.base.twin()
        llama_torch.load_lora(model, {name: value.clone() for name, value in before.items()}, alpha)
        for layer in model.layers[:FROZEN]:
            layer.requires_grad_(False)
        self.learn(model, self._examples, self.options.rate, self.options.seconds, "tuning")
        self.figures = self._manifest() | {"tuning": self._told()}
        after = llama_torch.lora_state(model)
        llama_torch.load_lora(model, between(before, after, self.options.way), alpha)
        self.write(model)

    def _examples(self) -> list[Example]:
        answers = variations.answers(self.pieces)
        pairs = examples.known(self.pieces, held_out=False)
        pairs += [pair for pair, formal in zip(pairs, self.pieces.formal[~self.pieces.held_out], strict=True) if formal]
        pairs = pairs[:: max(1, int(1 / self.options.share))]
        return [variations.varied(self.pieces, pair, answers, self.chance) for pair in pairs * TIMES]

    def _manifest(self) -> dict[str, object]:
        """What was told of the adapter that it began with, less what is no longer so."""
        told = json.loads(self.options.reader.with_suffix(".json").read_text(encoding="utf-8"))
        return {name: told[name] for name in told if name not in _OF_FILE}

    def _told(self) -> dict[str, object]:
        options = self.options
        learned = self.figures["tuning"]
        assert isinstance(learned, dict)
        began = hashlib.sha256(options.reader.read_bytes()).hexdigest()
        return {**learned, "device": options.device, "rate": options.rate, "way": options.way, "began as": began}

    @property
    def number(self) -> torch.dtype:
        """As Fit.number."""
        return torch.bfloat16


def between(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], way: float) -> dict[str, torch.Tensor]:
    """The adapter that stands some of the way from one to another."""
    return {name: torch.lerp(one[name], other[name].float(), way) for name in one}


if __name__ == "__main__":
    sys.exit(main())
