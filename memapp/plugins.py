"""What other distributions add to memapp, by entry point: their names without importing them, one, or all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from memapp.errors import PluginError
from memapp.protocols import Reader

READERS = "memapp.readers"
GROUPS: Mapping[str, type] = MappingProxyType({READERS: Reader})
"""The groups that plugins may register in, and what their objects must offer."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed plugin; nothing of it has been imported."""

    group: str
    name: str
    distribution: str
    version: str


def names(group: str = READERS) -> list[Plugin]:
    """The plugins of a group, sorted by name, without importing any."""
    return sorted((_described(entry) for entry in entry_points(group=group)), key=lambda plugin: plugin.name)


def load(name: str, group: str = READERS) -> Any:
    """The plugin of that name, ready to use. Raises PluginError when it is absent, ambiguous or broken."""
    found = list(entry_points(group=group, name=name))
    if not found:
        installed = ", ".join(plugin.name for plugin in names(group)) or "none"
        raise PluginError(f"No plugin '{name}' is installed in {group}.", f"Installed: {installed}.")
    if len(found) > 1:
        owners = " and ".join(sorted(_described(entry).distribution for entry in found))
        raise PluginError(f"Both {owners} offer a plugin '{name}'.", "Uninstall one of them.")
    return _made(found[0])


def load_all(group: str = READERS) -> tuple[list[Any], list[PluginError]]:
    """Every plugin of a group that works, sorted by name, and an error for each that does not."""
    working: list[Any] = []
    broken: list[PluginError] = []
    for name in dict.fromkeys(plugin.name for plugin in names(group)):
        try:
            working.append(load(name, group))
        except PluginError as error:
            broken.append(error)
    return working, broken


def _described(entry: EntryPoint) -> Plugin:
    owner = entry.dist
    return Plugin(
        entry.group, entry.name, owner.name if owner else "an unknown package", owner.version if owner else ""
    )


def _made(entry: EntryPoint) -> Any:
    """The object that the entry point makes: it names a class or function that takes no argument."""
    owner = _described(entry).distribution
    try:
        made = entry.load()()
    except (Exception, SystemExit) as error:  # foreign code, which the application must outlive
        raise PluginError(
            f"The plugin '{entry.name}' of {owner} does not load: {type(error).__name__}: {error}.",
            f"Upgrade or uninstall {owner}.",
        ) from error
    wanted = GROUPS.get(entry.group)
    if wanted is not None and not isinstance(made, wanted):
        raise PluginError(f"The plugin '{entry.name}' of {owner} is not a {wanted.__name__}.", f"Upgrade {owner}.")
    return made
