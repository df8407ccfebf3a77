"""`memapp bench chat`: what is found of long conversations, and what each ingredient of the episodic layer brings.

The data set is LoCoMo (Maharana et al., 2024): questions on conversations of many sessions, each with the turns that it
rests on. Category 5 asks for what was never said, so nothing is to be found and the answer is to be withheld.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from memapp.answer import cite, kind
from memapp.errors import Malformed
from memapp.evaluate import metrics, workspace
from memapp.evaluate.data import UNANSWERABLE, reading
from memapp.evaluate.report import Cell, Report
from memapp.layers.episodic.layer import EpisodicLayer, Shares
from memapp.memory import Memory
from memapp.protocols import Embedder
from memapp.search import TURNS, catch_up
from memapp.types import Query, Vectors

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open", 4: "single-hop"}
_SEVERAL = "several asked for"
DEPTHS = (5, 10, 20)
ALL = "all layers"
WITHOUT: Mapping[str, Mapping[str, Any]] = {
    "words": {"words": 0.0},
    "the question before": {"answers": 0.0},
    "neighbours": {"neighbours": 0.0},
    "session": {"session": 0.0},
    "named speaker": {"speaker": 0.0},
    "malus for asking": {"asks": 0.0},
    "time": {"time": 0.0},
    "leaving names out": {"nameless": False},
}
"""Ingredients, and the shares without each."""
_FACTORS = (0.5, 2.0)
"""Of each share, for the choice by the other conversations."""

Rank = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on a conversation."""

    text: str
    answer: str
    category: int
    gold: Mapping[str, int]
    """Turns that it rests on."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation of a data set as it is ingested, and what is asked about it."""

    name: str
    file: Mapping[str, Any]
    turns: tuple[tuple[str, ...], ...]
    """Ids of the turns of each session."""
    questions: tuple[Asked, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--set", type=Path, required=True, help="conversations in LoCoMo's form")
    parser.add_argument("--limit", type=int, help="recall of the first questions of each conversation; 0 of none")
    parser.add_argument("--held-out", action="store_true", help="also choose shares with each left out")
    parser.add_argument(
        "--sample",
        type=int,
        default=0,
        help="also answer so many questions, and half as many on what was never said (0)",
    )


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises UsageError and ReadError leaves for a bad data set."""
    conversations = load(arguments.set)
    embedder = _Remembering(workspace.new_embedder(workspace.settings()))
    found: dict[str, list[tuple[int, str, dict[int, float]]]] = {}
    answers: list[tuple[Asked, str, bool, float]] = []
    with _remembered(conversations, embedder) as memories:
        for conversation, memory in memories:
            questions = [one for one in conversation.questions if one.gold and one.category != UNANSWERABLE]
            questions = questions[: arguments.limit]
            workspace.note(f"Asking {len(questions):,} questions of {conversation.name}.")
            ranks = _rankings(conversation, memory, embedder, arguments.held_out) if questions else {}
            for name, rank in ranks.items():
                for one in questions:
                    ranked = rank(one.text)
                    values = {depth: metrics.recall(ranked, one.gold, depth) for depth in DEPTHS}
                    found.setdefault(name, []).append((one.category, conversation.name, values))
            if arguments.sample:
                answers += _answered(memory, _drawn(conversation, -(-arguments.sample // len(conversations))))
    return _report(arguments.set.stem, found, answers)


def load(path: Path) -> tuple[Conversation, ...]:
    """The conversations of a file in LoCoMo's form. Raises UsageError and ReadError leaves."""
    found = reading(path, lambda path: tuple(_conversation(one) for one in json.loads(path.read_text("utf-8"))))
    if not found:
        raise Malformed(f"{path} holds no conversation.", "Name a file in LoCoMo's form.")
    return found


def _conversation(value: Mapping[str, Any]) -> Conversation:
    turns = tuple(tuple(str(turn["id"]) for turn in session["turns"]) for session in value["sessions"])
    known = {turn for session in turns for turn in session}
    questions = tuple(
        Asked(
            one["question"],
            str(one.get("answer", "")),
            int(one["category"]),
            {turn: 1 for turn in one["evidence"] if turn in known},
        )
        for one in value["questions"]
    )
    return Conversation(str(value["id"]), {"title": value["id"], "sessions": value["sessions"]}, turns, questions)


@contextmanager
def _remembered(
    conversations: Sequence[Conversation], embedder: Embedder
) -> Iterator[list[tuple[Conversation, Memory]]]:
    """Each conversation, read as a chat export, in a namespace of its own of one temporary store."""
    with workspace.folder() as place:
        opened: list[tuple[Conversation, Memory]] = []
        try:
            for number, conversation in enumerate(conversations):
                count = sum(map(len, conversation.turns))
                workspace.note(f"Remembering {count:,} turns of {conversation.name}.")
                file = place / f"{number}.json"
                file.write_text(json.dumps(conversation.file), encoding="utf-8")
                memory = Memory.open(
                    place / "memory.db",
                    namespace=f"chat-{number}",
                    settings=workspace.settings(),
                    embedder=embedder,
                )
                opened.append((conversation, memory))
                memory.ingest([file], format="chat")
            yield opened
        finally:
            for _, memory in opened:
                memory.close()


def turns_by_passage(conversation: Conversation, memory: Memory) -> dict[int, str]:
    """The turn that each passage is, or is a part of."""
    known: dict[int, str] = {}
    for info, ids in zip(memory.documents(), conversation.turns, strict=True):
        starts = np.array([section.start for section in memory.document(info.id).sections])
        for passage in memory.passages(info.id):
            known[passage.id] = ids[int(np.searchsorted(starts, passage.start, "right")) - 1]
    return known


def _rankings(conversation: Conversation, memory: Memory, embedder: Embedder, held_out: bool) -> dict[str, Rank]:
    """Names of what is compared, and how each ranks a conversation's turns for a question."""
    known = turns_by_passage(conversation, memory)

    def of(passages: Sequence[int]) -> list[str]:
        return list(dict.fromkeys(known[passage] for passage in passages))

    def searched(layers: Sequence[str] | None) -> Rank:
        return lambda text: of([hit.passage.id for hit in memory.recall(text, 2 * max(DEPTHS), layers=layers)])

    def layered(shares: Shares) -> Rank:
        recall = memory.recall_with()
        layer = EpisodicLayer(recall.store, embedder.identity.dimension, embedder.embed, shares)
        catch_up(layer, recall.store)
        return lambda text: of(
            [one.passage for one in layer.recall(Query(text, embedder.embed([text])[0]), 2 * max(DEPTHS))]
        )

    others = [layer for layer in memory.settings.layers if layer != TURNS]
    rankings = {"dense": searched(["dense"]), "dense + lexical": searched(["dense", "lexical"])}
    rankings |= {"without episodic": searched(others), ALL: searched(None)}
    rankings |= {f"episodic without {name}": layered(replace(Shares(), **change)) for name, change in WITHOUT.items()}
    return rankings | ({name: layered(shares) for name, shares in _near().items()} if held_out else {})


def _near() -> dict[str, Shares]:
    """Shares that differ from the shipped ones in one."""
    shipped = Shares()
    numbers = [one.name for one in fields(Shares) if one.name != "nameless"]
    changed = {
        f"{name} x {factor}": replace(shipped, **{name: getattr(shipped, name) * factor})
        for name in numbers
        for factor in _FACTORS
    }
    return {f"{_CHOICE}shipped": shipped, **{f"{_CHOICE}{name}": shares for name, shares in changed.items()}}


_CHOICE = "choice: "


class _Remembering:
    """An embedder that is asked once for each text."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.known: dict[str, Vectors] = {}
        self.identity = embedder.identity
        self.encode = embedder.encode
        self.count = embedder.count
        self.prepare = embedder.prepare

    def embed(self, texts: Sequence[str]) -> Vectors:
        """As the embedder does."""
        missing = [text for text in dict.fromkeys(texts) if text not in self.known]
        if missing:
            self.known.update(zip(missing, self._embedder.embed(missing), strict=True))
        return np.stack([self.known[text] for text in texts])


def _drawn(conversation: Conversation, share: int) -> list[Asked]:
    """So many questions, and half as many on what was never said; always the same ones."""
    chance = random.Random(0)
    known = [one for one in conversation.questions if one.category != UNANSWERABLE]
    never = [one for one in conversation.questions if one.category == UNANSWERABLE]
    parts = ((known, share), (never, share // 2))
    return [one for every, count in parts for one in chance.sample(every, min(count, len(every)))]


def _answered(memory: Memory, questions: Sequence[Asked]) -> list[tuple[Asked, str, bool, float]]:
    """Each question with what memapp says, whether it abstains, and how sure it is."""
    answers = [memory.ask(one.text) for one in questions]
    return [(one, cite.unmarked(a.text), a.abstained, a.confidence) for one, a in zip(questions, answers, strict=True)]


def _report(
    name: str,
    found: Mapping[str, Sequence[tuple[int, str, dict[int, float]]]],
    answers: Sequence[tuple[Asked, str, bool, float]],
) -> Report:
    rows: list[tuple[str | float, ...]] = []
    figures: dict[str, Any] = {}
    shown = {name: values for name, values in found.items() if not name.startswith(_CHOICE)}
    if len(shown) < len(found):
        shown["episodic, shares chosen on the others"] = _left_out(found)
    for what, values in shown.items():
        figures[what] = {depth: _mean([one[depth] for _, _, one in values]) for depth in DEPTHS}
        of = {
            category: {d: _mean([one[d] for which, _, one in values if which == category]) for d in DEPTHS}
            for category in CATEGORIES
        }
        figures[what]["categories"] = {CATEGORIES[category]: each for category, each in of.items()}
        figures[what]["conversations"] = {
            each: {d: _mean([one[d] for _, where, one in values if where == each]) for d in DEPTHS}
            for each in dict.fromkeys(where for _, where, _ in values)
        }
        cells = (" ".join(f"{of[category][depth]:.3f}" for depth in DEPTHS) for category in CATEGORIES)
        rows.append((what, *(figures[what][depth] for depth in DEPTHS), *cells))
    if ALL in found and "without episodic" in found:
        for depth in DEPTHS:
            ours, theirs = ([one[depth] for _, _, one in found[which]] for which in (ALL, "without episodic"))
            figures[f"gain@{depth}"] = asdict(metrics.interval(ours, theirs))
    notes: list[str] = []
    if found:
        count = len(next(iter(found.values())))
        notes.append(
            f"{count:,} questions; a category's three figures are recall@5, @10 and @20; the unit is the turn, and the "
            "mean is over questions."
        )
    if answers:
        told, figures["answers"] = _judged(answers)
        notes += told
    if not found:
        return Report(
            f"chat: {name}, answers", ("category", "questions", "F1"), _by_category(figures), figures, tuple(notes)
        )
    columns = ("recall", *(f"recall@{depth}" for depth in DEPTHS), *CATEGORIES.values())
    return Report(f"chat: {name}", columns, tuple(rows), figures, tuple(notes))


def _by_category(figures: Mapping[str, Any]) -> tuple[tuple[Cell, ...], ...]:
    answers = figures.get("answers", {})
    names = (name for name in (*CATEGORIES.values(), _SEVERAL) if name in answers)
    return tuple((name, answers[name]["questions"], answers[name]["F1"]) for name in names)


def _left_out(
    found: Mapping[str, Sequence[tuple[int, str, dict[int, float]]]],
) -> list[tuple[int, str, dict[int, float]]]:
    """For each conversation the ranking that is best on the others, by recall@5 and @10 together."""
    choices = {name: values for name, values in found.items() if name.startswith(_CHOICE)}
    chosen: list[tuple[int, str, dict[int, float]]] = []
    for left in dict.fromkeys(where for _, where, _ in next(iter(choices.values()))):
        best = max(
            choices.values(),
            key=lambda values: _mean([one[5] + one[10] for _, where, one in values if where != left]),
        )
        chosen += [one for one in best if one[1] == left]
    return chosen


def _judged(answers: Sequence[tuple[Asked, str, bool, float]]) -> tuple[list[str], dict[str, Any]]:
    """F1 of the answerable questions by category, and what is withheld of each kind."""
    notes: list[str] = []
    figures: dict[str, Any] = {}
    known_f1 = [
        (one, metrics.f1("" if abstained else text, [one.answer]))
        for one, text, abstained, _ in answers
        if one.category != UNANSWERABLE
    ]
    kinds = {name: [f1 for one, f1 in known_f1 if one.category == category] for category, name in CATEGORIES.items()}
    kinds[_SEVERAL] = [f1 for one, f1 in known_f1 if kind.several(one.text)]
    for name, values in kinds.items():
        if values:
            figures[name] = {"questions": len(values), "F1": _mean(values)}
    known = [(abstained, sure) for one, _, abstained, sure in answers if one.category != UNANSWERABLE]
    unknown = [(abstained, sure) for one, _, abstained, sure in answers if one.category == UNANSWERABLE]
    figures["withheld"] = _mean([float(abstained) for abstained, _ in known])
    figures["withheld, never said"] = _mean([float(abstained) for abstained, _ in unknown])
    sure, unsure = [a for _, a in known], [b for _, b in unknown]
    figures["AUROC of confidence"] = metrics.auroc(sure, unsure) if sure and unsure else 0.0
    f1 = ", ".join(f"{name} {figures[name]['F1']:.3f}" for name in CATEGORIES.values() if name in figures)
    notes.append(
        f"Answers to {len(answers):,} questions: F1 {f1}; withheld {figures['withheld']:.3f} of those that can be "
        f"answered and {figures['withheld, never said']:.3f} of those on what was never said; confidence tells the two "
        f"apart with AUROC {figures['AUROC of confidence']:.3f}."
    )
    return notes, figures


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
