"""The story of facts: passages that the chat model reads one by one, and facts that come from a file.

A passage's facts are committed as soon as they are known, so a run that breaks off loses one passage at most, and the
next run goes on after it. The graph takes them in like all that passages speak of, and forgetting takes them away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from memapp.errors import UsageError
from memapp.extract.openie import Limits, OpenIE
from memapp.extract.triples import Entry, Reasons, read, worded
from memapp.protocols import Engine
from memapp.store import extractions
from memapp.store.extractions import IMPORT, OPENIE
from memapp.store.log import Store
from memapp.types import Extraction, FactsReport, Failure, ImportReport, Passage, Progress

_BATCH = 256
_NO_PASSAGE = "No passage has this text."

Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Budget:
    """When a run ends although passages are left; the passage that it is at is finished."""

    passages: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    """That the model writes."""

    def spent(self, ledger: _Ledger) -> bool:
        """Whether no further passage may be begun."""
        return (
            (self.passages is not None and ledger.tried >= self.passages)
            or (self.seconds is not None and ledger.seconds() >= self.seconds)
            or (self.tokens is not None and ledger.tokens >= self.tokens)
        )


@dataclass
class _Ledger:
    """What a run came to so far."""

    began: float = field(default_factory=time.perf_counter)
    tried: int = 0
    read: int = 0
    facts: int = 0
    tokens: int = 0
    failed: list[Failure] = field(default_factory=list)
    dropped: Reasons = field(default_factory=Reasons)

    def seconds(self) -> float:
        return time.perf_counter() - self.began


def extract(
    store: Store,
    engine: Engine,
    budget: Budget,
    *,
    limits: Limits | None = None,
    progress: Report | None = None,
    cancel: threading.Event | None = None,
) -> FactsReport:
    """Reads passages that the model has not read, by id, until none is left, the budget is spent or `cancel` is set.

    A passage that fails is kept with its reason and tried by later runs, three times in all. Raises UsageError for a
    budget below zero, and ModelError or StoreError when it cannot go on; what was committed before stays.
    """
    if any(part is not None and part < 0 for part in (budget.passages, budget.seconds, budget.tokens)):
        raise UsageError("A budget is below zero.", "Give positive numbers, or none.")
    stop, ledger = cancel or threading.Event(), _Ledger()
    openie = OpenIE(engine, limits)
    total = extractions.count_waiting(store, OPENIE)
    total = total if budget.passages is None else min(total, budget.passages)
    for passage, tries in _waiting(store):
        if stop.is_set() or budget.spent(ledger) or not _read(store, openie, passage, tries, ledger, stop):
            break
        if progress:
            progress(Progress("extract", ledger.tried, total, passage.title))
    return FactsReport(
        ledger.read,
        ledger.facts,
        tuple(ledger.failed),
        extractions.count_waiting(store, OPENIE),
        ledger.seconds(),
        ledger.tokens,
        dict(ledger.dropped),
        stop.is_set(),
    )


def _waiting(store: Store) -> Iterator[tuple[Passage, int]]:
    """Each passage once, those that fail in this run included."""
    after = 0
    while batch := extractions.waiting(store, OPENIE, after, _BATCH):
        yield from batch
        after = batch[-1][0].id


def _read(store: Store, openie: OpenIE, passage: Passage, tries: int, ledger: _Ledger, stop: threading.Event) -> bool:
    """Reads one passage and commits what came of it; False when it was cancelled."""
    taken = openie.read(passage, tries, stop)
    ledger.tokens += taken.tokens
    if taken.extraction is None and not taken.reason:
        return False
    ledger.tried += 1
    if taken.extraction is None:
        extractions.failed(store, passage.id, OPENIE, taken.reason)
        ledger.failed.append(Failure(passage.document, taken.reason))
        return True
    ledger.dropped.update(taken.dropped)
    if extractions.replace(store, {passage.id: taken.extraction}, OPENIE):
        ledger.read += 1
        ledger.facts += len(taken.extraction.facts)
    return True


def take_in(store: Store, path: Path, largest: int, progress: Report | None = None) -> ImportReport:
    """Gives passages the facts that a file has for them; `memapp.extract.triples.read` says in which form.

    An entry belongs to the passages with exactly its text, else to those with its words. What fits no passage is
    reported. Reading the same file again changes nothing. Raises Unreadable, TooLarge or Malformed, as the reader.
    """
    entries: list[Entry] = []
    failed: list[Failure] = []
    for one in read(path, largest):
        (entries if isinstance(one, Entry) else failed).append(one)  # type: ignore[arg-type]
    fits = _fits(entries)
    used: set[str] = set()
    stored = unchanged = facts = 0
    total = extractions.count_unread(store, "")
    for done, batch in _passages(store):
        found = {}
        for passage in batch:
            matching = fits.of(passage)
            used.update(entry.name for entry in matching)
            if matching:
                found[passage.id] = _together(matching)
        known = extractions.of_origin(store, IMPORT, list(found))
        fresh = {id: each for id, each in found.items() if known.get(id) != each}
        if fresh:
            stored += extractions.replace(store, fresh, IMPORT)
        unchanged += len(found) - len(fresh)
        facts += sum(len(each.facts) for each in found.values())
        if progress:
            progress(Progress("import", done, total))
    failed += [Failure(entry.name, _NO_PASSAGE) for entry in entries if entry.name not in used]
    dropped = sum((entry.dropped for entry in entries), Reasons())
    return ImportReport(stored, unchanged, facts, tuple(failed), dict(dropped))


@dataclass(frozen=True, slots=True)
class _Fits:
    """Entries by their texts and by their words."""

    exact: Mapping[str, list[Entry]]
    worded: Mapping[str, list[Entry]]

    def of(self, passage: Passage) -> list[Entry]:
        return self.exact.get(passage.content) or self.worded.get(worded(passage.content), [])


def _fits(entries: Iterable[Entry]) -> _Fits:
    exact: dict[str, list[Entry]] = {}
    words: dict[str, list[Entry]] = {}
    for entry in entries:
        exact.setdefault(entry.content, []).append(entry)
        if key := worded(entry.content):
            words.setdefault(key, []).append(entry)
    return _Fits(exact, words)


def _together(entries: list[Entry]) -> Extraction:
    phrases = dict.fromkeys(phrase for entry in entries for phrase in entry.extraction.phrases)
    facts = dict.fromkeys(fact for entry in entries for fact in entry.extraction.facts)
    return Extraction(tuple(phrases), tuple(facts))


def _passages(store: Store) -> Iterator[tuple[int, list[Passage]]]:
    """All passages in batches, with how many came so far; no origin has the empty name."""
    done = after = 0
    while batch := extractions.unread(store, "", after, _BATCH):
        done += len(batch)
        yield done, batch
        after = batch[-1].id
