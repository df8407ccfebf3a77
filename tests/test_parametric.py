"""The parametric memory through the facade: what is read, learned, forgotten, and refused."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memapp import consolidate
from memapp.errors import ModelError, StatesMismatch, TrainingFailed, UsageError
from memapp.layers.parametric import keys, training
from memapp.layers.parametric.training import Recipe
from memapp.memory import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine, ScriptedStates
from memapp.settings import Settings
from memapp.store import derived, states
from memapp.types import Progress

SMALL = Recipe(width=16, batch=32, passes=3)
STORY = " ".join(
    f"On day {day} the keeper of lamp {day * 7 % 31} wrote that the {kind} had come back to the western pier."
    for day, kind in enumerate(["heron", "ferry", "storm", "pilot", "seal", "grocer"] * 20)
)
SECRET = "The combination of the iron chest in the lamp room is nineteen forty four seven and nobody else has it."

Open = Callable[..., Memory]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens the same store again and again, each time with models of its own; all are closed at the end."""
    monkeypatch.setattr(training, "Recipe", Recipe)
    monkeypatch.setattr(consolidate, "Recipe", lambda: SMALL)
    memories: list[Memory] = []

    def open_(mode: str = "both", *, model: Any = None, namespace: str = "default", **options: Any) -> Memory:
        engine = model or ScriptedStates(["An answer."] * 9)
        memory = Memory.open(
            tmp_path / "notes.db",
            namespace=namespace,
            settings=Settings(parametric=mode, passage_tokens=40, **options),
            embedder=ScriptedEmbedder(),
            engine=engine,
        )
        memories.append(memory)
        return memory

    yield open_
    for memory in memories:
        memory.close()


def read_passages(memory: Memory) -> int:
    return next(layer.passages for layer in memory.stats().layers if layer.name == "parametric")


def test_what_is_ingested_is_read_whole_and_once(opened: Open) -> None:
    memory = opened()
    memory.add(STORY, id="story")
    held = memory.parametric()
    tokens = ScriptedStates().tokens(STORY)[0]
    assert len(held.keys) == len(tokens)
    assert read_passages(memory) == memory.stats().passages > 3
    asked = memory.engine.read.copy()  # type: ignore[attr-defined]
    memory.add(STORY, id="story")
    memory.add("Another note on something else, short.", id="note")
    assert memory.engine.read == [*asked, len(["Another", "note", "on", "something", "else,", "short."])]  # type: ignore[attr-defined]


def test_a_passage_keeps_the_tokens_that_stand_in_it(opened: Open) -> None:
    memory = opened()
    memory.add("  \n\n" + STORY.replace(". ", ".\n\n"), id="story")
    store = memory._store
    for one in states.everything(store, 16):
        (passage,) = [each for each in memory.passages("story") if each.id == one.passage]
        own = ScriptedStates().tokens(passage.text)[0]
        assert one.tokens[-len(own) :].tolist() == own.tolist() or one.tokens[: len(own)].tolist() == own.tolist()


def test_off_reads_nothing_and_consolidate_reads_it_later(opened: Open) -> None:
    off = opened("off")
    off.add(STORY, id="story")
    assert off.engine.read == []  # type: ignore[attr-defined]
    assert "parametric" not in [layer.name for layer in off.stats().layers]
    read, learned = off.consolidate()
    assert read.read == off.stats().passages
    assert learned is not None
    assert learned.tokens == read.tokens
    assert off.ask("What did the keeper write?").influence is None


def test_reading_that_was_interrupted_goes_on(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consolidate, "_COMMIT_TOKENS", 40)
    memory = opened("off")
    memory.add(STORY, id="story")
    stop = threading.Event()
    first, learned = memory.consolidate(progress=lambda _: stop.set(), cancel=stop)
    assert first.interrupted
    assert learned is None
    assert 0 < first.read < memory.stats().passages
    again = opened("off")
    second, _ = again.consolidate(network=False)
    assert first.read + second.read == again.stats().passages
    whole = opened("off", namespace="whole")
    whole.add(STORY, id="story")
    whole.consolidate(network=False)
    for one, other in zip(states.everything(again._store, 16), states.everything(whole._store, 16), strict=True):
        np.testing.assert_array_equal(one.codes, other.codes)


