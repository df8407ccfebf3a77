"""Small files beside the models: JSON that is whole or absent, and hashes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memapp.errors import ModelError


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file; empty when there is no file or it is not a JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replaces the file as a whole; raises ModelError when the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".new", delete=False) as file:
            json.dump(value, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be written: {error.strerror}.", "Free some space or set MEMAPP_HOME."
        ) from error


def sha256(path: Path) -> str:
    """The file's hash, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(path: Path) -> list[int]:
    """Size and time of the last change: unchanged as long as nobody wrote to the file."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
