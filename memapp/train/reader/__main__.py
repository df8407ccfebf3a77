"""`python -m memapp.train.reader {prepare,fit,pack}`: makes the reader that ships, in three steps.

`prepare --data FOLDER --pieces FILE` needs llama.cpp; `fit --pieces FILE --model GGUF --out FOLDER` needs torch, and a
GPU if it is to take minutes; `pack --fitted FOLDER` writes data/weights/reader.gguf and its manifest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one step. What a step needs is imported by it alone."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    steps: dict[str, Callable[[Sequence[str]], int]] = {"prepare": _prepare, "fit": _fit, "pack": _pack}
    if not given or given[0] not in steps:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    return steps[given[0]](given[1:])


def _prepare(arguments: Sequence[str]) -> int:
    from memapp.train.reader import prepare

    return prepare.main(arguments)


def _fit(arguments: Sequence[str]) -> int:
    from memapp.train.reader import fit

    return fit.main(arguments)


def _pack(arguments: Sequence[str]) -> int:
    from memapp.train.reader import pack

    return pack.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
