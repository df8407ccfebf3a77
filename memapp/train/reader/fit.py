"""`python -m memapp.train.reader.fit`: from tokens to a LoRA that reads.

Two thousand questions are few. So a copy of the model learns from them to ask (an answer, then its question, on any
passage), a first reader learns to answer, and what both agree on teaches the reader that ships: synthetic questions
with round-trip consistency (Alberti et al., 2019). Needs torch and a GPU to be done in minutes; nothing here needs
llama.cpp.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from memapp.train import llama_torch, ragged
from memapp.train.llama_torch import Llama
from memapp.train.ragged import Ints
from memapp.train.reader import examples
from memapp.train.reader.examples import Example, Pair
from memapp.train.reader.measure import measure
from memapp.train.reader.pieces import Pieces
from memapp.train.reader.writing import write_all

RANK, ALPHA = 32, 64
RATE = 1e-3
ASK_TIMES, FIRST_TIMES, KNOWN_TIMES, MADE_TIMES = 5, 3, 8, 2
"""How often a question is seen: in asking, by the first reader, by the last one if it is of the data, or if made."""
SAMPLES = 4
"""Questions that are made of a passage."""
AGREED = 0.7
"""F1 over tokens between what a question was made for and what the first reader says."""
_WRITTEN, _TEMPERATURE = 48, 0.8
_WARM = 0.05


def main(arguments: Sequence[str] | None = None) -> int:
    """Learns, measures, writes reader-*.safetensors and reader.json into a folder."""
    parser = argparse.ArgumentParser("python -m memapp.train.reader.fit")
    parser.add_argument("--pieces", type=Path, required=True, help="made by prepare")
    parser.add_argument("--model", type=Path, required=True, help="the model as a GGUF file")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch-tokens", type=int, default=32768)
    parser.add_argument("--seconds", type=float, default=1e9, help="the last reader learns that long at most")
    parser.add_argument("--share", type=float, default=1.0, help="share of all data, to try the command")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    Fit(options).run()
    return 0


class Fit:
    """One run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.began = time.monotonic()
        self.chance = random.Random(options.seed)
        torch.manual_seed(options.seed)
        self.pieces = ragged.load(options.pieces, Pieces)
        dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
        self.base = llama_torch.load(options.model, dtype, options.device)
        self.figures: dict[str, object] = {}

    def run(self) -> None:
        """All of it."""
        share = self.options.share
        known = examples.known(self.pieces, held_out=False)
        known = known[: max(8, int(len(known) * share))]
        pairs = self._made(known, share)
        self.note(f"{len(pairs)} questions made.")
        model = self._new()
        seen = known * KNOWN_TIMES + pairs * MADE_TIMES
        self.learn(model, lambda: self._readings(seen), RATE, self.options.seconds, "reader")
        self.write(model)
        self.figures["held out"] = measure(model, self.pieces, share, self.note)
        self.write(model)

    def note(self, text: str) -> None:
        """Tells how far it is."""
        sys.stdout.write(f"{time.monotonic() - self.began:7.1f} s  {text}\n")
        sys.stdout.flush()

    def _new(self) -> Llama:
        """The model with an adapter that knows nothing yet."""
        model = self.base.twin()
        llama_torch.add_lora(model, RANK, ALPHA, seed=self.options.seed)
        return model

    def _readings(self, pairs: Sequence[Pair]) -> list[Example]:
        return [examples.reading(self.pieces, pair, self.chance) for pair in pairs]

    # Making questions

    def _made(self, known: list[Pair], share: float) -> list[Pair]:
        first = self._new()
        self.learn(first, lambda: self._readings(known * FIRST_TIMES), RATE, 1e9, "first reader")
        self.write(first)
        asker = self._new()
        trained = np.flatnonzero(~self.pieces.held_out)[: len(known)]
        asked = [examples.asking(self.pieces, int(n)) for n in trained] * ASK_TIMES
        self.learn(asker, lambda: asked, RATE, 1e9, "asking")
        spare = self.pieces.spare[: max(8, int(len(self.pieces.spare) * share))]
        wanted = [int(one) for one in spare for _ in range(SAMPLES)]
        prompts = [examples.invitation(self.pieces, one, self.chance.random() < 0.5) for one in wanted]
        written = write_all(asker, prompts, _WRITTEN, self._end, _TEMPERATURE, self.options.seed)
        ended = [(one, ids) for one, ids in zip(wanted, written, strict=True) if len(ids) < _WRITTEN]
        found = [examples.made(self.pieces, one, ids) for one, ids in ended]
        whole = list({(pair.passage, tuple(pair.question)): pair for pair in found if pair}.values())
        self.note(f"{len(wanted)} questions written, {len(whole)} of them whole.")
        return self._agreed(first, whole)

    def _agreed(self, first: Llama, pairs: list[Pair]) -> list[Pair]:
        prompts = [examples.prompt(self.pieces, pair.question, [pair.passage]) for pair in pairs]
        said = write_all(first, prompts, 20, self._end)
        mark = int(self.pieces.cited(1)[0])
        agreed = [pair for pair, ids in zip(pairs, said, strict=True) if _f1(pair.answer, _until(ids, mark)) >= AGREED]
        for pair in agreed[:: max(1, len(agreed) // 12)]:
            self.note(f"  {self.pieces.text(pair.question)} ->{self.pieces.text(pair.answer)}")
        return agreed

    @property
    def _end(self) -> int:
        return int(self.pieces.part("end")[0])

    # Learning

    def learn(self, model: Llama, made: Callable[[], Sequence[Example]], rate: float, until: float, name: str) -> None:
        """One pass over examples, longest batches in any order; the rate rises, then falls to nothing."""
        seen = made()
        order = list(examples.batches([len(one.ids) for one in seen], self.options.batch_tokens, self.chance))
        parameters = [one for one in model.parameters() if one.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0, betas=(0.9, 0.98))
        tokens, losses = 0, []
        began = time.monotonic()
        for step, indices in enumerate(order):
            done = max(step / len(order), (time.monotonic() - began) / until)
            if done >= 1:
                self.note(f"{name}: out of time at {step} of {len(order)}.")
                break
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / (_WARM * len(order)), (1 - done) / (1 - _WARM))
            loss = self._loss(model, [seen[index] for index in indices])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            tokens += sum(len(seen[index].ids) for index in indices)
            losses.append(loss.detach())
            if step % max(1, len(order) // 8) == 0 or step == len(order) - 1:
                mean = float(torch.stack(losses[-50:]).mean())
                speed = tokens / (time.monotonic() - began)
                self.note(f"{name} {step + 1}/{len(order)}: loss {mean:.3f}, {speed:,.0f} tokens/s")
        self.figures[name] = {"tokens": tokens, "seconds": round(time.monotonic() - began, 1)}

    def _loss(self, model: Llama, batch: Sequence[Example]) -> torch.Tensor:
        """Cross-entropy of what is to be learned. Padding is on the right, where no token looks."""
        width = -(-max(len(one.ids) for one in batch) // 64) * 64
        ids = np.zeros((len(batch), width), np.int64)
        learned = np.zeros((len(batch), width), bool)
        for row, one in enumerate(batch):
            ids[row, : len(one.ids)] = one.ids
            learned[row, one.start : len(one.ids)] = True
        tokens = torch.from_numpy(ids).to(self.options.device)
        wanted = torch.from_numpy(learned).to(self.options.device)
        hidden = model(tokens)
        logits = model.head(hidden[:, :-1][wanted[:, 1:]])
        return torch.nn.functional.cross_entropy(logits.float(), tokens[:, 1:][wanted[:, 1:]])

    def write(self, model: Llama) -> None:
        """The adapter in two files, and the figures."""
        self.options.out.mkdir(parents=True, exist_ok=True)
        found = {name: value.detach().float().cpu().numpy() for name, value in llama_torch.lora_state(model).items()}
        for side in ("a", "b"):
            part = {name: value.astype(np.float16) for name, value in found.items() if name.endswith(f"lora_{side}")}
            save_file(part, self.options.out / f"reader-{side}.safetensors")
        told = {"rank": RANK, "alpha": ALPHA, "seed": self.options.seed, **self.figures}
        (self.options.out / "reader.json").write_text(json.dumps(told, indent=1) + "\n")


def _until(ids: Sequence[int], mark: int) -> Sequence[int]:
    return ids[: ids.index(mark)] if mark in ids else ids


def _f1(one: Ints, other: Sequence[int]) -> float:
    common = sum((Counter(map(int, one)) & Counter(other)).values())
    return 2 * common / max(1, len(one) + len(other))


if __name__ == "__main__":
    sys.exit(main())
