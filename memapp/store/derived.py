"""What a layer derived, as a file: written whole or not at all, read only when it is the one that was written."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from memapp.errors import MemappError

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file was made from."""

    position: int
    mark: str
    """Identifies the change at that position, so that another history of the same length is told apart."""
    identity: str
    """Of the model whose work it holds."""
    kind: str


def write(path: Path, data: bytes, stamp: Stamp) -> bool:
    """Replaces the file; False when that failed or somebody removed it meanwhile, which costs only time."""
    manifest = {**asdict(stamp), "sha256": _digest(stamp, data)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_parts(path)
        # Both are on the disk before the old one goes, so that a full disk leaves that.
        with _staged(path, data) as body, _staged(_manifest(path), json.dumps(manifest).encode()) as head:
            _manifest(path).unlink(missing_ok=True)
            body.replace(path)
            head.replace(_manifest(path))
    except OSError as error:
        _log.warning("%s is not saved: %s", path, error)
        return False
    return True


def read(path: Path, make: Callable[[bytes], _T]) -> tuple[_T, Stamp] | None:
    """What `make` makes of the file, and what it was made from; None when there is none or it is another one."""
    try:
        manifest = json.loads(_manifest(path).read_bytes())
        data = path.read_bytes()
        stamp = Stamp(**{name: manifest[name] for name in Stamp.__slots__})
        if manifest["sha256"] != _digest(stamp, data):
            raise ValueError("it is not the file that was written")
        return make(data), stamp
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, MemappError) as error:
        _log.warning("%s will be made anew: %s", path, error)
        return None


def remove(path: Path) -> None:
    """Deletes the file, its manifest first, and what a kill left half written or another process is writing."""
    _manifest(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    _remove_parts(path)


def _remove_parts(path: Path) -> None:
    for part in path.parent.glob(f"{path.stem}.*.part"):
        part.unlink(missing_ok=True)


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _digest(stamp: Stamp, data: bytes) -> str:
    digest = hashlib.sha256(json.dumps(asdict(stamp), sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()


@contextmanager
def _staged(path: Path, data: bytes) -> Iterator[Path]:
    """The data in a file beside `path`, which is gone afterwards unless it was renamed."""
    with tempfile.NamedTemporaryFile(
        "wb", dir=path.parent, prefix=f"{path.name}.", suffix=".part", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
