"""Figures of merit. Pure functions; the rankings and answers come from elsewhere.

Answers are compared as in SQuAD (Rajpurkar et al., 2016): lower case, without punctuation and articles.
nDCG has the gain 2^grade - 1 (Burges et al., 2005). Intervals are percentiles of a paired bootstrap.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np

Gold = Mapping[str, int]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the range that holds it with 95 % confidence."""

    mean: float
    low: float
    high: float


def recall(ranking: Sequence[str], gold: Gold, k: int) -> float:
    """Share of the gold that stands among the first k. Raises ValueError when there is no gold."""
    if not gold:
        raise ValueError("Recall needs gold.")
    return len(gold.keys() & set(ranking[:k])) / len(gold)


def all_gold(ranking: Sequence[str], gold: Gold, k: int) -> float:
    """1 when all of the gold stands among the first k, else 0."""
    return float(recall(ranking, gold, k) == 1.0)


def reciprocal_rank(ranking: Sequence[str], gold: Gold) -> float:
    """1 / rank of the first gold; 0 when there is none."""
    return next((1 / rank for rank, id in enumerate(ranking, 1) if id in gold), 0.0)


def ndcg(ranking: Sequence[str], gold: Gold, k: int) -> float:
    """Discounted cumulative gain of the first k, as a share of the best possible. Raises ValueError without gold."""
    if not gold:
        raise ValueError("nDCG needs gold.")
    best = _gain(sorted(gold.values(), reverse=True)[:k])
    return _gain([gold.get(id, 0) for id in ranking[:k]]) / best


def _gain(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / log2(rank + 1) for rank, grade in enumerate(grades, 1))


def normal(answer: str) -> str:
    """The answer as it is compared."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, right: Sequence[str]) -> float:
    """1 when the answer is one of the right ones."""
    return _best(answer, right, lambda given, wanted: float(given == wanted))


def f1(answer: str, right: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over words, of the right answer that fits best."""
    return _best(answer, right, _f1)


def contains(answer: str, right: Sequence[str]) -> float:
    """1 when a right answer stands in the answer, as whole words."""
    return _best(answer, right, lambda given, wanted: float(bool(wanted) and f" {wanted} " in f" {given} "))


def _best(answer: str, right: Sequence[str], compare: Callable[[str, str], float]) -> float:
    given = normal(answer)
    return max((compare(given, normal(wanted)) for wanted in right), default=0.0)


def _f1(given: str, wanted: str) -> float:
    left, right = given.split(), wanted.split()
    if not left or not right:
        return float(left == right)
    common = sum((Counter(left) & Counter(right)).values())
    return 2 * common / (len(left) + len(right))


def auroc(right: Sequence[float], wrong: Sequence[float]) -> float:
    """How often one of the first is above one of the second, ties counted half. Raises ValueError when one is empty."""
    if not len(right) or not len(wrong):
        raise ValueError("AUROC needs values of both kinds.")
    one, other = np.asarray(right)[:, None], np.asarray(wrong)[None]
    return float((one > other).mean() + (one == other).mean() / 2)


def calibration_error(sure: Sequence[float], right: Sequence[float], bins: int = 10) -> float:
    """The expected calibration error over bins of equal width (Naeini et al., 2015)."""
    said, came = np.asarray(sure), np.asarray(right)
    where = np.minimum((said * bins).astype(int), bins - 1)
    return float(sum(abs((said[where == n] - came[where == n]).sum()) for n in range(bins)) / max(1, len(said)))


def interval(values: Sequence[float], against: Sequence[float] | None = None, samples: int = 5000) -> Interval:
    """The mean of `values`, or of their differences to `against`, question by question.

    The seed is fixed: the same values have the same interval. Raises ValueError when there are none,
    or when both do not have the same length.
    """
    if not values or (against is not None and len(against) != len(values)):
        raise ValueError("An interval needs values, and as many to compare with.")
    differences = np.asarray(values, np.float64) - np.asarray(against if against is not None else 0.0)
    random = np.random.default_rng(0)
    means = [differences[random.integers(0, len(differences), len(differences))].mean() for _ in range(samples)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(differences.mean()), float(low), float(high))
