"""`memapp bench amortized`: what soft tokens of passages do to answers, on documents that their encoder never saw."""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from memapp.errors import UsageError
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import Collection, Question, Record, load
from memapp.evaluate.report import Cell, Report
from memapp.evaluate.soft_prompt import Frame, Part, TaughtFrame, frame
from memapp.evaluate.split import held_out
from memapp.layers.amortized.encoder import SHIPPED, SoftEncoder
from memapp.layers.amortized.levels import by_levels
from memapp.layers.amortized.pooling import read_weights
from memapp.memory import Memory
from memapp.models.harmless import harmless
from memapp.models.native import Context, Model, Options
from memapp.models.opening import READER
from memapp.models.soft import forced
from memapp.models.template import Template
from memapp.protocols import Embedder
from memapp.settings import shipped
from memapp.store.bank import Bank, Entry, Form
from memapp.types import Hit, Vectors

_SIDES = (
    ("own", "wrong"),
    ("among", "others"),
    ("by levels", "others by levels"),
    ("by levels", "among"),
    ("BM25 + bank", "BM25"),
    ("BM25 + bank", "BM25 + wrong"),
)
"""What is compared with what: the right passage's soft tokens with a control that differs in them alone."""

_BY_LEVELS = "By levels: of the {} most like the question, the nearest whole, the others by their outlines. "


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--sample", type=int, default=100, help="held-out questions drawn, always the same (100)")
    parser.add_argument("--soft-tokens", type=int, default=48, help="soft tokens of a passage (48)")
    parser.add_argument("--others", type=int, default=100, help="passages in the bank beside the right one (100)")
    parser.add_argument("-k", type=int, default=3, help="entries that a question takes from the bank (3)")
    parser.add_argument("--levels", type=int, default=0, help="also read so many entries by levels (0)")
    parser.add_argument("--entries", type=int, default=0, help="also time a bank of so many made-up entries")
    missed = "of the questions, only those whose right passage is not BM25's best: there the bank has something to add"
    parser.add_argument("--missed", action="store_true", help=missed)
    parser.add_argument("--taught", action="store_true", help="ask the default model as it was taught to read")
    parser.add_argument("--weights", type=Path, help="amortizer.safetensors (the one that memapp ships)")


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the measuring works with."""

    context: Context
    frame: Frame | TaughtFrame
    encoder: SoftEncoder
    bank: Bank
    embedder: Embedder
    memory: Memory


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError, ReadError and ModelError leaves."""
    (whole,) = load(arguments.set, arguments.corpus)
    collection = _held(whole, arguments.sample)
    values: dict[str, list[float]] = {}
    ranks: list[bool] = []
    with _opened(collection, arguments) as parts:
        vectors = parts.embedder.embed([_text(record) for record in collection.records])
        questions = [one for one in collection.questions if not arguments.missed or _missed(one, parts.memory)]
        if not questions:
            raise UsageError("BM25 misses none of these questions.", "Draw more, or measure without --missed.")
        workspace.note(f"Asking {len(questions)} questions.")
        chance = random.Random(0)
        for question in questions:
            chosen = _chosen(question, collection, vectors, parts, arguments, chance)
            ranks.append(chosen["own"][0] in chosen["among"])
            for name, prompt in _prompts(question, collection, chosen, vectors, parts, arguments.soft_tokens):
                answer = parts.frame.answer(question.answers[0])
                values.setdefault(name, []).append(forced(parts.context, prompt, answer))
        entry = parts.bank.form.entry_bytes
    notes = _timed(arguments, entry) if arguments.entries else ()
    return _report(arguments, values, statistics.fmean(ranks), notes)


def _held(whole: Collection, sample: int) -> Collection:
    records = tuple(record for record in whole.records if held_out(record.title))
    known = {record.id for record in records}
    questions = [each for each in whole.questions if each.answers and each.gold.keys() <= known]
    if not questions:
        raise UsageError("No document of this set is held out.", "Measure on a set with more documents.")
    if 0 < sample < len(questions):
        questions = random.Random(0).sample(questions, sample)
    return Collection(whole.name, records, tuple(questions))


