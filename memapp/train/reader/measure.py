"""How well the reader answers questions on documents that it did not learn from, measured in torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from memapp.evaluate import metrics
from memapp.train.llama_torch import Llama
from memapp.train.reader import examples
from memapp.train.reader.pieces import Pieces
from memapp.train.reader.writing import first_probability, write_all

DISTRACTORS = 4
_TOKENS = 24


def measure(model: Llama, pieces: Pieces, share: float, note: Callable[[str], None]) -> dict[str, object]:
    """F1 and exact match with the gold passage alone and among others, and how well it tells that nothing is told."""
    asked = [int(n) for n in np.flatnonzero(pieces.held_out)]
    asked = asked[:: max(1, int(1 / share))]
    told: dict[str, object] = {}
    for before in (True, False):
        place = "before and after" if before else "after"
        for count in (0, DISTRACTORS):
            read = [_read(pieces, n, count) for n in asked]
            prompts = [
                examples.prompt(pieces, pieces.questions[n], one, before) for n, one in zip(asked, read, strict=True)
            ]
            said = write_all(model, prompts, _TOKENS, int(pieces.part("end")[0]))
            for name, chosen in (("formal", pieces.formal), ("brief", ~pieces.formal)):
                told[f"{name}, {count} others, question {place}"] = _scores(pieces, asked, read, said, chosen)
        told[f"AUROC, question {place}"] = _auroc(model, pieces, asked, before)
    for key, value in told.items():
        note(f"{key}: {value}")
    return told


def _read(pieces: Pieces, question: int, count: int) -> list[int]:
    """The gold among what a search finds, its place by the question's number."""
    others = [int(one) for one in pieces.near[question] if one >= 0][:count]
    others.insert(question % (len(others) + 1), int(pieces.gold[question]))
    return others


def _scores(
    pieces: Pieces,
    asked: Sequence[int],
    read: Sequence[Sequence[int]],
    said: Sequence[Sequence[int]],
    chosen: NDArray[np.bool_],
) -> dict[str, float]:
    rows = []
    for n, passages, ids in zip(asked, read, said, strict=True):
        if not chosen[n]:
            continue
        text = pieces.text(ids)
        answer, _, number = text.rpartition("[")
        right = pieces.right(n)
        cited = number.rstrip("] ") == str(passages.index(int(pieces.gold[n])) + 1)
        rows.append((metrics.f1(answer, right), metrics.exact_match(answer, right), cited, answer.strip() == ""))
    mean = np.mean(np.array(rows, float), axis=0) if rows else np.zeros(4)
    return dict(zip(("F1", "EM", "cites gold", "abstains"), (round(float(one), 4) for one in mean), strict=True))


def _auroc(model: Llama, pieces: Pieces, asked: Sequence[int], before: bool) -> float:
    """Of the probability that the passages tell: the gold among four others against five others."""
    mark = int(pieces.part("nothing")[0])
    sure: list[list[float]] = []
    for told in (True, False):
        read = [_read(pieces, n, DISTRACTORS) for n in asked]
        if not told:
            read = [[int(one) for one in pieces.near[n] if one >= 0][: DISTRACTORS + 1] for n in asked]
        prompts = [
            examples.prompt(pieces, pieces.questions[n], one, before) for n, one in zip(asked, read, strict=True)
        ]
        sure.append([1 - float(one) for one in first_probability(model, prompts, mark)])
    return round(metrics.auroc(*sure), 4)
