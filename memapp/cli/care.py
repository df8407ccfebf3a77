"""The commands that keep memory in order: init, rebuild, verify, doctor, plugins, bench."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from memapp.cli import output
from memapp.cli.options import Json, memory_of, options, settings_of
from memapp.cli.progress import bar
from memapp.errors import UsageError
from memapp.types import Check


def init(context: typer.Context, as_json: Json = False) -> None:
    """Create a store, prepare the default models, tell what hardware is used and why."""
    from memapp.doctor import hardware

    given = options(context)
    with memory_of(context, create=True) as memory, bar(given) as progress:
        given.note("Preparing the models; the first time takes a minute.")
        memory.prepare(progress)
        parts = {
            "store": memory.store_location,
            "embedder": memory.embedder.identity.name,
            "model": memory.engine.identity,
        }
    rows = hardware()
    if as_json:
        record = [{"what": what, "choice": choice, "reason": reason} for what, choice, reason in rows]
        output.out_json({**parts, "hardware": record})
        return
    output.columns(parts.items())
    output.columns((what, f"{choice} ({reason})") for what, choice, reason in rows)


def rebuild(
    context: typer.Context,
    layers: Annotated[list[str] | None, typer.Argument(metavar="LAYER...", help="All, when none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Drop what layers derived and make it anew from the log."""
    given = options(context)
    with memory_of(context) as memory, bar(given) as progress:
        rebuilt = memory.rebuild(layers or None, progress=progress)
    if as_json:
        output.out_json({"layers": rebuilt})
    for layer in rebuilt:
        given.note(f"{layer.name}: {output.plural(layer.passages, 'passage')}, up to change {layer.cursor:,}")


def verify(context: typer.Context, as_json: Json = False) -> None:
    """Check the store and every layer against the log."""
    with memory_of(context) as memory:
        checks = memory.verify()
    _report(checks, as_json)


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Report on this machine, the store, the models and the plugins."""
    from memapp.doctor import doctor as examine

    _report(examine(options(context).store, settings_of(context)), as_json)


def _report(checks: Sequence[Check], as_json: bool) -> None:
    if as_json:
        output.out_json({"ok": all(check.ok for check in checks), "checks": checks})
    else:
        output.print_checks(checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def plugins(context: typer.Context, as_json: Json = False) -> None:
    """List the installed plugins, and whether each one loads."""
    from memapp.doctor import survey

    found = survey()
    if as_json:
        output.out_json(
            {"plugins": [{**output.record(plugin), "ok": not fault, "fault": fault} for plugin, fault in found]}
        )
    else:
        if not found:
            options(context).note("No plugins are installed.")
        output.columns(
            (plugin.group, plugin.name, f"{plugin.distribution} {plugin.version}", fault or "loads")
            for plugin, fault in found
        )
    if any(fault for _, fault in found):
        raise typer.Exit(1)


def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Which figure; none lists them.")] = "",
) -> None:
    """Reproduce a published figure. Options after NAME belong to it."""
    import memapp.evaluate.bench as benches

    if name in ("", "-h", "--help"):
        output.out("Usage: memapp bench NAME [OPTIONS]\n\nNames: " + ", ".join(benches.names()))
        return
    if name not in benches.names():
        raise UsageError(f"There is no bench '{output.one_line(name)}'.", f"Known: {', '.join(benches.names())}.")
    raise typer.Exit(benches.run(name, list(context.args)))
