"""The commands about chat models: models list, add, pull, use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memapp.cli import output
from memapp.cli.options import Json, options
from memapp.cli.progress import bar

if TYPE_CHECKING:
    from memapp.models.catalog import Catalog, Model

Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What to call it (default: as the file).")]


def list_(as_json: Json = False) -> None:
    """List the chat models; * marks the one in use."""
    models = _catalog().list()
    if as_json:
        output.out_json({"models": models})
        return
    output.columns(
        ("*" if model.active else " ", model.name, output.size(model.bytes), model.origin, _state(model))
        for model in models
    )


def add(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A GGUF file; it stays where it is.")],
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Make a GGUF file known."""
    _tell(context, _catalog().add(path, name), as_json)


def pull(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="URL", help="https://... or hf:OWNER/REPOSITORY/FILE.")],
    sha256: Annotated[str | None, typer.Option("--sha256", metavar="HEX", help="What the file must hash to.")] = None,
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Download a GGUF file; what came of a broken download is gone on with."""
    with bar(options(context)) as progress:
        model = _catalog().pull(address, sha256, name, progress)
    _tell(context, model, as_json)


def use(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `memapp models list` shows it.")],
    as_json: Json = False,
) -> None:
    """Make a model the one that answers."""
    _tell(context, _catalog().use(name), as_json)


def profile(context: typer.Context, as_json: Json = False) -> None:
    """Measure how well the model in use reads each place of its prompt; takes some minutes."""
    from memapp.profile import profile as measured

    with bar(options(context)) as progress:
        found = measured(progress=progress)
    if as_json:
        output.out_json(found)
        return
    output.columns(
        (f"place {place}", f"{value:.3f}", f"± {spread:.3f}")
        for place, (value, spread) in enumerate(zip(found.curve, found.spread, strict=True), 1)
    )
    options(context).note(
        f'{found.model}, {output.plural(found.questions, "question")}; the setting order = "profile" puts it to use.'
    )


def _catalog() -> Catalog:
    from memapp.models.catalog import Catalog

    return Catalog()


def _tell(context: typer.Context, model: Model, as_json: bool) -> None:
    if as_json:
        output.out_json(model)
    in_use = "in use" if model.active else f"`memapp models use {model.name}` puts it to use"
    options(context).note(f"{model.name}: {output.size(model.bytes)}, {in_use}.")


def _state(model: Model) -> str:
    if not model.path.is_file():
        return f"missing: {model.path}"
    return f"prepared as {model.prepared.name}" if model.prepared else str(model.path)
