"""`python -m memapp.train.spans fit`: from tokens to an encoder that points at answers. Needs torch, but no GPU."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from memapp.models import minilm
from memapp.models.minilm import DIMENSION
from memapp.train import ragged
from memapp.train.minilm_torch import MiniLM
from memapp.train.spans.prepare import ASKED, KEPT, MADE, Readings

TIMES, ASKED_TIMES = 1, 4
"""How often a question is seen that was made, and one of the data."""
RATE, ASKED_RATE, HEAD = 1.5e-4, 1e-4, 10.0
"""Of learning: of what was made, of the data, and how many times that for the head."""
DROPOUT = 0.1
"""While the data's questions are learned; they are few."""
UNTOLD = 0.15
"""Share of passages that do not tell among those of the data's questions."""
TOKENS = 3200
"""Padded tokens of a batch."""
LONGEST = 24
"""Tokens of an answer, where one is chosen."""
_WARM, _DECAY, _CLIP = 60, 0.01, 1.0
_TOGETHER = 512
"""Questions that are put in order of length together."""
_HIDDEN = -1e4


class Pointer(nn.Module):  # type: ignore[misc]
    """The encoder, and a head for beginnings and ends."""

    def __init__(self, encoder: MiniLM) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(DIMENSION, 2)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids: Tensor, mask: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of beginnings and of ends over allowed tokens: (batch, length) each."""
        scores = self.head(self.encoder(ids, mask)).permute(2, 0, 1).masked_fill(~allowed, _HIDDEN)
        starts, ends = scores.log_softmax(-1)
        return starts, ends


class Fit:
    """One run."""

    def __init__(self, readings: Readings, seed: int, share: float = 1.0) -> None:
        self.readings = readings
        self.share = share
        self.chance = random.Random(seed)
        self.began = time.monotonic()
        torch.manual_seed(seed)
        self.model = Pointer(MiniLM(minilm.read_weights(minilm.locate().weights)))
        self.figures: dict[str, object] = {"seed": seed}

    def run(self) -> None:
        """Learns from what was made, then from the data, and measures after each."""
        made = self._of(MADE)
        self.learn([one for _ in range(TIMES) for one in self._batches(made)], RATE, "made")
        self.measure("held out, made questions alone")
        self.model.encoder.dropout = DROPOUT
        passes = [self._asked() for _ in range(ASKED_TIMES)]
        self.learn([one for asked in passes for one in self._batches(asked)], ASKED_RATE, "asked")
        self.measure("held out")

    def learn(self, batches: Sequence[Sequence[int]], rate: float, name: str) -> None:
        """One step a batch; the rate rises, then falls to nothing."""
        groups = [{"params": list(part.parameters())} for part in (self.model.encoder, self.model.head)]
        optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=_DECAY, betas=(0.9, 0.98))
        losses: list[float] = []
        began = time.monotonic()
        self.model.train()
        for step, rows in enumerate(batches):
            now = rate * min(1.0, (step + 1) / _WARM) * (1 - step / len(batches))
            for group, times in zip(optimizer.param_groups, (1.0, HEAD), strict=True):
                group["lr"] = now * times
            loss = self.loss(rows)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), _CLIP)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.item())
            if step % 100 == 99 or step == len(batches) - 1:
                self.note(f"{name} {step + 1}/{len(batches)}: loss {np.mean(losses[-200:]):.3f}")
        self.figures[name] = {"questions": sum(map(len, batches)), "seconds": round(time.monotonic() - began)}

    def loss(self, rows: Sequence[int]) -> Tensor:
        """Minus the log-probability of all places of the answer together; the first token stands for none."""
        starts, ends = self.model(*self._padded(rows))
        found = []
        for n, row in enumerate(rows):
            where = self.readings.places[row] if len(self.readings.places[row]) else np.zeros(2, np.int32)
            first, last = (torch.from_numpy(where[side::2].astype(np.int64)) for side in (0, 1))
            found.append(-torch.logsumexp(starts[n, first] + ends[n, last], 0))
        return torch.stack(found).mean()

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def measure(self, name: str) -> None:
        """F1 over word pieces of the likeliest span, on questions that are kept."""
        self.model.eval()
        found = []
        for row in self._of(KEPT):
            starts, ends = (part[0].numpy() for part in self.model(*self._padded([row])))
            begins = int(self.readings.begins[row])
            sums = starts[begins:-1, None] + ends[None, begins:-1]
            behind = np.arange(len(sums))[None] - np.arange(len(sums))[:, None]
            sums[(behind < 0) | (behind >= LONGEST)] = -np.inf
            first, last = (int(n) + begins for n in np.unravel_index(sums.argmax(), sums.shape))
            found.append(max(_f1(first, last, *place) for place in self.readings.places[row].reshape(-1, 2)))
        self.figures[name] = {"questions": len(found), "F1": round(float(np.mean(found)), 4)}
        self.note(f"{name}: F1 {np.mean(found):.3f} over word pieces, {len(found)} questions")

    def note(self, text: str) -> None:
        """Tells how far it is."""
        sys.stdout.write(f"{time.monotonic() - self.began:7.1f} s  {text}\n")
        sys.stdout.flush()

    def write(self, folder: Path) -> None:
        """What was learned, and the figures."""
        folder.mkdir(parents=True, exist_ok=True)
        head = {f"head.{name}": value.detach().numpy() for name, value in self.model.head.named_parameters()}
        save_file({**self.model.encoder.state(), **head}, folder / "spans.safetensors")
        (folder / "spans.json").write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")

    def _of(self, kind: int) -> list[int]:
        rows = [int(row) for row in np.flatnonzero(self.readings.kind == kind)]
        return rows[: max(8, int(len(rows) * self.share))]

    def _asked(self) -> list[int]:
        """The data's questions with their passages, and some with passages that do not tell."""
        rows = self._of(ASKED)
        told = [row for row in rows if len(self.readings.places[row])]
        untold = [row for row in rows if not len(self.readings.places[row])]
        return told + self.chance.sample(untold, min(len(untold), round(len(told) * UNTOLD / (1 - UNTOLD))))

    def _batches(self, rows: Sequence[int]) -> Iterator[list[int]]:
        """Rows in any order, those of like length together."""
        order = self.chance.sample(rows, len(rows))
        lengths = self.readings.ids.lengths
        for at in range(0, len(order), _TOGETHER):
            found: list[list[int]] = [[]]
            for row in sorted(order[at : at + _TOGETHER], key=lambda row: int(lengths[row])):
                if found[-1] and int(lengths[row]) * (len(found[-1]) + 1) > TOKENS:
                    found.append([])
                found[-1].append(row)
            self.chance.shuffle(found)
            yield from found

    def _padded(self, rows: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, where there are any, and where an answer may stand: its passage, or the first token for none."""
        width = max(len(self.readings.ids[row]) for row in rows)
        ids = np.zeros((len(rows), width), np.int64)
        mask, allowed = np.zeros(ids.shape, bool), np.zeros(ids.shape, bool)
        for n, row in enumerate(rows):
            text = self.readings.ids[row]
            ids[n, : len(text)] = text
            mask[n, : len(text)] = True
            allowed[n, int(self.readings.begins[row]) : len(text) - 1] = True
        allowed[:, 0] = True
        return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(allowed)


def _f1(first: int, last: int, start: int, end: int) -> float:
    common = max(0, min(last, end) - max(first, start) + 1)
    return 2 * common / (last - first + end - start + 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Learns, measures, writes spans.safetensors and spans.json into a folder."""
    parser = argparse.ArgumentParser("python -m memapp.train.spans fit")
    parser.add_argument("--readings", type=Path, required=True, help="made by prepare")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--share", type=float, default=1.0, help="share of all questions, to try the command")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    fit = Fit(ragged.load(options.readings, Readings), options.seed, options.share)
    fit.run()
    fit.write(options.out)
    return 0
