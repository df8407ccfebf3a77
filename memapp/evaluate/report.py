"""What a bench prints, writes as JSON, and keeps in RESULTS.md. It measures nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memapp.errors import Unreadable

Cell = str | float | int


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one bench."""

    title: str
    """Names its section, so the same bench on the same data replaces its earlier result."""
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    """All that was measured, for programs."""
    notes: tuple[str, ...] = ()
    """What one has to know to read the table."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where, when and how a figure came about."""

    machine: str
    date: str
    command: str


def circumstances(command: Sequence[str]) -> Circumstances:
    """This machine, its load, and this moment; of paths among the arguments only the last part is told."""
    shown = shlex.join(_shown(part) for part in command)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return Circumstances(machine() + load, datetime.now(UTC).strftime("%Y-%m-%d"), shown)


def machine() -> str:
    """Processor, cores, memory, GPU, system and Python, in one line."""
    from memapp import device

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0.0
    gpu = device.gpu()
    return ", ".join(
        [
            f"{device.cpu().name} ({device.cpu().cores} cores)",
            f"{memory:.0f} GiB memory",
            f"{gpu.count} x {gpu.name}" if gpu else "no GPU",
            platform.system(),
            f"Python {platform.python_version()}",
        ]
    )


def table(report: Report) -> str:
    """The table in Markdown, columns aligned."""
    cells = [report.columns, *([_cell(value) for value in row] for row in report.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(report.columns))]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def section(report: Report, when: Circumstances) -> str:
    """The report as a section of RESULTS.md."""
    notes = "".join(f"\n{note}\n" for note in report.notes)
    return f"## {report.title}\n\n{when.machine}; {when.date}; `{when.command}`\n\n{table(report)}\n{notes}"


def write_json(path: Path, report: Report, when: Circumstances) -> None:
    """Writes all figures. Raises Unreadable when the file cannot be written."""
    value = {**dataclasses.asdict(when), **dataclasses.asdict(report)}
    _write(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def record(path: Path, report: Report, when: Circumstances) -> None:
    """Puts the section into the file, in place of the one with the same title. Raises Unreadable as above."""
    old = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    head, *sections = ("\n" + old).split("\n## ")
    kept = {part.partition("\n")[0].strip(): part for part in sections}
    kept[report.title] = section(report, when).removeprefix("## ")
    parts = [head.strip(), *(f"## {part.strip()}" for part in kept.values())]
    _write(path, "\n\n".join(parts) + "\n")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"{path} cannot be written: {error.strerror}.", "Name another file.") from error


def _cell(value: Cell) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else value.replace("|", "\\|")


def _shown(part: str) -> str:
    return Path(part).name if os.sep in part else part