def test_a_training_that_was_killed_goes_on_from_its_checkpoint(opened: Open) -> None:
    memory = opened("off")
    memory.add(STORY, id="story")
    stop = threading.Event()
    told: list[Progress] = []

    def until_three_checks(progress: Progress) -> None:
        if progress.stage == "steps":
            told.append(progress)
            if len(told) == 3:
                stop.set()

    _, first = memory.consolidate(progress=until_three_checks, cancel=stop)
    assert first is not None
    assert first.interrupted
    again: list[int] = []
    _, second = opened("off").consolidate(progress=lambda p: again.append(p.done) if p.stage == "steps" else None)
    assert second is not None
    assert not second.interrupted
    assert min(again) > told[-1].done
    assert not (memory.parametric().path.with_name(consolidate.CHECKPOINT)).exists()


def test_a_network_of_a_large_corpus_leaves_what_occurs_once_to_the_model(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consolidate, "Recipe", lambda: Recipe(width=16, batch=32, passes=3, large=100))
    memory = opened("mlp")
    memory.add(STORY, id="story")
    _, learned = memory.consolidate()
    network, tokens = memory.parametric().network, ScriptedStates().tokens(STORY)[0]
    assert network is not None
    assert learned is not None
    often, counts = np.unique(tokens, return_counts=True)
    assert network.vocabulary.tolist() == often[counts > 1].tolist()
    assert learned.tokens == counts[counts > 1].sum()
    assert learned.held_out < len(often) / 2


def test_forgetting_removes_the_tokens_and_takes_the_network_out_of_use(opened: Open) -> None:
    memory = opened()
    memory.add(STORY, id="story")
    memory.add(SECRET, id="secret")
    memory.consolidate()
    layer = memory.parametric()
    assert layer.path.exists()
    assert layer.network is not None
    memory.add("A note that came later and that no network knows.", id="later")
    memory.forget("later")
    assert memory.parametric().network is not None
    report = memory.forget("secret", verify=True)
    assert all(check.ok for check in report.checks), report.checks
    assert report.likelihood is not None
    assert report.likelihood.before > report.likelihood.after
    assert layer.network is None
    assert not layer.path.exists()
    assert "forgotten" in layer.network_state
    assert "forgotten" in opened().parametric().network_state
    assert not set(layer.keys.search(np.zeros((1, 16), np.float32), 10_000).passages.ravel()) - {
        passage.id for passage in memory.passages("story")
    }
    memory.consolidate()
    assert memory.parametric().network is not None


def test_a_forget_without_the_model_leaves_a_network_that_knew_nothing_of_it(opened: Open) -> None:
    memory = opened("off")
    memory.add(STORY, id="story")
    memory.consolidate()
    path = memory.parametric().path
    memory.add(SECRET, id="secret")
    memory.close()
    other = opened("off")
    other.forget("secret")
    assert path.exists()
    assert opened().parametric().network is not None
    opened("off").forget("story")
    assert not path.exists()
    assert not path.with_suffix(".json").exists()


def test_many_tokens_are_found_again_without_being_sorted_anew(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "LISTS_FROM", 500)
    monkeypatch.setattr(keys, "_TRAIN_PER_LIST", 8)
    memory = opened()
    memory.add(STORY, id="story")
    memory.add(SECRET, id="secret")
    assert memory.parametric().keys.kind == "ivf"
    states_ = np.random.default_rng(0).standard_normal((20, 16)).astype(np.float32)
    before = memory.parametric().keys.search(states_, 4)
    memory.close()
    monkeypatch.setattr(keys.KeyIndex, "_to_lists", lambda *_: pytest.fail("sorted anew"))
    again = opened()
    np.testing.assert_array_equal(again.parametric().keys.search(states_, 4).tokens, before.tokens)
    assert len(again.parametric().keys) == len(STORY.split()) + len(SECRET.split())
    ids = ScriptedStates().tokens(SECRET)[0].tolist()
    (secret,) = [passage.id for passage in again.passages("secret")][:1]
    assert again.parametric().runs.shared(ids)[secret] == len(ids)
    again.add("One more note that came later.", id="later")
    again.forget("secret")
    assert not set(again.parametric().keys.search(states_, 9999).passages.ravel().tolist()) & {secret}
    assert all(check.ok for check in again.verify())


def test_a_stale_network_stays_for_those_who_want_it(opened: Open) -> None:
    memory = opened(keep_stale=True)
    memory.add(STORY, id="story")
    memory.add(SECRET, id="secret")
    memory.consolidate()
    memory.forget("secret")
    assert memory.parametric().network is not None
    assert "stale" in memory.parametric().network_state
    memory.close()
    kept = opened(keep_stale=True).parametric()
    assert kept.network is not None
    assert kept.stale
    strict = opened().parametric()
    assert strict.network is None


