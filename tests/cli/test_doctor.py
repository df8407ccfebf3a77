"""The report on machine, store, models and plugins: it finds faults, and has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from memapp import device, plugins
from memapp.doctor import doctor
from memapp.errors import PluginError
from memapp.memory import Memory
from memapp.protocols import Embedder
from memapp.settings import Settings
from memapp.types import Check


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMAPP_HOME", str(tmp_path / "home"))


def named(checks: list[Check], name: str) -> Check:
    """The check of that name."""
    return next(check for check in checks if check.name == name)


def test_a_machine_without_a_store_is_sound(tmp_path: Path) -> None:
    checks = doctor(str(tmp_path / "none.db"), Settings())
    assert named(checks, "store").ok
    assert "none yet" in named(checks, "store").message
    assert not (tmp_path / "none.db").exists()
    assert not (tmp_path / "home").exists()
    assert {"python", "sqlite", "erasing", "disk of the store", "processor"} <= {check.name for check in checks}
    assert any(check.name.startswith("plugin") for check in checks)


def test_every_failed_check_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign.db").write_bytes(b"no store at all " * 1000)
    monkeypatch.setattr("memapp.doctor.LOW_DISK_BYTES", 10**18)
    failed = [check for check in doctor(str(tmp_path / "foreign.db"), Settings()) if not check.ok]
    assert {"store", "disk of the store", "disk of the models"} <= {check.name for check in failed}
    assert all(check.remedy for check in failed)


@pytest.mark.models
def test_a_sound_store_is_checked_against_the_log(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "notes.db") as memory:
        memory.add("Tides rise at noon.")
    checks = doctor(str(tmp_path / "notes.db"), Settings())
    assert "documents: 1" in named(checks, "store").message
    assert named(checks, "layer dense").ok


def test_a_store_of_another_embedder_is_reported(tmp_path: Path, embedder: Embedder) -> None:
    with Memory.open(tmp_path / "notes.db", embedder=embedder) as memory:
        memory.add("Tides rise at noon.")
    found = [check for check in doctor(str(tmp_path / "notes.db"), Settings()) if not check.ok]
    assert any("scripted" in check.message and check.remedy for check in found)


def test_it_goes_on_when_a_part_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(offloads: bool = False) -> None:
        raise OSError("no such thing")

    monkeypatch.setattr(device, "report", broken)
    checks = doctor(str(tmp_path / "none.db"), Settings())
    assert named(checks, "device") == Check(
        "device", False, "OSError: no such thing", "MEMAPP_DEBUG=1 memapp doctor shows where."
    )
    assert any(check.name.startswith("plugin") for check in checks)


def test_a_broken_plugin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, group: str) -> None:
        raise PluginError("It does not load.", "Upgrade it.")

    described = plugins.Plugin("memapp.readers", "odd", "odd-reader", "1.0")
    monkeypatch.setattr(plugins, "names", lambda group: [described])
    monkeypatch.setattr(plugins, "load", refuse)
    check = named(doctor(str(tmp_path / "none.db"), Settings()), "plugin odd")
    assert not check.ok
    assert "does not load" in check.message
    assert "odd-reader" in check.remedy
