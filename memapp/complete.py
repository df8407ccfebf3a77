"""The story of going on with a text, and what the parametric memory did to what was written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from memapp.protocols import Engine
from memapp.settings import Settings
from memapp.types import Completion, Finish, Influence, Message, Passage, Sampling, Source, Tokens

if TYPE_CHECKING:
    from memapp.layers.parametric.mixture import Mixture

Passages = Callable[[Sequence[int]], Mapping[int, Passage]]
_GO_ON = "Go on with the text that you began."


def complete(
    engine: Engine,
    text: str,
    settings: Settings,
    bias: Mixture | None,
    passages: Passages,
    tokens: int | None = None,
    cancel: threading.Event | None = None,
) -> Completion:
    """What the model writes after `text`, with a bias or without; no passage is read."""
    messages = (Message("user", _GO_ON), Message("assistant", text))
    how = sampling(settings, tokens or settings.answer_tokens, ())
    added, finish = "", Finish("stop", 0, 0)
    for piece in engine.stream(messages, how, cancel, bias):
        if isinstance(piece, Finish):
            finish = piece
        else:
            added += piece.text
    counts = Tokens(finish.prompt_tokens, finish.generated_tokens, engine.context_tokens)
    return Completion(added, counts, finish.reason, influence(bias, passages))


def influence(bias: Mixture | None, passages: Passages) -> Influence | None:
    """What the parametric memory did to an answer; `passages` finds those that live by their ids."""
    if bias is None:
        return None
    known = passages(sorted(bias.sources))
    sources = tuple(
        Source(id, known[id].document, known[id].title, count)
        for id, count in sorted(bias.sources.items(), key=lambda pair: (-pair[1], pair[0]))
        if id in known
    )
    return Influence(bias.mode, bias.written, bias.changed, sources)


def sampling(settings: Settings, tokens: int, stop: tuple[str, ...]) -> Sampling:
    """How a model writes in its own way."""
    return Sampling(tokens, settings.temperature, settings.top_p, settings.typical_p, stop=stop)
