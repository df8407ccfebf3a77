"""memapp: a long memory for local language models. Importing it is free; a name loads what it needs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memapp.errors import MemappError as MemappError
    from memapp.memory import Memory as Memory
    from memapp.settings import Settings as Settings
    from memapp.types import Answer as Answer
    from memapp.types import BatchReport as BatchReport
    from memapp.types import Check as Check
    from memapp.types import Citation as Citation
    from memapp.types import Completion as Completion
    from memapp.types import Document as Document
    from memapp.types import DocumentInfo as DocumentInfo
    from memapp.types import Done as Done
    from memapp.types import FactsReport as FactsReport
    from memapp.types import ForgetReport as ForgetReport
    from memapp.types import Hit as Hit
    from memapp.types import ImportReport as ImportReport
    from memapp.types import Influence as Influence
    from memapp.types import IngestReport as IngestReport
    from memapp.types import Item as Item
    from memapp.types import LearnReport as LearnReport
    from memapp.types import Likelihood as Likelihood
    from memapp.types import OriginStats as OriginStats
    from memapp.types import Passage as Passage
    from memapp.types import Progress as Progress
    from memapp.types import ReadReport as ReadReport
    from memapp.types import Recalled as Recalled
    from memapp.types import SearchResult as SearchResult
    from memapp.types import Source as Source
    from memapp.types import Stats as Stats
    from memapp.types import Token as Token
    from memapp.types import Turn as Turn

__version__ = "0.1.0"

_HOMES = {"Memory": "memapp.memory", "MemappError": "memapp.errors", "Settings": "memapp.settings"}

__all__ = [
    "Answer",
    "BatchReport",
    "Check",
    "Citation",
    "Completion",
    "Document",
    "DocumentInfo",
    "Done",
    "FactsReport",
    "ForgetReport",
    "Hit",
    "Hop",
    "ImportReport",
    "Influence",
    "IngestReport",
    "Item",
    "LearnReport",
    "Likelihood",
    "MemappError",
    "Memory",
    "Note",
    "OriginStats",
    "Passage",
    "Progress",
    "ReadReport",
    "Recalled",
    "SearchResult",
    "Settings",
    "Source",
    "Stats",
    "Token",
    "Turn",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'memapp' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES.get(name, "memapp.types")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
