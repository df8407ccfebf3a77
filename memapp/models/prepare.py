"""Brings a model into the form that is fastest on this machine.

The rule: of the forms below, the one that answers a typical question soonest, provided that the log-likelihood of a
fixed text changes by at most LOSS. Measured, not looked up: which form wins depends on the processor, on how llama.cpp
was built and on the model. It is done once for a model, a processor and a version of llama.cpp.
"""

from __future__ import annotations

import ctypes
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memapp.errors import ModelError
from memapp.models.files import read_json, stamp, write_json
from memapp.models.measure import Speed, loglikelihood, speeds
from memapp.models.native import Options, library
from memapp.models.probe import machine_key, repacking
from memapp.models.reading import TEXT
from memapp.types import Progress

LOSS = 0.005
"""Largest relative change of the log-likelihood."""

SHIPPED = "as shipped"
FORMS = ("f16", "bf16", "q8_0")
"""Forms that are tried. Each keeps the token table in 8 bits, as the bundled file does: it is read once for every token
written, so its size is time."""

_FTYPES: Mapping[str, int] = {"f16": 1, "q4_0": 2, "q8_0": 7, "bf16": 32}
"""llama.cpp's numbers of them, and of q4_0, which is quick but loses 4 % of the bundled model's likelihood."""

PROMPT, ANSWER, REPEATS = 256, 12, 2
"""What is timed of each form."""

_Q8_0 = 8
_STALE_SECONDS = 3600
_UNUSED_SECONDS = 30 * 86_400
"""After which a form for another processor or llama.cpp goes: an update would leave its files for ever."""

Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A form of a model, and why it was chosen."""

    path: Path
    form: str
    extra_buffers: bool
    reason: str


def find(source: Path, sha256: str, directory: Path) -> Prepared | None:
    """What was prepared earlier for this model on this machine, or None."""
    record = read_json(_record(sha256, directory))
    try:
        path = source if record["form"] == SHIPPED else directory / record["file"]
        if record["form"] != SHIPPED and stamp(path) != record["stamp"]:
            return None
        return Prepared(path, record["form"], bool(record["extra_buffers"]), record["reason"])
    except (KeyError, TypeError, OSError):
        return None


def prepare(source: Path, sha256: str, directory: Path, options: Options, progress: Report | None = None) -> Prepared:
    """The best form of the model, made now unless it is there; that takes a while.

    Safe in several processes at once: each works in a folder of its own, and whole files are put in place. Raises
    ModelError when the disk refuses, ModelDamaged when the model cannot be read.
    """
    if (known := find(source, sha256, directory)) is not None:
        return known
    report = progress or (lambda _: None)
    steps = len(FORMS) + 3
    report(Progress("model", 0, steps, "trying the processor"))
    options = replace(options, extra_buffers=repacking(source, directory).allowed)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _sweep(directory)
        with tempfile.TemporaryDirectory(dir=directory, prefix="new-", ignore_cleanup_errors=True) as folder:
            forms = {SHIPPED: source}
            for n, form in enumerate(FORMS):
                report(Progress("model", n + 1, steps, f"writing it as {form}"))
                forms[form] = quantize(source, Path(folder) / f"{form}.gguf", form, options.threads)
            report(Progress("model", steps - 2, steps, "measuring"))
            fast = _speeds(forms, options)
            report(Progress("model", steps - 1, steps, "comparing likelihoods"))
            form, reason = choose(fast, _losses(forms, options))
            prepared = _keep(form, forms[form], reason, sha256, directory, options)
    except OSError as error:
        hint = "Free 1 GB, or set MEMAPP_HOME to another disk."
        raise ModelError(f"The model cannot be prepared in {directory}: {error.strerror}.", hint) from error
    report(Progress("model", steps, steps, prepared.reason))
    return prepared


def choose(fast: Mapping[str, Speed], loss: Callable[[str], float]) -> tuple[str, str]:
    """The soonest form whose loss is within LOSS, with the reason; `loss` is asked only where it decides."""
    for form in sorted(fast, key=lambda form: fast[form].ask_seconds):
        change = 0.0 if form == SHIPPED else loss(form)
        if abs(change) <= LOSS:
            ratio = fast[SHIPPED].ask_seconds / fast[form].ask_seconds
            prefill = fast[form].prefill / fast[SHIPPED].prefill
            if form == SHIPPED:
                return form, "no other form answers sooner here"
            return form, (
                f"{form} answers {ratio:.1f} times as fast as the file as shipped (prompts {prefill:.1f} times), "
                f"with {100 * change:+.2f} % log-likelihood lost"
            )
    return SHIPPED, "every faster form loses too much likelihood"


def _speeds(forms: Mapping[str, Path], options: Options) -> dict[str, Speed]:
    """In processor time of one thread: set-up runs while other things do, and a wrong choice would stay."""
    single = replace(options, threads=1)
    tasks = {form: (path, single) for form, path in forms.items()}
    return speeds(tasks, prompt=PROMPT, answer=ANSWER, repeats=REPEATS, clock=time.thread_time)


def _losses(forms: Mapping[str, Path], options: Options) -> Callable[[str], float]:
    base: list[float] = []

    def loss(form: str) -> float:
        if not base:
            base.append(loglikelihood(forms[SHIPPED], options, TEXT)[0])
        return (base[0] - loglikelihood(forms[form], options, TEXT)[0]) / abs(base[0])

    return loss


def quantize(source: Path, target: Path, form: str, threads: int) -> Path:
    """Writes the model in another form; raises ModelError when llama.cpp cannot."""
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype = _FTYPES[form]
    params.allow_requantize = True
    params.nthread = threads
    params.token_embedding_type = params.output_tensor_type = _Q8_0
    outcome = lib.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params))
    if outcome != 0:
        raise ModelError(f"llama.cpp cannot write {source.name} as {form}.", "Free 1 GB of disk, or use it as it is.")
    return target


def _keep(form: str, made: Path, reason: str, sha256: str, directory: Path, options: Options) -> Prepared:
    record: dict[str, Any] = {"form": form, "extra_buffers": options.extra_buffers, "reason": reason}
    path = made
    if form != SHIPPED:
        _drop_unused(sha256, directory)
        path = directory / f"{sha256[:16]}-{machine_key()}-{form}.gguf"
        made.replace(path)
        record |= {"file": path.name, "stamp": stamp(path)}
    write_json(_record(sha256, directory), record)
    return Prepared(path, form, options.extra_buffers, reason)


def _record(sha256: str, directory: Path) -> Path:
    return directory / f"{sha256[:16]}-{machine_key()}.json"


def _sweep(directory: Path) -> None:
    """Removes what a killed process left."""
    for folder in directory.glob("new-*"):
        if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _drop_unused(sha256: str, directory: Path) -> None:
    """Removes forms of this model that no other llama.cpp has read for long; the next to want one makes it."""
    for path in directory.glob(f"{sha256[:16]}-*.gguf"):
        with suppress(FileNotFoundError):  # Another process may be doing the same.
            read = path.stat()
            if time.time() - max(read.st_atime, read.st_mtime) > _UNUSED_SECONDS:
                key = path.name.removeprefix(f"{sha256[:16]}-").partition("-")[0]
                (directory / f"{sha256[:16]}-{key}.json").unlink(missing_ok=True)
                path.unlink()
