"""`python -m memapp.train.spans {prepare,fit,pack}`: makes the span reader that ships, in three steps.

`prepare --data FOLDER --readings FILE` takes some minutes; `fit --readings FILE --out FOLDER` needs torch and takes
an hour on two cores; `pack --fitted FOLDER` writes data/weights/spans.safetensors and its manifest.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

STEPS = ("prepare", "fit", "pack")


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one step. What a step needs is imported by it alone."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in STEPS:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    return int(importlib.import_module(f"memapp.train.spans.{given[0]}").main(given[1:]))


if __name__ == "__main__":
    sys.exit(main())
