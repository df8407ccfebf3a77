"""From settings to a language model: which file, in which form, on which device."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from memapp import device
from memapp.errors import ModelError, UsageError
from memapp.models.catalog import Catalog, Model, bundled_path
from memapp.models.llama import LlamaEngine
from memapp.models.native import CACHES, FLASH_AUTO, Options, library
from memapp.models.prepare import prepare
from memapp.models.probe import SUSPECT_FLAG, repacking
from memapp.settings import Settings, shipped
from memapp.types import Progress

log = logging.getLogger("memapp.llama")

READER = "weights/reader.gguf"
"""What makes a reader of the bundled model."""
_GPU_UBATCH = 512


def open_engine(
    settings: Settings, progress: Callable[[Progress], None] | None = None, catalog: Catalog | None = None
) -> LlamaEngine:
    """The engine that the settings name; it is prepared and loaded by its first use."""
    catalog = catalog or Catalog()
    model = catalog.resolve(settings.model)
    if settings.kv_form not in CACHES:
        raise UsageError(f"There is no form of keys and values '{settings.kv_form}'.", f"Known: {', '.join(CACHES)}.")
    options = Options(
        context_tokens=settings.context_tokens,
        threads=device.threads(settings.threads).value,
        cache=settings.kv_form,
        aside_bytes=settings.kv_memory_mb << 20,
    )
    return LlamaEngine(
        model.path,
        options,
        identity=model.identity,
        locate=lambda: placed(model, options, settings.gpu_layers, catalog.prepared_directory, progress),
        adapter=shipped(READER) if model.origin == "bundled" and settings.reader else None,
    )


def placed(
    model: Model,
    options: Options,
    gpu_layers: int,
    directory: Path,
    progress: Callable[[Progress], None] | None = None,
) -> tuple[Path, Options]:
    """The file to open and how: on a GPU as it is; on a CPU, the bundled model is prepared first."""
    layers = device.gpu_layers(bool(library().llama_supports_gpu_offload()), gpu_layers)
    if layers.value != 0:
        on_gpu = replace(options, gpu_layers=layers.value, flash=FLASH_AUTO, ubatch_tokens=_GPU_UBATCH)
        return model.path, replace(on_gpu, extra_buffers=_repacks(directory))
    if model.origin != "bundled":
        return model.path, replace(options, extra_buffers=_repacks(directory))
    try:
        best = prepare(model.path, model.sha256, directory, options, progress)
    except ModelError as error:
        log.warning("%s The model is used as it was shipped.", error)
        return model.path, replace(options, extra_buffers=_repacks(directory))
    return best.path, replace(options, extra_buffers=best.extra_buffers)


def _repacks(directory: Path) -> bool:
    sample = bundled_path()
    if sample is None:
        return SUSPECT_FLAG not in device.cpu().flags
    try:
        return repacking(sample, directory).allowed
    except ModelError as error:
        log.warning("%s Weights are not repacked.", error)
        return False
