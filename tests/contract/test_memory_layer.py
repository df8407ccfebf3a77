"""What every memory layer must do, one body for all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memapp.protocols import MemoryLayer
from memapp.search import catch_up

Ask = Callable[..., list[Any]]
WORDS = ("amber", "basalt", "cedar", "dune", "elm", "fjord")
TEXTS = {
    "a": "amber basalt\ncedar",
    "b": "amber dune",
    "c": "cedar dune elm",
    "d": "basalt fjord",
    "e": "elm fjord amber",
    "f": "dune dune dune",
    "g": "fjord",
    "h": "basalt cedar\nelm basalt",
}


def caught_up(world: Any) -> MemoryLayer:
    layer: MemoryLayer = world.layer()
    catch_up(layer, world.store)
    return layer


def agree(world: Any, layer: MemoryLayer, ask: Ask) -> None:
    """The layer recalls what one that is built now recalls, and only what lives."""
    fresh = world.layer()
    alive = world.ids()
    found = {word: ask(layer, word) for word in WORDS}
    fresh.rebuild()
    for word in WORDS:
        then, now = found[word], ask(fresh, word)
        assert {score.passage for score in then} <= alive
        # A list index rounds against centres that depend on what came first.
        assert {s.passage: pytest.approx(s.value, abs=5e-3) for s in then} == {s.passage: s.value for s in now}
        if "ivf" not in layer.stats().kind:
            assert then == now
    assert layer.stats().passages == len(alive)
    assert layer.cursor == world.store.head()


def test_it_finds_what_was_put(world: Any, ask: Ask) -> None:
    world.put(**TEXTS)
    layer = caught_up(world)
    best = ask(layer, "basalt fjord", 3)
    assert len(best) == 3
    assert best[0].passage == world.store.changes()[3].first
    assert [score.value for score in best] == sorted((score.value for score in best), reverse=True)
    assert layer.stats().passages == len(world.ids()) == 10
    assert layer.stats().bytes > 0


def test_it_is_empty_at_first(world: Any, ask: Ask) -> None:
    layer = caught_up(world)
    assert ask(layer, "amber") == []
    assert layer.cursor == 0
    layer.save()
    assert layer.stats().passages == 0


def test_k_is_a_limit(world: Any, ask: Ask) -> None:
    world.put(**TEXTS)
    layer = caught_up(world)
    everything = ask(layer, "amber dune", 1_000_000)
    for k in (1, 2, len(everything)):
        assert ask(layer, "amber dune", k) == everything[:k]


def test_apply_is_idempotent(world: Any, ask: Ask) -> None:
    world.put(**TEXTS)
    world.forget("b", "h")
    world.put(i="amber elm")
    layer = caught_up(world)
    log = world.store.changes()
    before = [ask(layer, word) for word in WORDS]
    for part in (log, log[:3], log[-1:], []):
        layer.apply(part)
        assert layer.cursor == world.store.head()
        assert [ask(layer, word) for word in WORDS] == before
    agree(world, layer, ask)


def test_changes_in_any_portions_give_the_same(world: Any, ask: Ask) -> None:
    world.put(**TEXTS)
    layer = world.layer()
    world.forget("a")
    world.put(a="elm")
    world.forget("a", "c")
    for change in world.store.changes():
        layer.apply([change])
    agree(world, layer, ask)


Step = tuple[str, list[tuple[str, list[str]]]]
keys = st.sampled_from("abcdefghijkl")
lines = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join), min_size=1, max_size=2)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.dictionaries(keys, lines.map("\n".join), min_size=1, max_size=6)),
        st.tuples(st.just("forget"), st.lists(keys, min_size=1, max_size=8)),
        st.tuples(st.sampled_from(["catch up", "save", "reopen"]), st.none()),
    ),
    max_size=10,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_any_history_gives_what_a_fresh_build_gives(worlds: Any, ask: Ask, steps: list[tuple[str, Any]]) -> None:
    world = worlds()
    layer = world.layer()
    for step, what in steps:
        if step == "put":
            world.put(**what)
        elif step == "forget":
            world.forget(*what)
        elif step == "reopen":
            layer = world.layer()
        else:
            catch_up(layer, world.store)
            if step == "save":
                layer.save()
    catch_up(layer, world.store)
    agree(world, layer, ask)
    world.close()


def test_a_layer_killed_before_it_saved_catches_up(world: Any, ask: Ask) -> None:
    world.put(**TEXTS)
    saved = caught_up(world)
    saved.save()
    world.put(i="amber elm", j="dune")
    world.forget("j")
    catch_up(saved, world.store)
    agree(world, caught_up(world), ask)


def test_what_was_saved_before_a_forget_does_not_bring_it_back(world: Any, ask: Ask) -> None:
    world.put(**TEXTS)
    caught_up(world).save()
    gone = world.ids()
    world.forget("a", "b", "e")
    gone -= world.ids()
    layer = caught_up(world)
    assert not gone & {score.passage for word in WORDS for score in ask(layer, word)}
    agree(world, layer, ask)


def test_changes_of_another_process_are_seen(world: Any, ask: Ask) -> None:
    other = world.beside()
    layer, elsewhere = caught_up(world), caught_up(other)
    world.put(**TEXTS)
    catch_up(elsewhere, other.store)
    assert ask(elsewhere, "amber")
    other.forget("a", "b", "c")
    other.put(i="amber")
    catch_up(layer, world.store)
    agree(world, layer, ask)


def test_namespaces_never_mix(world: Any, ask: Ask) -> None:
    other = world.beside("other")
    world.put(**TEXTS)
    other.put(**TEXTS)
    world.put(z="amber elm fjord")
    here, there = caught_up(world), caught_up(other)
    here.save()
    there.save()
    assert not world.ids() & other.ids()
    for layer, home in ((here, world), (there, other), (caught_up(world), world), (caught_up(other), other)):
        assert {score.passage for word in WORDS for score in ask(layer, word)} <= home.ids()
        agree(home, layer, ask)
    world.forget(*TEXTS)
    catch_up(here, world.store)
    catch_up(there, other.store)
    agree(world, here, ask)
    agree(other, there, ask)
    assert len(ask(there, "amber")) >= 3


def test_a_backup_put_back_beside_newer_files(world: Any, ask: Ask, tmp_path: Path) -> None:
    world.put(**{key: TEXTS[key] for key in "abc"})
    world.close()
    shutil.copy(world.path, tmp_path / "backup")
    world.put(**{key: TEXTS[key] for key in "defgh"})
    caught_up(world).save()
    world.close()
    shutil.copy(tmp_path / "backup", world.path)
    restored = world.beside()
    agree(restored, caught_up(restored), ask)
    restored.put(d="fjord", e="cedar elm", f="amber", g="dune", h="elm\nelm elm")
    agree(restored, caught_up(restored), ask)


def _damages(files: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Ways in which saved files may have come to be others."""
    last = {name: data[:-1] + bytes([data[-1] ^ 1]) for name, data in files.items()}
    return {
        "cut": {name: data[: len(data) // 2] for name, data in files.items()},
        "empty": dict.fromkeys(files, b""),
        "flipped": last,
        "no object": dict.fromkeys(files, b"1"),
        "text": dict.fromkeys(files, b'"x"'),
    }


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "no object", "text", "gone"])
def test_a_damaged_file_is_made_anew(world: Any, ask: Ask, damage: str) -> None:
    world.put(**TEXTS)
    caught_up(world).save()
    files = _saved(world)
    for name, data in files.items():
        for other, content in files.items():
            (folder_of(world) / other).write_bytes(content)
        path = folder_of(world) / name
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(_damages({name: data})[damage][name])
        layer = caught_up(world)
        agree(world, layer, ask)
        layer.save()


