"""What programs rely on: the public names, a free import, a version that the changelog knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import memapp
from memapp import errors

ROOT = Path(__file__).parent.parent


def test_every_public_name_is_there() -> None:
    assert sorted(memapp.__all__) == memapp.__all__
    for name in memapp.__all__:
        assert getattr(memapp, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = memapp.nothing_of_the_kind


def test_importing_loads_nothing() -> None:
    code = "import sys; before = set(sys.modules); import memapp; print(sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "numpy" not in loaded
    assert "sqlalchemy" not in loaded
    assert "memapp.memory" not in loaded


def test_the_changelog_tells_of_this_version() -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == memapp.__version__
    assert f'version = "{memapp.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_every_error_stands_in_the_tree() -> None:
    def below(kind: type[errors.MemappError]) -> list[type[errors.MemappError]]:
        return [kind, *(leaf for sub in kind.__subclasses__() for leaf in below(sub))]

    for kind in below(errors.MemappError):
        if kind.__module__ == errors.__name__:
            assert re.search(rf"^ +{kind.__name__}\b", errors.__doc__ or "", re.MULTILINE), kind
        assert kind.exit_code in (1, 2, 3)


def test_an_error_says_what_to_do() -> None:
    error = errors.StoreBusy("The store is held.", "Wait.")
    assert str(error) == "The store is held. Wait."
