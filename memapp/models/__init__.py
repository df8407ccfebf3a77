"""Models: the embedder, the language model, and which of them are known here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memapp.models.llama import LlamaEngine
    from memapp.settings import Settings
    from memapp.types import Progress


def open_engine(settings: Settings, progress: Callable[[Progress], None] | None = None) -> LlamaEngine:
    """The language model that the settings name. Cheap: it is prepared and loaded by its first use.

    Raises UsageError, ModelMissing or ModelDamaged when there is no such model.
    """
    from memapp.models.opening import open_engine as opened

    return opened(settings, progress)


__all__ = ["open_engine"]
