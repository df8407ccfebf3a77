"""The story of a model's profile: how well it reads each place of its prompt, measured once on the sample."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from memapp import ask
from memapp.answer import prompt
from memapp.errors import UsageError
from memapp.memory import Memory
from memapp.models import profiles
from memapp.models.llama import LlamaEngine
from memapp.settings import Settings, load, shipped
from memapp.types import Hit, Profile, Progress

PLACES = 5
_FOUND = 20
_QUESTIONS = "sample_questions.jsonl"

Report = Callable[[Progress], None]
Measure = Callable[[Sequence[Hit]], float]
"""Hits, in the order in which they are read, to the log-probability of the right answer."""


def profile(settings: Settings | None = None, progress: Report | None = None, questions: int | None = None) -> Profile:
    """Measures the model in use and keeps what was found, for the setting `order = "profile"`.

    Takes half a second a passage on two cores: some minutes. Raises ModelError leaves, UsageError for an engine that
    does not measure.
    """
    settings = settings or load()
    with (
        tempfile.TemporaryDirectory(prefix="memapp-profile-", ignore_cleanup_errors=True) as place,
        Memory.open(Path(place) / "sample.db", settings=replace(settings, parametric="off", bank=0)) as memory,
    ):
        memory.ingest([shipped("sample")])
        engine = memory.engine
        if not isinstance(engine, LlamaEngine):
            raise UsageError(f"{engine.identity} does not tell how likely an answer is.", "Use a GGUF model.")
        rows = _measured(memory, engine, settings, _asked(questions), progress)
        identity = _identity(engine, settings)
    values = np.array(rows)
    curve = tuple(values.mean(axis=0).tolist())
    # Of what each place adds to the same question's mean over places.
    spread = (values - values.mean(axis=1, keepdims=True)).std(axis=0, ddof=1) / len(values) ** 0.5
    kept = profiles.keep(identity, curve)
    return Profile(identity, len(rows), curve, tuple(spread.tolist()), str(kept))


def at_each_place(gold: Hit, others: Sequence[Hit], measure: Measure) -> list[float]:
    """What is measured with the gold passage at each place among the others, which stay in their order."""
    return [measure([*others[:place], gold, *others[place:]]) for place in range(len(others) + 1)]


def measuring(engine: LlamaEngine, settings: Settings, question: str, answer: str) -> Measure:
    """Asks the model as it is asked in use."""
    reader = ask.reader_of(engine, settings)
    form = ask.form_of(reader)

    def measure(hits: Sequence[Hit]) -> float:
        room = engine.context_tokens - settings.answer_tokens
        made = prompt.build(question, hits, (), room, engine.count, form)
        return engine.forced(made.messages, f" {answer}" if reader else answer, taught=reader is not None)

    return measure


def _identity(engine: LlamaEngine, settings: Settings) -> str:
    return (ask.reader_of(engine, settings) or engine).identity


def _asked(limit: int | None) -> list[tuple[str, str]]:
    """Questions of the sample with their answers."""
    lines = shipped(_QUESTIONS).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    single = [one for one in records if one["kind"] == "single"]
    return [(one["question"], one["answers"][0]) for one in single[:limit]]


def _measured(
    memory: Memory,
    engine: LlamaEngine,
    settings: Settings,
    asked: Sequence[tuple[str, str]],
    progress: Report | None,
) -> list[list[float]]:
    rows = []
    for done, (question, answer) in enumerate(asked):
        if progress:
            progress(Progress("profile", done, len(asked), question))
        hits = memory.recall(question, _FOUND)
        gold = next((hit for hit in hits if answer in hit.passage.text), None)
        others = [hit for hit in hits if answer not in hit.passage.text][: PLACES - 1]
        if gold is not None and len(others) == PLACES - 1:
            rows.append(at_each_place(gold, others, measuring(engine, settings, question, answer)))
    if len(rows) < 2:
        raise UsageError("The sample has too few questions for a profile.", "Reinstall memapp: pip install memapp.")
    return rows
