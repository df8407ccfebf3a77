"""`python -m memapp.train.reader apart`: teaches the reader to answer from passages that were read apart.

Passages are read by the reader as it is, once. What is trained is a small adapter for what follows them only, the
question and the answer, which look at the kept keys and values: so a step costs as many tokens as questions have, and
two cores do. Questions are those of the data, on passages with other answers in them; documents that are held out
train nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from memapp.evaluate import metrics
from memapp.train import llama_torch, ragged
from memapp.train.ragged import Ints
from memapp.train.reader import examples
from memapp.train.reader.counterfactual import Told, counterfactual
from memapp.train.reader.pieces import Pieces
from memapp.train.reader.states import Joined, States, merged

RANK, ALPHA = 16, 32
RATE = 5e-4
COUNTS = (2, 3, 4, 5, 5, 5, 6)
"""Passages before a question, one drawn for each step."""
OF_ONE, ASKED, LURES = 3, 9, 2
"""Questions of one passage at most, of all passages of a step, and of passages that are not there."""
STRANGE = 0.2
"""Share of the other passages that are any, not those that a search finds."""
DISTRACTORS = 4
_WARM, _FALLING = 20, 0.9
_TOKENS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Learns, measures, writes apart-*.safetensors and apart.json into a folder."""
    parser = argparse.ArgumentParser("python -m memapp.train.reader apart")
    parser.add_argument("--pieces", type=Path, required=True, help="made by prepare")
    parser.add_argument("--model", type=Path, required=True, help="the model as a GGUF file")
    parser.add_argument("--reader", type=Path, required=True, help="the reader's adapter as a GGUF file")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--seconds", type=float, default=2700.0, help="time that learning takes (2700)")
    parser.add_argument("--measured", type=int, default=80, help="held-out questions that are asked (80)")
    parser.add_argument("--share", type=float, default=1.0, help="share of the passages, to try the command")
    parser.add_argument("--seed", type=int, default=0)
    Fit(parser.parse_args(arguments)).run()
    return 0


