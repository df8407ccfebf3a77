"""`python -m memapp.train.spans {prepare,fit,pack}`: makes the span reader that ships, in three steps.

`prepare --data FOLDER --readings FILE` takes some minutes; `fit --readings FILE --out FOLDER` needs torch and takes
an hour on two cores; `pack --fitted FOLDER` writes data/weights/spans.safetensors and its manifest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from memapp.train import steps


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one step."""
    return steps.run("memapp.train.spans", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
