"""Weights that memapp ships, as a file of tensors with a manifest beside it that tells its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memapp.errors import ModelDamaged

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Shipped:
    """A file of tensors that is what its manifest says."""

    tensors: dict[str, NDArray[Any]]
    manifest: Mapping[str, Any]
    sha256: str


def read(path: Path, module: str) -> Shipped:
    """The tensors of `path`. Raises ModelDamaged where the manifest beside it differs; `module` makes them anew."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    hint = f"Reinstall memapp, or train it anew: python -m {module}."
    try:
        content = path.read_bytes()
        manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        tensors = load(content)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelDamaged(f"{path} cannot be read: {error}.", hint) from error
    digest = hashlib.sha256(content).hexdigest()
    if not isinstance(manifest, dict) or manifest.get("sha256") != digest:
        raise ModelDamaged(f"{path} is not what {path.stem}.json says: its sha256 differs.", hint)
    return Shipped(tensors, manifest, digest)
