"""What is asked of memory, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from memapp.types.arrays import Vectors
from memapp.types.remembered import Fact, Passage


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of a conversation and the answer that it got."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question in the forms that layers need."""

    text: str
    vector: Vectors | None = None
    """Unit length, shape (dimension,); None when no layer asked for it."""
    near: tuple[Score, ...] = ()
    """What other layers recalled, fused, best first: where a layer that follows links starts from."""
    facts: tuple[FittingFact, ...] = ()
    """Facts that fit the question, whose phrases such a layer starts from too."""


@dataclass(frozen=True, slots=True)
class FittingFact:
    """A fact, and how well it fits a question, in [0, 1]."""

    fact: Fact
    score: float


@dataclass(frozen=True, slots=True)
class Score:
    """What one layer says of one passage; larger is better, comparable within that layer only."""

    passage: int
    value: float
    why: str = ""
    signals: Mapping[str, float] = field(default_factory=dict)
    """What the layer knows of the passage besides, for a ranker that sees all layers."""
    links: tuple[Link, ...] = ()
    """How a layer that follows links came to the passage."""


@dataclass(frozen=True, slots=True)
class Link:
    """A step from the question, or from a passage, through a phrase to a passage."""

    phrase: int
    """The key of the phrase's normal form, see `Extraction`; words themselves stand in the store only."""
    source: int | None = None
    """The passage that it comes from; None when the question names the phrase itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """A `Link` in words."""

    phrase: str
    """As the passage that was found writes it."""
    source: str = ""
    """Name of the passage that it comes from; empty when the question names the phrase itself."""
    passage: int | None = None
    """Id of that passage."""


@dataclass(frozen=True, slots=True)
class LayerShare:
    """One layer's part in a hit."""

    layer: str
    rank: int
    score: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A recalled passage."""

    rank: int
    score: float
    """The fused score, in [0, 1]."""
    passage: Passage
    shares: tuple[LayerShare, ...] = ()
    path: tuple[Step, ...] = ()
    """How the graph came to the passage: the phrases that the question names, then steps from other passages."""
    standing: str = ""
    """Of which day it is, where the same person told the same thing otherwise on another; empty where nobody did."""
    outdated: bool = False
    """Whether the one of another day is newer and says otherwise."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that found the passage."""
        return tuple(share.layer for share in self.shares)

    @property
    def why(self) -> str:
        """One line on how the passage was found."""
        return "; ".join(
            f"{share.layer} #{share.rank} ({share.score:.3f}{', ' + share.why if share.why else ''})"
            for share in self.shares
        )