@contextmanager
def _opened(collection: Collection, arguments: argparse.Namespace) -> Iterator[_Parts]:
    from memapp.models.catalog import Catalog
    from memapp.models.opening import placed

    settings, catalog = workspace.settings(), Catalog()
    embedder = workspace.new_embedder(settings)
    weights = read_weights(arguments.weights or shipped(SHIPPED))
    path, options = placed(catalog.resolve(settings.model), Options(), settings.gpu_layers, catalog.prepared_directory)
    with ExitStack() as stack:
        place = stack.enter_context(workspace.folder())
        ((_, memory),) = stack.enter_context(workspace.remembered([collection], embedder))
        model = stack.enter_context(closing(Model(path, options)))
        context = stack.enter_context(closing(model.context(replace(options, context_tokens=2048))))
        encoder = stack.enter_context(closing(SoftEncoder(lambda: (path, options), weights, place)))
        form = Form(weights.sha256, arguments.soft_tokens, model.dimension)
        bank = Bank(place / "bank", form, partial(_keys, collection, embedder))
        around: Frame | TaughtFrame = frame(model)
        if arguments.taught:
            around = TaughtFrame(model, Template(model))
            context.adapt(model.adapter(shipped(READER)))
        yield _Parts(context, around, encoder, bank, embedder, memory)


def _missed(question: Question, memory: Memory) -> bool:
    return all(hit.passage.document not in question.gold for hit in _best_by_words(question, memory))


def _best_by_words(question: Question, memory: Memory) -> list[Hit]:
    return memory.recall(question.text, 1, layers=("lexical",))


def _keys(collection: Collection, embedder: Embedder, rows: Sequence[int]) -> Vectors:
    return embedder.embed([_text(collection.records[row]) for row in rows])


def _text(record: Record) -> str:
    return f"{record.title.replace('_', ' ')}\n{record.text}"


def _chosen(
    question: Question,
    collection: Collection,
    vectors: Vectors,
    parts: _Parts,
    arguments: argparse.Namespace,
    chance: random.Random,
) -> dict[str, list[int]]:
    """By name, the rows of the records that are read, the most similar last, next to the question."""
    rows = {record.id: row for row, record in enumerate(collection.records)}
    own = rows[next(iter(question.gold))]
    pool = [row for row in range(len(collection.records)) if row != own]
    others = chance.sample(pool, min(arguments.others, len(pool)))
    (asked,) = parts.embedder.embed([question.text])
    ranked = sorted([own, *others], key=lambda row: -float(vectors[row] @ asked))
    without = [row for row in ranked if row != own]
    text = [rows[hit.passage.document] for hit in _best_by_words(question, parts.memory)]
    bank = [row for row in np.argsort(-(vectors @ asked), kind="stable").tolist() if row not in text]
    return {
        "own": [own],
        "wrong": [chance.choice(pool)],
        "among": ranked[: arguments.k][::-1],
        "others": without[: arguments.k][::-1],
        "by levels": ranked[: arguments.levels][::-1],
        "others by levels": without[: arguments.levels][::-1],
        "text": text,
        "bank": bank[: arguments.k][::-1],
        "stray": chance.sample(pool, min(arguments.k, len(pool))),
    }


def _prompts(
    question: Question,
    collection: Collection,
    chosen: dict[str, list[int]],
    vectors: Vectors,
    parts: _Parts,
    count: int,
) -> Iterator[tuple[str, list[Part]]]:
    def soft(rows: Sequence[int]) -> list[Vectors]:
        for row in rows:
            if row not in parts.bank:
                (entry,) = parts.encoder.encode([_text(collection.records[row])], count)
                parts.bank.put([Entry(row, entry)])
        return parts.bank.get(rows)

    def read(rows: Sequence[int]) -> list[str]:
        return [harmless(_text(collection.records[row])) for row in rows]

    prompt = parts.frame.prompt
    yield "nothing", prompt([], question.text)
    yield "reading", prompt(read(chosen["own"]), question.text)
    for name in ("own", "wrong", "among", "others"):
        yield name, prompt(soft(chosen[name]), question.text)
    for name in ("by levels", "others by levels"):
        if chosen[name]:
            yield name, prompt(by_levels(soft(chosen[name][::-1]))[::-1], question.text)
    yield "BM25", prompt(read(chosen["text"]), question.text)
    yield "BM25 + bank", prompt([*soft(chosen["bank"]), *read(chosen["text"])], question.text)
    yield "BM25 + wrong", prompt([*soft(chosen["stray"]), *read(chosen["text"])], question.text)