class Fit:
    """One run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.began = time.monotonic()
        self.chance = random.Random(options.seed)
        torch.manual_seed(options.seed)
        self.pieces = ragged.load(options.pieces, Pieces)
        known = examples.known(self.pieces, held_out=False)
        self.told = counterfactual(self.pieces, known, self.chance)
        self.told = self.told[: max(8, int(len(self.told) * options.share))]
        self.by_passage = {one.passage: one for one in self.told}
        self.model = llama_torch.load(options.model)
        llama_torch.load_lora(self.model, *llama_torch.load_gguf_lora(options.reader))
        merged(self.model)
        self.states = States(self.model, self.pieces.part("head"))
        self.figures: dict[str, object] = {}

    def run(self) -> None:
        """All of it."""
        asked = self._measured()
        read = self.states.read(
            {_counterfactual(one.passage): examples.read_apart(self.pieces, one.ids) for one in self.told}
        )
        self.note(f"{len(self.told)} passages with other answers read, {read:,} tokens.")
        self.states.read(
            {n: examples.read_apart(self.pieces, self.pieces.passages[n]) for one in asked for n in self._among(one)}
        )
        self.note("Passages of held-out questions read.")
        parameters = llama_torch.add_lora(self.model, RANK, ALPHA, seed=self.options.seed)
        self.figures["before"] = self.measure(asked)
        self.learn(parameters)
        self.write()
        self.figures["held out"] = self.measure(asked)
        self.write()

    def note(self, text: str) -> None:
        """Tells how far it is."""
        sys.stdout.write(f"{time.monotonic() - self.began:7.1f} s  {text}\n")
        sys.stdout.flush()

    # What is asked

    def _prompt(self, question: Ints) -> list[int]:
        return [int(n) for n in examples.behind(self.pieces, question)]

    def _passages(self) -> list[Told]:
        """Some passages, most of them like the first."""
        found = [self.chance.choice(self.told)]
        like = sorted(one for one in found[0].others if one in self.by_passage)
        self.chance.shuffle(like)
        count = self.chance.choice(COUNTS)
        while len(found) < count:
            near = like and self.chance.random() >= STRANGE
            one = self.by_passage[like.pop()] if near else self.chance.choice(self.told)
            if one not in found:
                found.append(one)
        self.chance.shuffle(found)
        return found

    def _asked(self, passages: Sequence[Told]) -> list[tuple[list[int], int]]:
        """Token sequences on these passages, and where in each what is learned begins."""
        one, none, end = (list(map(int, ids)) for ids in self._ends())
        asked = [pair for told in passages for pair in self._some(told)]
        self.chance.shuffle(asked)
        found = []
        for question, answer in asked[:ASKED]:
            prompt = self._prompt(question)
            found.append(([*prompt, *map(int, answer), *one, *end], len(prompt)))
        for told in self._lures(passages):
            prompt = self._prompt(self.chance.choice(told.asked)[0])
            found.append(([*prompt, *none, *end], len(prompt)))
        return found

    def _ends(self) -> tuple[Ints, Ints, Ints]:
        return self.pieces.cited(1), self.pieces.part("nothing"), self.pieces.part("end")

    def _some(self, told: Told) -> list[tuple[Ints, Ints]]:
        return self.chance.sample(told.asked, min(len(told.asked), OF_ONE))

    def _lures(self, passages: Sequence[Told]) -> list[Told]:
        """Passages that are not among these, but like one of them if there is such a one."""
        here = {one.passage for one in passages}
        like = sorted({other for one in passages for other in one.others if other in self.by_passage} - here)
        others = self.chance.sample(like, min(len(like), LURES))
        return [self.by_passage[one] for one in others]

    # Learning

    def learn(self, parameters: list[torch.nn.Parameter]) -> None:
        """One group of passages after another, until the time is over; the rate rises, then falls to nothing."""
        optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0, betas=(0.9, 0.98))
        began, losses, steps, seen = time.monotonic(), list[float](), 0, 0
        while (done := (time.monotonic() - began) / self.options.seconds) < 1:
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1.0, (steps + 1) / _WARM, (1 - done) / _FALLING)
            passages = self._passages()
            asked = self._asked(passages)
            joined = self.states.joined([_counterfactual(one.passage) for one in passages])
            loss = self._loss(joined, asked)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(float(loss.detach()))
            steps, seen = steps + 1, seen + len(asked)
            if steps % 25 == 0:
                self.note(f"{steps} steps, {seen} questions: loss {np.mean(losses[-50:]):.3f}")
            if steps % 200 == 0:
                self.write()
        self.figures["learning"] = {"steps": steps, "questions": seen, "seconds": round(time.monotonic() - began)}

    def _loss(self, joined: Joined, asked: Sequence[tuple[list[int], int]]) -> torch.Tensor:
        """Cross-entropy of what is to be learned, the mean over tokens."""
        ids = torch.zeros(len(asked), max(len(one) for one, _ in asked), dtype=torch.long)
        learned = torch.zeros(ids.shape, dtype=torch.bool)
        for row, (one, start) in enumerate(asked):
            ids[row, : len(one)] = torch.tensor(one)
            learned[row, start : len(one)] = True
        states = joined.follow(self.model, ids)
        logits = self.model.head(states[:, :-1][learned[:, 1:]])
        return torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][learned[:, 1:]])

    # Measuring

    def _measured(self) -> list[int]:
        """Held-out questions, as many formal as brief ones."""
        found: list[int] = []
        for formal in (True, False):
            all_of = np.flatnonzero(self.pieces.held_out & (self.pieces.formal == formal))
            found += map(int, all_of[:: max(1, 2 * len(all_of) // max(1, self.options.measured))])
        return found

    def _among(self, question: int) -> list[int]:
        """The gold among what a search finds, its place by the question's number."""
        others = [int(one) for one in self.pieces.near[question] if one >= 0][:DISTRACTORS]
        others.insert(question % (len(others) + 1), int(self.pieces.gold[question]))
        return others

    def measure(self, asked: Sequence[int]) -> dict[str, float]:
        """F1 of what is said and the mean log-probability of a token of the right answer, in nats."""
        rows = []
        end = int(self.pieces.part("end")[0])
        for n in asked:
            prompt = self._prompt(self.pieces.questions[n])
            answer = [*prompt, *map(int, self.pieces.answers[n])]
            with torch.no_grad():
                loss = self._loss(self.states.joined(self._among(n)), [(answer, len(prompt))])
            said = self.states.joined(self._among(n)).write(self.model, prompt, _TOKENS, end)
            text, _, number = self.pieces.text(said).rpartition("[")
            right = self.pieces.right(n)
            rows.append((bool(self.pieces.formal[n]), metrics.f1(text, right), number.startswith("0"), -float(loss)))
        told = {}
        for name, formal in (("formal", True), ("brief", False)):
            some = np.array([row[1:] for row in rows if row[0] == formal], float)
            for at, figure in enumerate(("F1", "abstains", "log-probability")):
                told[f"{name}, {figure}"] = round(float(some[:, at].mean()), 4) if len(some) else 0.0
        self.note(f"{len(asked)} questions: {told}")
        return told

    def write(self) -> None:
        """The adapter in two files, and the figures."""
        self.options.out.mkdir(parents=True, exist_ok=True)
        found = {name: value.numpy().astype(np.float16) for name, value in llama_torch.lora_state(self.model).items()}
        for side in ("a", "b"):
            part = {name: value for name, value in found.items() if name.endswith(f"lora_{side}")}
            save_file(part, self.options.out / f"apart-{side}.safetensors")
        told = {"rank": RANK, "alpha": ALPHA, "seed": self.options.seed, **self.figures}
        (self.options.out / "apart.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _counterfactual(passage: int) -> int:
    """The key of a passage with other answers in it."""
    return -1 - passage
