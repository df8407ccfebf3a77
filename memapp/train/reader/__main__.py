"""`python -m memapp.train.reader {prepare,fit,pack}`: makes the reader that ships, in three steps.

`prepare --data FOLDER --pieces FILE` needs llama.cpp; `fit --pieces FILE --model GGUF --out FOLDER` needs torch, and a
GPU if it is to take minutes; `pack --fitted FOLDER` writes data/weights/reader.gguf and its manifest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from memapp.train import steps


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one step."""
    return steps.run("memapp.train.reader", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
