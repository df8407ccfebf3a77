"""`memapp bench extraction`: how many of the phrases that people, or a large model, marked are found, and how fast.

Spans must agree exactly where a set marks spans; where it lists a passage's phrases, their normal forms must.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from memapp.errors import UsageError
from memapp.evaluate import mentions, workspace
from memapp.evaluate.mentions import Marked, Span
from memapp.evaluate.report import Report
from memapp.extract import tagger
from memapp.extract.extractor import PhraseExtractor, read_weights
from memapp.extract.phrases import normal
from memapp.protocols import Embedder, TokenStates
from memapp.settings import shipped
from memapp.types import Passage

DATA = "MEMAPP_EVAL_DATA"
CAPITALS, TAGGER, BOTH = "capital letters", "tagger", "tagger and rules"
BATCH = 64
_RUN = re.compile(r"\b[A-Z][\w'’.-]*(?:\s+(?:of|the|de|and|for|van|von)\s+[A-Z][\w'’.-]*|\s+[A-Z][\w'’.-]*)*")

Spans = Callable[[Sequence[str], Sequence[TokenStates]], list[list[Span]]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--data", type=Path, help=f"folder with the extraction data sets (${DATA}/extraction)")
    parser.add_argument("--weights", type=Path, help="another tagger than the one that is shipped")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError when no data set is named or found, Malformed for a bad one."""
    if not arguments.data and DATA not in os.environ:
        raise UsageError("There is no data to measure on.", f"Name the folder with --data, or set {DATA}.")
    folder = arguments.data or Path(os.environ[DATA], "extraction")
    embedder = workspace.new_embedder(workspace.settings())
    extractor = PhraseExtractor(arguments.weights)
    weights, _ = read_weights(arguments.weights or shipped("weights/tagger.safetensors"))
    systems: dict[str, Spans] = {
        CAPITALS: lambda texts, states: [capitals(text) for text in texts],
        TAGGER: lambda texts, states: tagger.mentions(weights, texts, states),
        BOTH: extractor.spans,
    }
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for name, samples in _sets(folder).items():
        workspace.note(f"Reading {len(samples):,} texts of {name}.")
        figures[name] = {system: score(samples, embedder, spans) for system, spans in systems.items()}
    silver = mentions.split_titled(mentions.read_silver(folder / "musique_train_openie_silver.json"))[1]
    workspace.note(f"Reading {len(silver):,} passages of MuSiQue.")
    figures["MuSiQue (silver)"] = {
        system: score_phrases(silver, embedder, spans, extractor if system == BOTH else None)
        for system, spans in systems.items()
    }
    return _report(figures, _speed(silver, embedder, systems, extractor))


def capitals(text: str) -> list[Span]:
    """Runs of words with capitals: what needs no model."""
    return [match.span() for match in _RUN.finditer(text)]


def score(samples: Sequence[Marked], embedder: Embedder, spans: Spans) -> dict[str, float]:
    """Precision, recall and F1 of exact spans."""
    right = given = wanted = 0
    for at in range(0, len(samples), BATCH):
        chosen = samples[at : at + BATCH]
        texts = [sample.text for sample in chosen]
        for sample, found in zip(chosen, spans(texts, embedder.encode(texts)[1]), strict=True):
            right += len(set(found) & set(sample.spans))
            given += len(set(found))
            wanted += len(sample.spans)
    return rates(right, given, wanted)


def score_phrases(
    samples: Sequence[Marked], embedder: Embedder, spans: Spans, extractor: PhraseExtractor | None = None
) -> dict[str, float]:
    """Precision, recall and F1 of each passage's set of normal forms; by `extractor` as a passage, if there is one."""
    right = given = wanted = 0
    for at in range(0, len(samples), BATCH):
        chosen = samples[at : at + BATCH]
        texts = [sample.text for sample in chosen]
        states = embedder.encode(texts)[1]
        if extractor:
            phrases = [list(one.phrases) for one in extractor.extract([_passage(each) for each in chosen], states)]
        else:
            places = zip(texts, spans(texts, states), strict=True)
            phrases = [[text[start:end] for start, end in found] for text, found in places]
        for sample, found in zip(chosen, phrases, strict=True):
            expected = {normal(phrase) for phrase in sample.phrases} - {""}
            made = {normal(phrase) for phrase in found} - {""}
            right += len(made & expected)
            given += len(made)
            wanted += len(expected)
    return rates(right, given, wanted)


def rates(right: int, given: int, wanted: int) -> dict[str, float]:
    """Precision, recall and F1 from counts; 0 where there is nothing to divide by."""
    return {
        "precision": right / max(given, 1),
        "recall": right / max(wanted, 1),
        "F1": 2 * right / max(given + wanted, 1),
    }


def _sets(folder: Path) -> dict[str, list[Marked]]:
    wikigold = mentions.read_conll(folder / "wikigold.conll.txt", mentions.SENTENCES)
    domains = ("ai", "literature", "music", "politics", "science")
    return {
        "wikigold": mentions.split_running(wikigold)[1],
        **{f"CrossNER {name}": mentions.read_conll(folder / f"crossner_{name}_dev.txt") for name in domains},
    }


def _passage(sample: Marked) -> Passage:
    text = sample.text.removeprefix(f"{sample.title}\n") if sample.title else sample.text
    return Passage(0, "", sample.title, text, 0, len(text))


def _speed(
    samples: Sequence[Marked], embedder: Embedder, systems: Mapping[str, Spans], extractor: PhraseExtractor
) -> dict[str, float]:
    """Milliseconds a passage, best of three: embedding first."""
    texts = [sample.text for sample in samples]
    states = embedder.encode(texts)[1]
    passages = [_passage(sample) for sample in samples]
    work: dict[str, Callable[[], Any]] = {
        "embedding": lambda: embedder.embed(texts),
        "with states": lambda: embedder.encode(texts),
        CAPITALS: lambda: systems[CAPITALS](texts, states),
        TAGGER: lambda: [
            systems[TAGGER](texts[at : at + BATCH], states[at : at + BATCH]) for at in range(0, len(texts), BATCH)
        ],
        BOTH: lambda: extractor.extract(passages, states),
    }
    best = dict.fromkeys(work, float("inf"))
    for _ in range(3):
        for name, each in work.items():
            begun = time.perf_counter()
            each()
            best[name] = min(best[name], (time.perf_counter() - begun) / len(texts) * 1e3)
    return best


def _report(figures: Mapping[str, Mapping[str, Mapping[str, float]]], speed: Mapping[str, float]) -> Report:
    rows: list[tuple[str | float, ...]] = []
    for name, each in figures.items():
        rows += [(name, system, *values.values()) for system, values in each.items()]
    ratios = ", ".join(f"{name} {speed[name] / speed['embedding']:.3f}" for name in (CAPITALS, TAGGER, BOTH))
    notes = (
        "Exact spans; on MuSiQue the normal forms of a passage's phrases, which a large model listed, against those "
        "found. None of these texts was trained on, but other passages of MuSiQue may have been: see the manifest of "
        "the weights. The rules add dates and titles, which only MuSiQue counts as phrases.",
        f"Time a passage, embedding = 1 ({speed['embedding']:.2f} ms): {ratios}; embedding with its token states "
        f"{speed['with states'] / speed['embedding']:.3f}.",
    )
    columns = ("set", "phrases by", "precision", "recall", "F1")
    return Report("extraction", columns, tuple(rows), {"sets": figures, "ms_a_passage": dict(speed)}, notes)
