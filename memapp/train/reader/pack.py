"""The fitted adapter as the file that ships, with a manifest that says how it was made."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from safetensors.numpy import load_file

from memapp.models import lora
from memapp.models.catalog import BUNDLED, BUNDLED_SHA256
from memapp.train.reader.prepare import NOVELS, SETS, SPARE

OUT = Path("data/weights/reader.gguf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes both."""
    parser = argparse.ArgumentParser("python -m memapp.train.reader pack")
    parser.add_argument("--fitted", type=Path, required=True, help="folder that fit wrote")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--halves", action="store_true", help="16 bits a number in place of 8")
    options = parser.parse_args(arguments)
    told = json.loads((options.fitted / "reader.json").read_text(encoding="utf-8"))
    tensors = {
        name: value for side in "ab" for name, value in load_file(options.fitted / f"reader-{side}.safetensors").items()
    }
    lora.write(options.out, tensors, float(told["alpha"]), small=not options.halves)
    manifest = {
        "made_by": [
            "python -m memapp.train.reader prepare --data FOLDER --pieces FILE",
            "python -m memapp.train.reader fit --pieces FILE --model MODEL.gguf --out FITTED",
            "python -m memapp.train.reader pack --fitted FITTED",
        ],
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "model": {"name": BUNDLED, "sha256": BUNDLED_SHA256},
        "questions": [f"{name}, documents that train" for name in SETS],
        "passages": [*SPARE, *(f"text/{name}" for name in NOVELS.split(","))],
        "sha256": hashlib.sha256(options.out.read_bytes()).hexdigest(),
        **told,
    }
    options.out.with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return 0
