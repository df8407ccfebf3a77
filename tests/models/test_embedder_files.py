"""The embedder's files: checked once, written whole, and rewritten when they are not what they should be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memapp.errors import ModelDamaged, ModelError, ModelMissing
from memapp.models import minilm
from memapp.models.embedder import MiniLMEmbedder

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def files() -> minilm.ModelFiles:
    return minilm.locate()


def forbid_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> str:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(minilm, "_sha256", fail)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package_here")
    with pytest.raises(ModelMissing, match="not installed") as caught:
        MiniLMEmbedder(tmp_path).embed(["x"])
    assert "pip install" in caught.value.hint


def test_a_package_without_its_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "email")
    with pytest.raises(ModelMissing, match=r"model\.safetensors is not there") as caught:
        minilm.locate()
    assert "einstall" in caught.value.hint


def test_a_damaged_file_is_refused(files: minilm.ModelFiles, tmp_path: Path) -> None:
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_bytes(files.tokenizer.read_bytes().replace(b"moon", b"noon", 1))
    with pytest.raises(ModelDamaged, match="sha256 differs"):
        minilm.check(minilm.ModelFiles(files.weights, tokenizer), tmp_path / "kept")
    assert not (tmp_path / "kept" / minilm.MANIFEST_FILE).exists()


def test_checked_files_are_not_read_again_until_they_change(
    files: minilm.ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = minilm.ModelFiles(files.weights, tmp_path / "tokenizer.json")
    shutil.copyfile(files.tokenizer, copy.tokenizer)
    minilm.check(copy, tmp_path)
    with monkeypatch.context() as patch:
        forbid_hashing(patch)
        minilm.check(copy, tmp_path)
    status = copy.tokenizer.stat()
    copy.tokenizer.write_bytes(copy.tokenizer.read_bytes()[::-1])
    os.utime(copy.tokenizer, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(ModelDamaged):
        minilm.check(copy, tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"weights": 3, "graph": {"x": 1}}', b"\xff\x00"])
def test_an_unreadable_manifest_only_costs_time(files: minilm.ModelFiles, tmp_path: Path, content: bytes) -> None:
    (tmp_path / minilm.MANIFEST_FILE).write_bytes(content)
    minilm.check(files, tmp_path)
    assert minilm._read_manifest(tmp_path)["weights"].sha256 == minilm.WEIGHTS_SHA256


def test_the_graph_is_written_once_and_again_when_damaged(
    files: minilm.ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = minilm.graph(files, tmp_path)
    whole = minilm._sha256(path)
    with monkeypatch.context() as patch:
        forbid_hashing(patch)
        minilm.graph(files, tmp_path)
    with path.open("r+b") as file:
        file.truncate(1000)
    minilm.graph(files, tmp_path)
    assert minilm._sha256(path) == whole
    with path.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    os.utime(path, ns=(1, 1))
    minilm.graph(files, tmp_path)
    assert minilm._sha256(path) == whole
    os.utime(path, ns=(1, 1))
    minilm.graph(files, tmp_path)
    with monkeypatch.context() as patch:
        forbid_hashing(patch)
        minilm.graph(files, tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {minilm.GRAPH_FILE, minilm.MANIFEST_FILE}


def test_two_processes_prepare_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from memapp.models.minilm import *; graph(locate(), Path(sys.argv[1]))"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    recorded = minilm._read_manifest(tmp_path)["graph"]
    assert minilm._sha256(tmp_path / minilm.GRAPH_FILE) == recorded.sha256
    assert {entry.name for entry in tmp_path.iterdir()} == {minilm.GRAPH_FILE, minilm.MANIFEST_FILE}


def test_a_folder_that_cannot_be_written_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written") as caught:
        MiniLMEmbedder(tmp_path / "file" / "models").embed(["x"])
    assert "MEMAPP_HOME" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"short", b"\x05" + b"\0" * 7 + b"{nope", b"\xff" * 64])
def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelDamaged, match="safetensors"):
        minilm.read_weights(path)
