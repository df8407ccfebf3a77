"""Training of the amortizer, and its measuring. Needs torch and NumPy; all data lie on the device before it starts.

What is learned, by step: to answer a question from its passage's soft tokens; to answer it from them among those of
like passages; that the soft tokens of a like passage make the answer less likely; and to repeat the passage. A passage
is encoded once a step, and its soft tokens are read in all these ways. Distilling from the model as it reads the text
is left out on purpose: untaught, it answers worse than what is trained here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from memapp.train.amortized.examples import SETS, Examples
from memapp.train.amortized.network import Amortizer, Reader, per_answer, rounded
from memapp.train.ragged import Ragged

LOSSES = ("answer", "question", "contrast", "among", "repeat")
_LONGEST = 72
"""Tokens of a question and its answer that are trained on: a batch is as long as its longest."""
GROUP = 4
"""A passage and those like it: the wrong ones to learn from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train."""

    seconds: float
    groups: int = 12
    """Groups of passages in a step."""
    counts: tuple[int, ...] = (48, 48, 16)
    """Soft tokens a passage is made into, step after step."""
    rate: float = 8e-4
    own_rate: float = 1e-3
    warm: float = 0.04
    """Share of the time in which the rates rise; then they fall to a twentieth."""
    contrast: float = 0.3
    margin: float = 1.0
    question: float = 0.1
    repeat: float = 0.6
    seed: int = 0


class Device:
    """Examples on the device, padded once."""

    def __init__(self, examples: Examples, device: torch.device) -> None:
        self.examples, self.device = examples, device
        self.passages, self.lengths = _padded(examples.passages, device)
        tails = [[*examples.questions[row], *examples.answers[row]] for row in range(len(examples.questions))]
        self.tails, self.tail_lengths = _padded(Ragged.of(tails), device)
        self.asked = torch.from_numpy(examples.questions.lengths).to(device)
        self.passage_ends = examples.passages.lengths
        self.tail_ends = self.tail_lengths.cpu().numpy()

    def read(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Passages and their lengths, as short as they may be."""
        at = torch.from_numpy(rows).to(self.device)
        return self.passages[at, : int(self.passage_ends[rows].max())].long(), self.lengths[at]

    def tail(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Questions with answers, where those begin, where they end."""
        at = torch.from_numpy(rows).to(self.device)
        return self.tails[at, : int(self.tail_ends[rows].max())].long(), self.asked[at], self.tail_lengths[at]


def _padded(lists: Ragged, device: torch.device) -> tuple[Tensor, Tensor]:
    lengths = lists.lengths
    padded = np.zeros((len(lists), int(lengths.max())), np.int32)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = lists.values
    return torch.from_numpy(padded).to(device), torch.from_numpy(lengths).to(device)


# Training


def fit(
    model: Amortizer, reader: Reader, data: Device, plan: Plan, watch: Callable[[float, dict[str, float]], None]
) -> dict[str, float]:
    """Trains for the plan's seconds; tells `watch` the share that is done and how it goes, and returns the last."""
    rates = [(model.own(), plan.own_rate), (model.adapter, plan.rate)]
    optimizer = torch.optim.AdamW(
        [{"params": params, "lr": rate, "peak": rate} for params, rate in rates], betas=(0.9, 0.98), weight_decay=0.0
    )
    told: dict[str, float] = {"tokens": 0.0, "steps": 0.0}
    averages: dict[str, Tensor] = {}
    started = time.perf_counter()
    for step, batch in enumerate(_batches(data.examples, data.passage_ends, plan)):
        done = (time.perf_counter() - started) / plan.seconds
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * _level(done, plan.warm)
        found, tokens = _step(model, reader, data, batch, plan, plan.counts[step % len(plan.counts)])
        nn.utils.clip_grad_norm_([*model.own(), *model.adapter], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        for name, value in found.items():
            averages[name] = averages[name] * 0.97 + value * 0.03 if name in averages else value
        told["tokens"] += tokens
        told["steps"] = step + 1
        if step % 20 == 0:
            told |= {name: float(value) for name, value in averages.items()}
            told["seconds"] = time.perf_counter() - started
            watch(done, told)
    told |= {name: float(value) for name, value in averages.items()}
    told["seconds"] = time.perf_counter() - started
    return told


def _level(done: float, warm: float) -> float:
    if done < warm:
        return 0.02 + 0.98 * done / warm
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warm) / (1 - warm))))


@dataclass(frozen=True, slots=True)
class _Batch:
    passages: NDArray[np.int64]
    """Rows of passages, group after group."""
    questions: NDArray[np.int64]
    of: NDArray[np.int64]
    """By question, the place of its passage in the batch."""
    orders: NDArray[np.int64]
    """By question, the places of its group's passages, shuffled."""


