"""`python -m memapp.train.reader {prepare,fit,pack}`: makes the reader that ships, in three steps.

`prepare --data FOLDER --pieces FILE` needs llama.cpp; `fit --pieces FILE --model GGUF --out FOLDER` needs torch, and a
GPU if it is to take minutes; `pack --fitted FOLDER` writes data/weights/reader.gguf and its manifest.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

STEPS = ("prepare", "fit", "pack")


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one step. What a step needs is imported by it alone: a machine that fits has no llama.cpp."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in STEPS:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    return int(importlib.import_module(f"memapp.train.reader.{given[0]}").main(given[1:]))


if __name__ == "__main__":
    sys.exit(main())
