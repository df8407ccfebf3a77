"""Plugins found by entry point: named without importing, loaded, and survived when they are broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from memapp import plugins
from memapp.errors import PluginError
from memapp.protocols import Reader

GOOD = """
class Ini:
    name = "ini-like"
    suffixes = frozenset({".inix"})
    def read(self, path, source):
        return iter(())
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a distribution with one module and one entry point where Python looks for them."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(distribution: str, name: str, module: str, target: str, code: str) -> None:
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[memapp.readers]\n{name} = {module}:{target}\n")

    return put


def test_names_are_known_without_importing(install):
    install("probe-dist", "probe", "probe_module_one", "Ini", GOOD)
    found = [plugin for plugin in plugins.names() if plugin.name == "probe"]
    assert found == [plugins.Plugin("memapp.readers", "probe", "probe-dist", "1.2")]
    assert "probe_module_one" not in sys.modules


def test_one_is_loaded_by_name(install):
    install("probe-dist", "probe", "probe_module_two", "Ini", GOOD)
    reader = plugins.load("probe")
    assert isinstance(reader, Reader)
    assert reader.name == "ini-like"


def test_an_absent_name_lists_what_is_installed(install):
    install("probe-dist", "probe", "probe_module_three", "Ini", GOOD)
    with pytest.raises(PluginError, match=r"No plugin 'nope'.*Installed: .*probe"):
        plugins.load("nope")


def test_a_name_that_two_offer_is_not_guessed(install):
    install("probe-dist", "probe", "probe_module_four", "Ini", GOOD)
    install("other-dist", "probe", "probe_module_five", "Ini", GOOD)
    with pytest.raises(PluginError, match="other-dist and probe-dist"):
        plugins.load("probe")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("raise RuntimeError('at import')", "at import"),
        ("x = 1", "AttributeError"),
        ("def Ini(): raise ValueError('no')", "ValueError: no"),
        ("def Ini(): return 3", "not a Reader"),
        ("Ini = 3", "TypeError"),
        ("import sys; sys.exit(3)", "SystemExit"),
    ],
)
def test_a_broken_one_is_named_and_the_others_load(install, code, said):
    module = f"broken_{abs(hash(code))}"
    install("broken-dist", "a-broken", module, "Ini", code)
    install("probe-dist", "probe", f"good_{module}", "Ini", GOOD)
    working, broken = plugins.load_all()
    assert "ini-like" in [reader.name for reader in working]
    (error,) = broken
    assert said in str(error)
    assert "broken-dist" in str(error)
