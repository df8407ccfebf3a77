"""Indexes passages with txtai, hybrid and with their text kept, and prints the seconds it took.

Run by an interpreter that has txtai: txtai_index.py PASSAGES.json MODEL_FOLDER. Loading the model does not count.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from txtai import Embeddings


def main(passages: Path, model: str) -> None:
    texts = json.loads(passages.read_text(encoding="utf-8"))
    Embeddings(path=model, hybrid=True, content=True).index(texts[:32])
    embeddings = Embeddings(path=model, hybrid=True, content=True)
    embeddings.batchtransform(texts[:32])
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        embeddings.index(texts)
        embeddings.save(f"{place}/index")
        seconds = time.perf_counter() - began
    assert embeddings.count() == len(texts)
    print(json.dumps({"seconds": seconds, "passages": len(texts)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
