"""The fitted encoder as the file that ships, with a manifest that says how it was made."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from safetensors.numpy import load_file, save_file

from memapp.models import minilm, span_reader
from memapp.train.reader.prepare import SETS, SPARE
from memapp.train.spans.prepare import ARTICLES

OUT = Path("data") / span_reader.WEIGHTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes both."""
    parser = argparse.ArgumentParser("python -m memapp.train.spans pack")
    parser.add_argument("--fitted", type=Path, required=True, help="folder that fit wrote")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    told = json.loads((options.fitted / "spans.json").read_text(encoding="utf-8"))
    base = minilm.read_weights(minilm.locate().weights)
    save_file(span_reader.reduced(base, load_file(options.fitted / "spans.safetensors")), options.out)
    manifest = {
        "made_by": [
            "python -m memapp.train.spans prepare --data FOLDER --readings FILE",
            "python -m memapp.train.spans fit --readings FILE --out FITTED",
            "python -m memapp.train.spans pack --fitted FITTED",
        ],
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "encoder": {"name": minilm.NAME, "sha256": minilm.WEIGHTS_SHA256},
        "questions": [f"{name}, documents that train" for name in SETS],
        "passages that questions are made of": [*(f"{name}, documents that train" for name in SETS), *SPARE, *ARTICLES],
        "sha256": hashlib.sha256(options.out.read_bytes()).hexdigest(),
        **told,
    }
    options.out.with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return 0