def _timed(arguments: argparse.Namespace, entry: int) -> tuple[str, ...]:
    """How long a question takes to pick its entries from a large bank and to read them."""
    chance = np.random.default_rng(0)
    with workspace.folder() as place:
        form = Form("made up", arguments.soft_tokens, 576)
        workspace.note(f"Filling a bank with {arguments.entries:,} entries.")
        soft = chance.normal(size=(form.tokens, form.width)).astype(np.float32)
        keys = chance.normal(size=(arguments.entries, 384)).astype(np.float32)
        keys /= np.linalg.norm(keys, axis=1, keepdims=True)
        bank = Bank(place, form, lambda rows: keys[rows])
        bank.put(Entry(row, soft) for row in range(arguments.entries))
        bank.nearest(keys[0], 20)

        def recalled(key: Vectors) -> None:
            bank.get([passage for passage, _ in bank.nearest(key, 20)])

        times = [_milliseconds(partial(recalled, key)) for key in keys[:50]]
        forgot = [_milliseconds(partial(bank.forget, [row])) for row in range(50)]
    return (
        f"A bank of {arguments.entries:,} entries of {entry:,} bytes: the 20 that are most like a question are found "
        f"and read in {statistics.median(times):.1f} ms (median of 50), one is forgotten in "
        f"{statistics.median(forgot):.2f} ms.",
    )


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def _cells(compared: Sequence[str], gains: Sequence[metrics.Interval], whole: float) -> tuple[Cell, ...]:
    if not compared:
        return "", "", ""
    (gain,) = gains
    return compared[0], f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]", f"{gain.mean / whole:.1%}"


def _report(
    arguments: argparse.Namespace, values: dict[str, list[float]], found: float, notes: tuple[str, ...]
) -> Report:
    mean = {name: statistics.fmean(each) for name, each in values.items()}
    whole = mean["reading"] - mean["nothing"]
    rows: list[tuple[Cell, ...]] = []
    for name, each in values.items():
        compared = [other for one, other in _SIDES if one == name]
        gains = [metrics.interval(each, values[other]) for other in compared]
        rows.append((name, mean[name], *_cells(compared[:1], gains[:1], whole)))
        rows += [("", "", *_cells([other], [gain], whole)) for other, gain in zip(compared[1:], gains[1:], strict=True)]
    columns = ("read before the question", "log-probability", "control", "gain [95 %]", "of reading's gain")
    return Report(
        f"soft tokens of passages: {arguments.set.stem}, {arguments.soft_tokens} a passage"
        + (", taught to read" if arguments.taught else "")
        + (", what BM25 misses" if arguments.missed else ""),
        columns,
        tuple(rows),
        {"log-probability": mean, "found among": found},
        (
            f"{len(values['nothing'])} questions on held-out documents"
            + (f", of {arguments.sample or 'all'}, whose right passage is not BM25's best" if arguments.missed else "")
            + ". Log-probability of the gold answer, in nats "
            "a token, teacher-forced. own, wrong: soft tokens of the passage that answers, of another one. among, "
            f"others: of the {arguments.k} that are most like the question, of {arguments.others} passages with and "
            f"without the right one, which is among the {arguments.k} in {found:.0%}. "
            + (_BY_LEVELS.format(arguments.levels) if arguments.levels else "")
            + "BM25: its best passage as text; "
            f"+ bank: with the {arguments.k} next by similarity, of all, as soft tokens before it; "
            f"+ wrong: with those of {arguments.k} passages drawn by chance.",
            *notes,
        ),
    )