def _batches(examples: Examples, lengths: NDArray[np.int64], plan: Plan) -> Iterator[_Batch]:
    """Groups of passages of like length, without end; half of the seeds have questions of a data set."""
    chance = np.random.default_rng(plan.seed)
    asked: dict[int, list[int]] = {}
    real: dict[int, list[int]] = {}
    tails = examples.questions.lengths + examples.answers.lengths
    for row, (passage, kind) in enumerate(zip(examples.of.tolist(), examples.kind.tolist(), strict=True)):
        if not examples.held[passage] and tails[row] <= _LONGEST:
            (real if kind < len(SETS) else asked).setdefault(passage, []).append(row)
    usable = (examples.neighbours >= 0).all(1) & ~examples.held
    first, rest = (np.array([each for each in rows if usable[each]]) for rows in (real, asked))
    while True:
        many = 8 * plan.groups
        seeds = np.concatenate([chance.choice(first, many // 2), chance.choice(rest, many - many // 2)])
        groups = np.concatenate([seeds[:, None], examples.neighbours[seeds]], 1)
        groups = groups[np.argsort(lengths[groups].max(1), kind="stable")]
        for part in chance.permutation(8).tolist():
            yield _batch(groups[part * plan.groups : (part + 1) * plan.groups], real, asked, chance)


def _batch(
    groups: NDArray[np.int64], real: dict[int, list[int]], asked: dict[int, list[int]], chance: np.random.Generator
) -> _Batch:
    passages = groups.reshape(-1).astype(np.int64)
    questions: list[int] = []
    of: list[int] = []
    for place, passage in enumerate(passages.tolist()):
        for pool in (real.get(passage) or asked.get(passage), asked.get(passage)):
            if pool:
                questions.append(pool[int(chance.integers(len(pool)))])
                of.append(place)
    starts = np.array(of) // GROUP * GROUP
    orders = starts[:, None] + np.array([chance.permutation(GROUP) for _ in of])
    return _Batch(passages, np.array(questions, np.int64), np.array(of, np.int64), orders.astype(np.int64))


def _step(
    model: Amortizer, reader: Reader, data: Device, batch: _Batch, plan: Plan, count: int
) -> tuple[dict[str, Tensor], int]:
    """Gradients of one step; losses by name, and the tokens that were read with gradients."""
    ids, lengths = data.read(batch.passages)
    soft = model(ids, lengths, count)
    leaf = soft.detach().requires_grad_()
    tokens = ids.numel()
    found: dict[str, Tensor] = {}
    for part, every in ((_alone, 1), (_among, 2)):
        losses, read = part(leaf, reader, data, batch, np.arange(0, len(batch.questions), every), plan)
        # Part by part, so that only one lies in memory.
        sum(losses.values(), torch.zeros((), device=data.device)).backward()
        found |= {name: loss.detach() for name, loss in losses.items()}
        tokens += read
    repeated = slice(None, None, 2)
    loss = plan.repeat * _repeated(leaf[repeated], reader, ids[repeated], lengths[repeated])
    loss.backward()
    found["repeat"] = loss.detach() / plan.repeat
    tokens += (len(reader.before) + count + len(reader.repeat) + ids.shape[1]) * len(ids[repeated])
    soft.backward(leaf.grad)
    return found, tokens


def _alone(
    leaf: Tensor, reader: Reader, data: Device, batch: _Batch, rows: NDArray[np.int64], plan: Plan
) -> tuple[dict[str, Tensor], int]:
    """Each question with its own passage, and half of them with a like one."""
    tails, asked, lengths = data.tail(batch.questions[rows])
    at = torch.from_numpy(batch.of[rows]).to(leaf.device)
    orders = batch.orders[rows]
    wrong = np.where(orders[:, 0] == batch.of[rows], orders[:, 1], orders[:, 0])
    half = slice(0, None, 2)
    other = torch.from_numpy(wrong[half]).to(leaf.device)
    answer, question = reader.losses(
        leaf[torch.cat((at, other))],
        torch.cat((tails, tails[half])),
        torch.cat((asked, asked[half])),
        torch.cat((lengths, lengths[half])),
    )
    own = per_answer(answer[: len(tails)], asked, lengths)
    worse = per_answer(answer[len(tails) :], asked[half], lengths[half])
    losses = {
        "answer": own.mean(),
        "question": plan.question * question[: len(tails)].sum() / asked.sum(),
        "contrast": plan.contrast * F.softplus(plan.margin + own[half] - worse).mean(),
    }
    return losses, (len(reader.before) + leaf.shape[1] + tails.shape[1]) * (len(at) + len(other))


def _among(
    leaf: Tensor, reader: Reader, data: Device, batch: _Batch, rows: NDArray[np.int64], plan: Plan
) -> tuple[dict[str, Tensor], int]:
    """Questions with all passages of a group, in any order."""
    tails, asked, lengths = data.tail(batch.questions[rows])
    soft = leaf[torch.from_numpy(batch.orders[rows]).to(leaf.device)].flatten(1, 2)
    answer, _ = reader.losses(soft, tails, asked, lengths)
    losses = {"among": 0.5 * per_answer(answer, asked, lengths).mean()}
    return losses, (len(reader.before) + soft.shape[1] + tails.shape[1]) * len(rows)


def _repeated(soft: Tensor, reader: Reader, ids: Tensor, lengths: Tensor) -> Tensor:
    """A token's negative log-probability where the model repeats what it has read as soft tokens."""
    request = reader.repeat.expand(len(ids), -1)
    asked = torch.full_like(lengths, request.shape[1])
    answer, _ = reader.losses(soft, torch.cat((request, ids), 1), asked, lengths + request.shape[1])
    return answer.sum() / lengths.sum()


# Measuring


@torch.no_grad()  # type: ignore[untyped-decorator]
def measure(
    model: Amortizer, reader: Reader, data: Device, rows: NDArray[np.int64], counts: tuple[int, ...], best: int = 3
) -> dict[str, NDArray[np.float32]]:
    """Mean log-probability of each answer's tokens, by what was read before the question. `rows`: held-out questions.

    Soft tokens are rounded as in the bank. The wrong passage is any other; among others, the `best` that are most like
    the question stand in the prompt, the best last, with the right passage in the bank and without it.
    """
    examples = data.examples
    own, nearest = examples.of[rows].astype(np.int64), examples.nearest[rows].astype(np.int64)
    held = np.flatnonzero(examples.held)
    shift = np.random.default_rng(0).integers(1, len(held), len(rows))
    wrong = held[(np.searchsorted(held, own) + shift) % len(held)]
    others = np.array([line[line != right][:best] for line, right in zip(nearest, own, strict=True)])
    chosen = {"own": own[:, None], "wrong": wrong[:, None], "among": nearest[:, :best], "others": others}
    found = {
        "nothing": _text(reader, data, rows, None),
        "reading": _text(reader, data, rows, [examples.passages[passage].tolist() for passage in own]),
        "reading, wrong": _text(reader, data, rows, [examples.passages[passage].tolist() for passage in wrong]),
    }
    for count in counts:
        rare = _rarest(examples, count)
        found[f"rarest {count}"] = _text(reader, data, rows, [rare(passage) for passage in own])
        needed = np.unique(np.concatenate([each.reshape(-1) for each in chosen.values()]))
        parts = [model(*data.read(needed[start : start + 64]), count) for start in range(0, len(needed), 64)]
        soft = rounded(torch.cat(parts))
        for name, each in chosen.items():
            found[f"{name} {count}"] = _soft(reader, data, rows, np.searchsorted(needed, each[:, ::-1]), soft)
    return found


def _soft(
    reader: Reader, data: Device, rows: NDArray[np.int64], chosen: NDArray[np.int64], soft: Tensor
) -> NDArray[np.float32]:
    found = np.empty(len(rows), np.float32)
    for part in np.array_split(np.argsort(data.tail_ends[rows], kind="stable"), -(-len(rows) // 64)):
        tails, asked, lengths = data.tail(rows[part])
        read = soft[torch.from_numpy(chosen[part]).to(data.device)].flatten(1, 2)
        answer, _ = reader.losses(read, tails, asked, lengths - 1)
        found[part] = -per_answer(answer, asked, lengths - 1).cpu().numpy()
    return found


def _text(reader: Reader, data: Device, rows: NDArray[np.int64], texts: list[list[int]] | None) -> NDArray[np.float32]:
    examples = data.examples
    before = [texts[n] if texts else [] for n in range(len(rows))]
    lists = [[*before[n], *examples.questions[row], *examples.answers[row]] for n, row in enumerate(rows.tolist())]
    found = np.empty(len(rows), np.float32)
    head = reader.before if texts else reader.alone
    for part in np.array_split(np.argsort([len(each) for each in lists], kind="stable"), -(-len(rows) // 32)):
        tails, lengths = _padded(Ragged.of([lists[n] for n in part]), data.device)
        asked = lengths - torch.tensor([len(examples.answers[row]) for row in rows[part].tolist()], device=data.device)
        answer, _ = reader.losses(None, tails.long(), asked, lengths - 1, head)
        found[part] = -per_answer(answer, asked, lengths - 1).cpu().numpy()
    return found


def _rarest(examples: Examples, count: int) -> Callable[[int], list[int]]:
    """The control that learns nothing: a passage's rarest tokens, in their order, read as text."""
    seen = np.bincount(examples.passages.values, minlength=1 << 16)

    def chosen(passage: int) -> list[int]:
        ids = examples.passages[passage]
        return list(map(int, ids[np.sort(np.argsort(seen[ids], kind="stable")[:count])]))

    return chosen


def held_out_rows(examples: Examples, most: int | None = None) -> NDArray[np.int64]:
    """The questions that are measured, all or an even sample."""
    rows = np.flatnonzero((examples.nearest[:, 0] >= 0) & (examples.kind < len(SETS)))
    return rows if not most or most >= len(rows) else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def gains(found: dict[str, NDArray[np.float32]], count: int) -> dict[str, float]:
    """What the targets are about: how far the right passage's soft tokens beat wrong ones', as shares of what reading
    the passage gains over reading nothing."""
    mean = {name: float(values.mean()) for name, values in found.items()}
    whole = mean["reading"] - mean["nothing"]
    return {
        f"own over wrong {count}": (mean[f"own {count}"] - mean[f"wrong {count}"]) / whole,
        f"among over others {count}": (mean[f"among {count}"] - mean[f"others {count}"]) / whole,
    }