def test_the_files_of_another_namespace_or_an_earlier_time_are_not_taken(world: Any, ask: Ask) -> None:
    other = world.beside("other")
    world.put(**TEXTS)
    other.put(x="amber", y="cedar elm", z="dune")
    caught_up(world).save()
    caught_up(other).save()
    early, foreign = _saved(world), _saved(other)
    world.put(i="amber", j="fjord\nelm")
    world.forget("a")
    late = caught_up(world)
    late.save()
    mixed = {name: (early if name.endswith(".json") else _saved(world) or early)[name] for name in early}
    for files in (early, foreign, mixed):
        for name, data in files.items():
            (folder_of(world) / name).write_bytes(data)
        agree(world, caught_up(world), ask)


def test_a_stamp_that_was_changed_is_not_believed(world: Any, ask: Ask) -> None:
    world.put(**TEXTS)
    caught_up(world).save()
    for name, data in _saved(world).items():
        if name.endswith(".json"):
            stamp = {**json.loads(data), "position": str(world.store.head())}
            (folder_of(world) / name).write_text(json.dumps(stamp))
    layer = caught_up(world)
    world.put(i="amber")
    catch_up(layer, world.store)
    agree(world, layer, ask)


def folder_of(world: Any) -> Path:
    path: Path = world.path
    return path.with_name(path.name + ".layers") / str(world.store.number())


def _saved(world: Any) -> dict[str, bytes]:
    """Files that the layer keeps, by name; none for a layer that lives in the store."""
    folder = folder_of(world)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}
