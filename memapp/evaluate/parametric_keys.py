"""`memapp bench parametric-keys`: which hidden state finds the better neighbours, by perplexity."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memapp import device
from memapp.evaluate import workspace
from memapp.evaluate.mixed import perplexity
from memapp.evaluate.report import Cell, Report
from memapp.layers.parametric.keys import KeyIndex
from memapp.layers.parametric.mixture import TEMPERATURE
from memapp.layers.parametric.network import log_softmax
from memapp.models import states
from memapp.models.catalog import Catalog
from memapp.models.native import Context, Model, Options
from memapp.models.opening import placed
from memapp.models.tap import FINAL
from memapp.protocols import WINDOW
from memapp.store.states import Coding, Read
from memapp.types import Vectors

_SHARES = [0.02, 0.05, *(n / 20 for n in range(2, 11))]
_ASKED = 2000


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("texts", type=Path, nargs="+", metavar="TEXT", help="files, each remembered by itself")
    parser.add_argument("--tokens", type=int, default=20_000, help="tokens that are remembered (20,000)")


def run(arguments: argparse.Namespace) -> Report:
    """Measures."""
    settings, catalog = workspace.settings(), Catalog()
    options = Options(threads=device.threads(settings.threads).value)
    path, options = placed(catalog.resolve(settings.model), options, 0, catalog.prepared_directory)
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, dict[str, float]] = {}
    with closing(Model(path, options)) as model:
        tensors = {"final state": FINAL, "FFN input of the last block": f"ffn_norm-{model.layers - 1}"}
        for text in arguments.texts:
            ids = states.tokens(model, text.read_text(encoding="utf-8"))[0]
            asked, remembered = ids[-_ASKED:], ids[: min(arguments.tokens, len(ids) - _ASKED)]
            found: dict[str, float] = {}
            for name, tensor in tensors.items():
                workspace.note(f"{text.stem}: {name}.")
                with closing(states.reader(model, options, tensor)) as reader:
                    keys, queries = _windows(reader, remembered), _windows(reader, asked)
                if tensor == FINAL:
                    base = _base(queries, asked, states.output_matrix(model))
                    found["model"] = perplexity(base)
                said = _said(keys, remembered, queries, asked)
                found[name] = min(perplexity((1 - share) * base + share * said) for share in _SHARES)
            figures[text.stem] = found
            changes = [f"{100 * (found[name] / found['model'] - 1):+.1f} %" for name in tensors]
            rows.append((text.stem, len(remembered), found["model"], *changes))
    notes = (f"The last {_ASKED:,} tokens; exact neighbours, the best fixed share in hindsight; change of perplexity.",)
    return Report("parametric memory, keys", ("text", "remembered", "model", *tensors), tuple(rows), figures, notes)


def _windows(reader: Context, ids: NDArray[np.int32]) -> Vectors:
    starts = range(0, len(ids), WINDOW)
    return np.concatenate([states.states(reader, ids[at : at + WINDOW].tolist()) for at in starts])


def _base(queries: Vectors, asked: NDArray[np.int32], outputs: Vectors) -> Vectors:
    rows = [
        log_softmax(queries[at : at + 100] @ outputs.T)[np.arange(len(asked[at : at + 100])), asked[at : at + 100]]
        for at in range(0, len(asked), 100)
    ]
    return np.asarray(np.exp(np.concatenate(rows)), np.float32)


def _said(keys: Vectors, remembered: NDArray[np.int32], queries: Vectors, asked: NDArray[np.int32]) -> Vectors:
    """The probability that the neighbours give to each token that came."""
    spread = np.sqrt(np.mean(keys[:WINDOW] ** 2, axis=0)) * 4.5
    coding = Coding("", "", np.asarray(np.maximum(spread, 1e-6), np.float32))
    index = KeyIndex(coding, "exact")
    index.add([Read(1, 1, remembered, coding.encode(keys))])
    near = index.search(queries)
    weights = np.exp(-(near.distances - near.distances[:, :1]) / TEMPERATURE)
    right = (near.tokens == asked[:, None]) * weights
    return np.asarray(right.sum(axis=1) / weights.sum(axis=1), np.float32)
