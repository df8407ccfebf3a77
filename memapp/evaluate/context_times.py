"""How long the first token takes, with states of passages and conversations and without."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
from pathlib import Path

from memapp.answer import prompt, reading
from memapp.errors import UsageError
from memapp.evaluate import workspace
from memapp.evaluate.data import Collection, Record
from memapp.evaluate.report import Cell
from memapp.models.llama import LlamaEngine
from memapp.models.taught import TaughtEngine
from memapp.protocols import Embedder, StateStore
from memapp.store import content
from memapp.store.kv import PassageStates
from memapp.store.log import Store
from memapp.types import Finish, Hit, Piece, Reading, Sampling, SetPrompt, Turn

SESSION, TURN = 3000, 3
"""Tokens of a session, and passages of its next turn, so that both fit a window of 4,096."""
_TOKENS, _PASSAGES = 256, 5
_WANTED = 0.12
_DISK = 1 << 30
Rows = list[tuple[Cell, ...]]
_Engine = LlamaEngine | TaughtEngine
_BEGINNING = 40
"""Letters by which a record is known again in a passage that was cut anew."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question and the passages that are read for it, in order of rank."""

    question: str
    hits: tuple[Hit, ...]


def measure(engine: LlamaEngine, embedder: Embedder, place: Path, collection: Collection, repeats: int) -> Rows:
    """Milliseconds to the first token, and what share of reading everything anew that is."""
    records = collection.records
    made = [
        Record(str(n), "", text) for n, text in enumerate(_cut(engine, " ".join(one.text for one in records), _TOKENS))
    ]
    if len(made) < _PASSAGES:
        raise UsageError("The corpus is too small.", f"It takes {_PASSAGES * _TOKENS} tokens.")
    workspace.put(place / "times.db", made[:_PASSAGES], embedder)
    store = Store(place / "times.db", "default")
    try:
        hits = [Hit(n, 1.0, content.passages_of(store, one.id)[0]) for n, one in enumerate(made[:_PASSAGES], 1)]
        near, far = (PassageStates(store, _DISK, memory) for memory in (_DISK, 0))
        told = cycle(_cut(engine, " ".join(one.text for one in records[len(records) // 2 :]), 100))
        turns = [Turn("What else?", next(told)) for _ in range(SESSION // 110)]
        questions = _questions(collection, hits)
        asked = _asking(engine, questions, near, far, repeats)
        if engine.taught is not None:
            asked += _asking(TaughtEngine(engine), questions, near, far, repeats, reading.Form())
        return [*asked, *_chatting(engine, hits[:TURN], turns, near, repeats)]
    finally:
        store.close()


def _cut(engine: LlamaEngine, text: str, tokens: int) -> Iterator[str]:
    """The text in pieces of about so many of the model's tokens."""
    _, ends = engine.tokens(text[: 400 * tokens * 6])
    bounds = [0, *(int(end) for end in ends[tokens - 1 :: tokens])]
    return (text[start:end].strip() for start, end in pairwise(bounds))


def _questions(collection: Collection, hits: Sequence[Hit]) -> list[_Asked]:
    """Questions that one of these passages answers, each with that passage as the best of them; any other where none
    does."""
    texts = {record.id: record.text for record in collection.records}
    found = []
    for question in collection.questions:
        beginnings = [texts[id][:_BEGINNING] for id in question.gold]
        for hit in hits:
            text = hit.passage.text
            if any(beginning in text for beginning in beginnings) and any(
                answer in text for answer in question.answers
            ):
                first = [replace(one, rank=0 if one is hit else one.rank) for one in hits]
                found.append(_Asked(question.text, tuple(sorted(first, key=lambda one: one.rank))))
    return found or [_Asked(f"Which is number {n}?", tuple(hits)) for n in range(10)]


def _made(
    engine: _Engine, question: str, hits: Sequence[Hit], turns: Sequence[Turn] = (), form: prompt.Form | None = None
) -> SetPrompt:
    """A set, or for the reader the passages apart, as it reads them best."""
    room, spread = engine.context_tokens - 1, form is not None
    found = prompt.build_set(question, hits, turns, room, engine.count_set, form, spread)
    assert found.apart is not None
    assert len(found.used) == len(hits)
    return found.apart


def _first(engine: _Engine, made: SetPrompt, states: StateStore | None) -> tuple[float, Reading]:
    """Milliseconds to the first token."""
    began = time.perf_counter()
    first, read = 0.0, None
    for piece in engine.stream_set(made, Sampling(max_tokens=1), None, None, states):
        if isinstance(piece, Piece | Finish) and not first:
            first = (time.perf_counter() - began) * 1000
        if isinstance(piece, Finish):
            read = piece.reading
    assert read is not None
    return first, read


def _asking(
    engine: _Engine,
    questions: Sequence[_Asked],
    near: PassageStates,
    far: PassageStates,
    repeats: int,
    form: prompt.Form | None = None,
) -> Rows:
    who, how = ("", "a set") if form is None else ("the reader, ", "the reader, apart")
    reads: list[Reading] = []

    def sequential(number: int) -> float:
        asked = questions[number % len(questions)]
        found = prompt.build(asked.question, asked.hits, (), engine.context_tokens - 1, engine.count, form)
        began = time.perf_counter()
        next(iter(engine.stream(found.messages, Sampling(max_tokens=1))))
        return (time.perf_counter() - began) * 1000

    def apart(number: int, states: StateStore | None) -> float:
        asked = questions[number % len(questions)]
        ms, read = _first(engine, _made(engine, asked.question, asked.hits, (), form), states)
        reads.append(read)
        return ms

    def anew(number: int, read: Callable[[int], float]) -> float:
        engine.forget()
        return read(number)

    apart(0, near)
    ways: dict[str, Callable[[int], float]] = {
        f"{who}one after another, no cache": lambda n: anew(n, sequential),
        f"{how}, no cache": lambda n: anew(n, lambda n: apart(n, None)),
        f"{how}, states in memory": lambda n: apart(n, near),
        f"{how}, states on disk": lambda n: apart(n, far),
    }
    times = _medians(ways, repeats)
    base, cold = times[f"{who}one after another, no cache"], times[f"{how}, no cache"]
    rows: Rows = [(f"first token, {_PASSAGES} passages, {name}: ms", ms, "") for name, ms in times.items()]
    rows.append((f"{who}tokens of these passages", reads[-1].restored, ""))
    for name in (f"{how}, states in memory", f"{how}, states on disk"):
        rows.append((f"{name}: share of one after another", times[name] / base, f"<= {_WANTED}"))
        rows.append((f"{name}: share of {how}, no cache", times[name] / cold, f"<= {_WANTED}"))
    return rows


def _chatting(
    engine: LlamaEngine, hits: Sequence[Hit], turns: Sequence[Turn], near: PassageStates, repeats: int
) -> Rows:
    turn = _made(engine, "And then?", hits, turns)
    before = _made(engine, "And before?", hits, turns[:-1])
    other = _made(engine, "What is it?", hits)
    tokens = engine.count_set(turn)

    def cold() -> float:
        engine.forget()
        return _first(engine, turn, None)[0]

    def plain(warm: bool) -> float:
        """One after another: the passages of a turn are computed with it, the session is not."""
        rows = [
            prompt.build(q, hits, past, engine.context_tokens - 1, engine.count).messages
            for q, past in (("And before?", turns[:-1]), ("And then?", turns))
        ]
        if not warm:
            engine.forget()
        for messages in rows if warm else rows[1:]:
            began = time.perf_counter()
            list(engine.stream(messages, Sampling(max_tokens=1)))
        return (time.perf_counter() - began) * 1000

    def warm(between: int) -> float:
        _first(engine, before, near)
        for _ in range(between):
            _first(engine, other, near)
        return _first(engine, turn, near)[0]

    ways: dict[str, Callable[[int], float]] = {
        "cold": lambda _: cold(),
        "after the last": lambda _: warm(0),
        "after two other questions": lambda _: warm(2),
        "one after another, cold": lambda _: plain(False),
        "one after another, after the last": lambda _: plain(True),
    }
    times = _medians(ways, repeats)
    rows: Rows = [(f"first token, a turn of {tokens:,} tokens, {name}: ms", ms, "") for name, ms in times.items()]
    for name in ("after the last", "after two other questions"):
        rows.append((f"a turn {name}: share of cold", times[name] / times["cold"], f"<= {_WANTED}"))
    name = "one after another, after the last"
    rows.append((f"a turn {name}: share of cold", times[name] / times["one after another, cold"], f"<= {_WANTED}"))
    return rows


def _medians(ways: dict[str, Callable[[int], float]], repeats: int) -> dict[str, float]:
    """Medians; the ways take turns, so that what else the machine does meets them alike."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(1, repeats + 1):
        for name, way in ways.items():
            taken[name].append(way(number))
    return {name: statistics.median(each) for name, each in taken.items()}
