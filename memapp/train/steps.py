"""A training that is done in steps, each of them a module with a `main`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

STEPS = ("prepare", "fit", "pack")


def run(package: str, usage: str, arguments: Sequence[str] | None = None) -> int:
    """Does the step that is named first; tells the usage where none is. What a step needs is imported by it alone: a
    machine that fits needs nothing of what prepares."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in STEPS:
        sys.stderr.write(f"{usage}\n")
        return 2
    return int(importlib.import_module(f"{package}.{given[0]}").main(given[1:]))
