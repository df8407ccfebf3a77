"""A FAISS index as a file: written whole or not at all, read only when it is the one that was written."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file was made from."""

    position: int
    mark: str
    """Identifies the change at that position, so that another history of the same length is told apart."""
    identity: str
    """Hash of the embedder's weights."""
    kind: str


def write(path: Path, index: Any, stamp: Stamp) -> None:
    """Replaces the file in one step."""
    import faiss

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    data = faiss.serialize_index(index).tobytes()
    manifest = {**asdict(stamp), "sha256": hashlib.sha256(data).hexdigest()}
    remove(path)
    _replace(path, data)
    _replace(_manifest(path), json.dumps(manifest).encode())


def read(path: Path) -> tuple[Any, Stamp] | None:
    """The index and what it was made from; None when there is none or it is not what was written."""
    import faiss

    try:
        manifest = json.loads(_manifest(path).read_bytes())
        data = path.read_bytes()
        sha256 = manifest.pop("sha256")
        stamp = Stamp(**manifest)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s is not readable and will be made anew: %s", path, error)
        return None
    if hashlib.sha256(data).hexdigest() != sha256:
        _log.warning("%s is not the file that was written and will be made anew", path)
        return None
    import numpy as np

    return faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8)), stamp


def remove(path: Path) -> None:
    """Deletes the file, its manifest first."""
    _manifest(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _replace(path: Path, data: Any) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
