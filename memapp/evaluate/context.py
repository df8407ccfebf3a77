"""`memapp bench context`: what reading passages apart saves, and what it does to answers."""

from __future__ import annotations

import argparse
from pathlib import Path

from memapp.errors import UsageError
from memapp.evaluate import context_answers, context_times, workspace
from memapp.evaluate.data import load
from memapp.evaluate.qa import sampled
from memapp.evaluate.report import Cell, Report
from memapp.evaluate.split import asking_held_out
from memapp.memory import Memory
from memapp.models import open_engine


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="questions: NAME.json")
    parser.add_argument("--corpus", type=Path, required=True, help="NAME_corpus.json")
    parser.add_argument("--sample", type=int, default=200, help="questions drawn, always the same (200); 0 is none")
    parser.add_argument("--permutations", type=int, default=20, help="orders of the passages of each question (20)")
    parser.add_argument("--rounding", type=int, default=3, help="of these, with states joined in that very order (3)")
    parser.add_argument("--sequential", type=int, default=0, help="of these, also read one after another (0)")
    parser.add_argument("--repeats", type=int, default=5, help="how often each time is taken (5); 0 takes none")
    parser.add_argument("--plain", action="store_true", help="ask the model plainly, not as it was taught to read")
    parser.add_argument("--recoveries", action="store_true", help="also measure what might recover a loss")


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    settings = workspace.settings()
    embedder = workspace.new_embedder(settings)
    engine = open_engine(settings)
    taught = engine.taught is not None and not arguments.plain
    (whole,) = load(arguments.set, arguments.corpus)
    # Of the documents that it learned from, the reader knows more one after another than it can read.
    (collection,) = sampled((asking_held_out(whole) if taught else whole,), arguments.sample)
    if why := engine.reads_apart():
        raise UsageError(f"{engine.identity} cannot be measured: {why}.", "Use another model.")
    rows: list[tuple[Cell, ...]] = []
    with engine, workspace.folder() as place:
        if arguments.repeats:
            workspace.note("Taking times.")
            rows += context_times.measure(engine, embedder, place, whole, arguments.repeats)
        if arguments.sample:
            with Memory.open(place / "memory.db", settings=settings, embedder=embedder, engine=engine) as memory:
                workspace.note(f"Remembering {len(collection.records):,} records.")
                workspace.ingested(memory, collection.records, place)
                rows += context_answers.measure(engine, memory, collection.questions, arguments)
    notes = [
        f"Keys and values in {settings.kv_form}; times are medians of {arguments.repeats}, on warm files. "
        f"A session has {context_times.SESSION:,} tokens, and a turn of it {context_times.TURN} passages."
    ]
    name = f"context: {arguments.set.stem}"
    if arguments.sample:
        how = "as it was taught to read, on documents that it did not learn from" if taught else "plainly"
        name += f", asked {'as it was taught to read' if taught else how}"
        notes.insert(
            0,
            f"The model is asked {how}. {arguments.sample} questions, the gold passage and four others that search "
            f"finds, {arguments.permutations} orders of them; greedy answers of {context_answers.ANSWER} tokens at "
            "most. Log-probabilities are of the first gold answer, in nats a token, teacher-forced after the prompt.",
        )
    return Report(name, ("figure", "value", "wanted"), tuple(rows), {str(row[0]): row[1] for row in rows}, tuple(notes))
