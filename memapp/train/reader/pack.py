"""The fitted adapters as the files that ship, with manifests that say how they were made."""

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

OUT = Path("data/weights")
_PREPARE = "python -m memapp.train.reader prepare --data FOLDER --pieces FILE"
_FIT = {
    "reader": "fit --pieces FILE --model MODEL.gguf --out FITTED",
    "apart": "apart --pieces FILE --model MODEL.gguf --reader data/weights/reader.gguf --out FITTED",
}
_FILE = {"reader": "reader.gguf", "apart": "reader_apart.gguf"}
_PASSAGES = {"reader": [*SPARE, *(f"text/{name}" for name in NOVELS.split(","))], "apart": []}
"""What trains beside the passages of the questions."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes both."""
    parser = argparse.ArgumentParser("python -m memapp.train.reader pack")
    parser.add_argument("--fitted", type=Path, required=True, help="folder that fit or apart wrote")
    parser.add_argument("--name", choices=tuple(_FIT), default="reader", help="which of the two (reader)")
    parser.add_argument("--out", type=Path, default=OUT, help=f"folder ({OUT})")
    parser.add_argument("--halves", action="store_true", help="16 bits a number in place of 8")
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        help="share of what was learned that is kept (1); figures of fitting are at 1",
    )
    options = parser.parse_args(arguments)
    fitted, name = options.fitted, options.name
    told = json.loads((fitted / f"{name}.json").read_text(encoding="utf-8"))
    tensors = {key: value for side in "ab" for key, value in load_file(fitted / f"{name}-{side}.safetensors").items()}
    out = options.out / _FILE[name]
    lora.write(out, tensors, float(told["alpha"]) * options.strength, small=not options.halves)
    manifest = {
        "made_by": [
            _PREPARE,
            f"python -m memapp.train.reader {_FIT[name]}",
            f"python -m memapp.train.reader pack --name {name} --fitted FITTED --strength {options.strength:g}",
        ],
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "model": {"name": BUNDLED, "sha256": BUNDLED_SHA256},
        "questions": [f"{one}, documents that train" for one in SETS],
        "passages": _PASSAGES[name],
        "strength": options.strength,
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        **told,
    }
    out.with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return 0