def test_another_process_forgets_too(opened: Open) -> None:
    one, other = opened(), opened()
    one.add(SECRET, id="secret")
    assert len(other.parametric().keys) == len(SECRET.split())
    other.forget("secret")
    assert len(one.parametric().keys) == 0
    assert one.parametric().mixture("knn") is None


def test_namespaces_do_not_meet(opened: Open) -> None:
    mine, yours = opened(namespace="mine"), opened(namespace="yours")
    mine.add(SECRET, id="secret")
    yours.add(STORY, id="story")
    assert len(mine.parametric().keys) == len(SECRET.split())
    ids = ScriptedStates().tokens(SECRET)[0].tolist()
    assert yours.parametric().runs.shared(ids[2:8]).keys().isdisjoint(mine.parametric().runs.shared(ids))


def test_states_of_another_model_are_refused_until_all_is_read_anew(opened: Open) -> None:
    opened().add(STORY, id="story")
    other = opened(model=ScriptedStates(["An answer."], name="quantised otherwise"))
    with pytest.raises(StatesMismatch, match="memapp rebuild parametric"):
        other.ask("What did the keeper write?")
    with pytest.raises(StatesMismatch):
        other.add("More of it.", id="more")
    assert "unusable" in other.stats().layers[-1].kind
    assert [check for check in other.verify() if not check.ok]
    other.rebuild(["parametric"])
    assert read_passages(other) == other.stats().passages
    assert all(check.ok for check in other.verify())


def test_a_forget_works_whatever_model_is_in_use(opened: Open) -> None:
    opened().add(SECRET, id="secret")
    other = opened(model=ScriptedStates(name="another"), keep_stale=True)
    report = other.forget("secret")
    assert report.passages == 1
    assert len(opened().parametric().keys) == 0


def test_a_model_that_shows_no_states_is_refused_with_a_way_out(opened: Open) -> None:
    blind = opened(model=ScriptedEngine(["An answer."]))
    with pytest.raises(ModelError, match="`parametric` to off"):
        blind.add(STORY, id="story")
    off = opened("off", model=ScriptedEngine(["An answer."]))
    assert off.documents()
    assert off.ask("What did the keeper write?").hits


def test_nothing_to_learn_is_told(opened: Open) -> None:
    with pytest.raises(UsageError, match="Ingest something first"):
        opened().consolidate()


def test_a_single_word_repeated(opened: Open) -> None:
    memory = opened()
    memory.add("again " * 400, id="again")
    _, learned = memory.consolidate()
    assert learned is not None
    assert learned.held_out == pytest.approx(1.0)


def test_a_wrong_setting_is_told(opened: Open) -> None:
    with pytest.raises(UsageError, match="off, knn, mlp, both"):
        opened("sometimes").add(STORY)


def test_forgetting_while_the_network_learns_discards_it(opened: Open) -> None:
    memory = opened("off")
    memory.add(STORY, id="story")
    memory.add(SECRET, id="secret")
    other = opened("off")

    def forget_once(progress: Progress) -> None:
        if progress.stage == "steps" and any(info.id == "secret" for info in other.documents()):
            other.forget("secret")

    with pytest.raises(TrainingFailed, match="forgotten"):
        memory.consolidate(progress=forget_once)
    assert memory.parametric().network is None
    assert not memory.parametric().path.exists()


def test_a_full_disk_leaves_the_network_that_was_there(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = opened()
    memory.add(STORY, id="story")
    memory.consolidate()
    before = memory.parametric().path.read_bytes()
    memory.add("One more note to be learned by the network.", id="more")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(derived.os, "fsync", full)
        patched.setattr(consolidate, "_CHECKPOINT_SECONDS", -1.0)
        with pytest.raises(TrainingFailed, match="Free some room"):
            memory.consolidate()
    assert memory.parametric().path.read_bytes() == before
    assert not list(memory.parametric().path.parent.glob("*.part"))
    again = opened().parametric()
    assert again.network is not None
    assert opened().consolidate()[1] is not None


def test_a_loss_that_is_no_number_leaves_the_network_that_was_there(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = opened()
    memory.add(STORY, id="story")
    memory.consolidate()
    before = memory.parametric().path.read_bytes()
    memory.add("One more note to be learned by the network.", id="more")
    monkeypatch.setattr(training.NumpyTrainer, "step", lambda *_: math.nan)
    with pytest.raises(TrainingFailed, match="no number"):
        memory.consolidate()
    assert memory.parametric().network is not None
    assert memory.parametric().path.read_bytes() == before
