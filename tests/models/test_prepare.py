"""Bringing the bundled model into another form."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from memapp import device
from memapp.errors import ModelDamaged, ModelError
from memapp.models import prepare as module
from memapp.models import probe
from memapp.models.catalog import BUNDLED_SHA256
from memapp.models.files import stamp
from memapp.models.measure import Speed
from memapp.models.native import Options
from memapp.models.prepare import SHIPPED, choose, find, prepare, quantize
from memapp.types import Progress

OPTIONS = Options(threads=2)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One form, a short text, no child process."""
    monkeypatch.setattr(module, "FORMS", ("q8_0",))
    monkeypatch.setattr(module, "TEXT", module.TEXT[:600])
    monkeypatch.setattr(module, "PROMPT", 32)
    monkeypatch.setattr(module, "ANSWER", 2)
    monkeypatch.setattr(module, "REPEATS", 1)
    monkeypatch.setattr(module, "repacking", lambda source, directory: probe.Repacking(False, "test"))


def test_takes_the_soonest_form_that_loses_little() -> None:
    fast = {SHIPPED: Speed(100, 50), "a": Speed(400, 50), "b": Speed(300, 50), "c": Speed(50, 50)}
    asked: list[str] = []

    def losing(**losses: float) -> tuple[str, str]:
        asked.clear()
        return choose(fast, lambda form: asked.append(form) or losses[form])  # type: ignore[func-returns-value]

    form, reason = losing(a=0.002)
    assert form == "a"
    assert "+0.20 %" in reason
    assert asked == ["a"]
    assert losing(a=0.006, b=-0.004)[0] == "b"
    assert losing(a=-0.006, b=0.004)[0] == "b"
    assert losing(a=0.1, b=0.1) == (SHIPPED, "no other form answers sooner here")
    assert asked == ["a", "b"]


@pytest.mark.models
@pytest.mark.usefixtures("quick")
def test_prepares_once_and_remembers(bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []
    monkeypatch.setattr(module, "choose", lambda fast, loss: ("q8_0", f"loses {loss('q8_0'):.3f}"))
    made = prepare(bundled, BUNDLED_SHA256, tmp_path, OPTIONS, told.append)
    assert made.form == "q8_0"
    assert made.path.parent == tmp_path
    assert 0 <= abs(float(made.reason.split()[1])) < 0.02
    assert (told[0].done, told[-1].done) == (0, told[-1].total)
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".gguf", ".json"]
    monkeypatch.setattr(module, "quantize", None)
    assert prepare(bundled, BUNDLED_SHA256, tmp_path, OPTIONS) == made == find(bundled, BUNDLED_SHA256, tmp_path)
    made.path.write_bytes(b"GGUF")
    assert find(bundled, BUNDLED_SHA256, tmp_path) is None


@pytest.mark.models
@pytest.mark.usefixtures("quick")
def test_what_was_made_for_an_older_llama_cpp_goes_once_nothing_reads_it(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "choose", lambda fast, loss: ("q8_0", "test"))
    made = {}
    for build in ("long unused", "still used", "new"):
        monkeypatch.setattr(probe, "build", lambda build=build: build)
        made[build] = prepare(bundled, BUNDLED_SHA256, tmp_path, OPTIONS).path
        if build == "long unused":
            old = time.time() - 40 * 86_400
            os.utime(made[build], (old, old))
            stamped = json.loads((record := next(tmp_path.glob("*.json"))).read_text())
            record.write_text(json.dumps(stamped | {"stamp": stamp(made[build])}))
    assert [build for build, path in made.items() if path.exists()] == ["still used", "new"]
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert find(bundled, BUNDLED_SHA256, tmp_path) is not None


@pytest.mark.models
@pytest.mark.usefixtures("quick")
def test_another_processor_or_library_prepares_anew(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_speeds", lambda forms, options: dict.fromkeys(forms, Speed(1, 1)))
    made = prepare(bundled, BUNDLED_SHA256, tmp_path, OPTIONS)
    assert made.form == SHIPPED
    assert made.path == bundled
    assert find(bundled, BUNDLED_SHA256, tmp_path) == made
    monkeypatch.setattr(probe, "build", lambda: "99")
    assert find(bundled, BUNDLED_SHA256, tmp_path) is None


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "x.gguf"
    wrong.write_bytes(b"GGUF" + bytes(60))
    with pytest.raises((ModelError, ModelDamaged)):
        quantize(wrong, tmp_path / "y.gguf", "q8_0", 1)


@pytest.mark.usefixtures("quick")
def test_a_directory_that_cannot_be_written_is_told(bundled: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be prepared"):
        prepare(bundled, BUNDLED_SHA256, tmp_path / "file", OPTIONS)


def test_repacking_is_tried_in_a_child_only_where_it_may_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[list[str]] = []
    outcome = -11

    def child(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        tried.append(command)
        return subprocess.CompletedProcess(command, outcome)

    monkeypatch.setattr(probe.subprocess, "run", child)
    monkeypatch.setattr(device, "cpu", lambda: device.Cpu("plain", "m", 1, frozenset({"avx2"})))
    assert probe.repacking(tmp_path / "m", tmp_path).allowed
    assert tried == []
    monkeypatch.setattr(device, "cpu", lambda: device.Cpu("amx", "m", 1, frozenset({"amx_int8"})))
    for _ in range(2):
        assert not probe.repacking(tmp_path / "m", tmp_path).allowed
    assert len(tried) == 1
    outcome = 0
    monkeypatch.setattr(device, "cpu", lambda: device.Cpu("amx 2", "m", 1, frozenset({"amx_int8"})))
    assert probe.repacking(tmp_path / "m", tmp_path).allowed


@pytest.mark.models
def test_a_child_that_dies_is_a_no(tmp_path: Path) -> None:
    assert not probe.survives(tmp_path / "absent.gguf")
