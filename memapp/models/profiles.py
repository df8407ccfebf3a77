"""What was measured of models once: how well each reads each place of its prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from memapp.models import files
from memapp.models.catalog import default_directory

_FILE = "profiles.json"


def curve(identity: str, directory: Path | None = None) -> tuple[float, ...]:
    """How well the model of this identity reads each of some places, in nats; empty where nobody measured."""
    found = files.read_json(_path(directory)).get(identity, [])
    if isinstance(found, list) and all(isinstance(value, int | float) for value in found):
        return tuple(float(value) for value in found)
    return ()


def keep(identity: str, values: Sequence[float], directory: Path | None = None) -> Path:
    """Keeps a curve in the place of an earlier one; the file. Raises ModelError when it cannot be written."""
    path = _path(directory)
    files.write_json(path, {**files.read_json(path), identity: [round(float(value), 4) for value in values]})
    return path


def _path(directory: Path | None) -> Path:
    return (directory or default_directory()) / _FILE
