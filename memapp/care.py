"""The story of keeping a memory sound: forget, verify, rebuild."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

from memapp.errors import EmbedderMismatch, StatesMismatch
from memapp.protocols import Embedder, Extractor, MemoryLayer
from memapp.search import TURNS, catch_up
from memapp.settings import Settings
from memapp.store import check, content, erase, extractions, kv
from memapp.store.log import Store
from memapp.store.reembed import reembed, unfinished
from memapp.types import Check, ForgetReport, LayerStats, Progress

Layers = Mapping[str, MemoryLayer]

_UNUSABLE = (EmbedderMismatch, StatesMismatch)
"""What a layer raises that another model has made."""
_REMEDIES = {name: f"Run `memapp train {name}`." for name in ("parametric", "amortized")}
_UNSCRUBBED = Check(
    "write-ahead log",
    False,
    "Another process is still reading an older state, so erased text may stand in the write-ahead log.",
    "End that process and run `memapp verify`, which empties the log.",
)


def forget(
    store: Store,
    layers: MutableMapping[str, MemoryLayer],
    settings: Settings,
    keys: Sequence[str],
    proof: Sequence[Path] | None = None,
) -> ForgetReport:
    """Erases documents from the log, from `layers` and from the files; searches the files `proof` for what they said.

    A layer that is not among `layers` has only files, which are removed; it makes itself anew when it is used. The
    others are saved again when the memory is closed.
    """
    before = dict(layers)
    turns = layers[TURNS].stats().passages if TURNS in layers else 0
    gone = store.forget(keys)
    for name, layer in before.items():
        try:
            catch_up(layer, store)
        except _UNUSABLE:
            # Of no use any more; forgetting must not wait for a rebuild.
            del layers[name]
    clean = erase.scrub(store.database, settings.busy_seconds)
    checks = [] if clean else [_UNSCRUBBED]
    if proof is not None:
        checks += verify(store, before, settings)
        checks.append(erase.prove(proof, gone.texts, functools.partial(content.still_said, store)))
    dropped = dict.fromkeys((name for name in settings.layers if name != TURNS), gone.passages)
    if TURNS in layers and (less := turns - layers[TURNS].stats().passages):
        dropped[TURNS] = less
    return ForgetReport(gone.documents, gone.passages, dropped, gone.turns, tuple(checks))


def verify(store: Store, layers: Layers, settings: Settings) -> list[Check]:
    """Checks the file, the log, the documents and every layer against one another."""
    checks = check.verify(store)
    head, passages = store.head(), content.totals(store)[1]
    if settings.extract and "graph" in layers:
        checks.append(_phrases(store, passages))
    if any(erase.files([kv.folder(store.database.derived, store.number())])):
        checks.append(kv.check(store))
    for name, layer in layers.items():
        try:
            catch_up(layer, store)
            stats = layer.stats()
        except _UNUSABLE as error:
            checks.append(Check(f"layer {name}", False, error.message, error.hint))
            continue
        remedy = _REMEDIES.get(name, f"Run `memapp rebuild {name}`.")
        due = content.turns(store) if name == TURNS else passages
        ok = stats.passages == due and stats.cursor >= head
        message = f"{stats.passages} of {due} passages, at change {stats.cursor} of {head}."
        checks.append(Check(f"layer {name}", ok, message, "" if ok else remedy))
    return checks


def _phrases(store: Store, passages: int) -> Check:
    unread = extractions.count_unread(store, extractions.TAGGER)
    message = f"{passages - unread} of {passages} passages were looked at for phrases."
    return Check("phrases", unread == 0, message, "Run `memapp rebuild graph`." if unread else "")


def renew(
    store: Store,
    names: Sequence[str],
    embedder: Embedder,
    extractor: Callable[[], Extractor] | None,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Makes vectors anew when the embedder changed, and finds phrases where nobody looked, or another extractor."""
    if "dense" in names and unfinished(store, embedder.identity):
        reembed(store, embedder, progress)
    if "graph" in names and extractor is not None:
        extractions.renew(store, embedder, extractor(), progress)


def rebuild(layers: Layers, progress: Callable[[Progress], None] | None) -> list[LayerStats]:
    """Drops what these layers derived and makes it anew."""
    built = []
    for done, (name, layer) in enumerate(layers.items()):
        if progress:
            progress(Progress("rebuild", done, len(layers), name))
        layer.rebuild()
        built.append(layer.stats())
    return built


def layer_stats(store: Store, layers: Layers) -> Iterator[LayerStats]:
    """The state of each layer, caught up; of one that cannot be used, why."""
    for name, layer in layers.items():
        try:
            catch_up(layer, store)
            yield layer.stats()
        except _UNUSABLE as error:
            yield LayerStats(name, 0, 0, 0, f"unusable: {error.hint}")
