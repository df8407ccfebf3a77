"""Beam search: the likeliest continuations of a prompt, followed side by side (Sutskever et al., 2014)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memapp.models.native import Model
from memapp.models.sampling import Assembler, log_sum
from memapp.models.sequences import Window
from memapp.types import Beam, Sampling

if TYPE_CHECKING:
    from memapp.models.native import Logits

FAR = 5.0
"""Nats below the likeliest continuation from which another is followed no more."""


@dataclass(frozen=True, slots=True)
class _Path:
    tokens: tuple[int, ...] = ()
    logprob: float = 0.0
    parent: int = 0
    """The beam that it goes on from."""

    def then(self, token: int, logprob: float, parent: int) -> _Path:
        return _Path((*self.tokens, token), self.logprob + logprob, parent)


def search(model: Model, window: Window, sampling: Sampling, stopped: Callable[[], bool]) -> list[Beam]:
    """Up to `sampling.beams` continuations of what the window holds, likeliest first.

    They are those that ended; where none did within `max_tokens`, the likeliest as far as it came. Each counts its
    end, so that their probabilities can be compared. The window is then as it was.
    """
    ended: list[tuple[str, _Path]] = []
    live, logits = [_Path()], window.logits()[None]
    try:
        for step in range(sampling.max_tokens):
            following = []
            for path in _following(live, logits, sampling.beams):
                text, ends = _text(model, path.tokens, sampling)
                if ends:
                    ended.append((text, path))
                else:
                    following.append(path)
            ended = sorted(ended, key=lambda pair: -pair[1].logprob)[: sampling.beams]
            # Each takes as many cells as it has tokens; where the window is nearly full, fewer are followed.
            fitting = (window.size - window.used) // (step + 1)
            rest = _worth_following(following, ended, sampling.beams)[:fitting]
            if not rest or stopped():
                break
            live = rest
            logits = window.branch([path.parent for path in live], [path.tokens[-1] for path in live], step)
    finally:
        window.prune()
    if not ended:
        text, _ = _text(model, live[0].tokens, sampling)
        return [Beam(text, live[0].logprob, len(live[0].tokens), ended=False)]
    return [Beam(text, path.logprob, len(path.tokens)) for text, path in ended]


def _following(live: list[_Path], logits: Logits, count: int) -> list[_Path]:
    """Of each path the `count` likeliest next tokens; of all those the likeliest first."""
    import numpy as np

    found: list[_Path] = []
    for beam, (path, row) in enumerate(zip(live, logits, strict=True)):
        total = log_sum(row)
        likeliest = np.argpartition(row, -count)[-count:]
        found += [path.then(int(token), float(row[token]) - total, beam) for token in likeliest]
    return sorted(found, key=lambda path: -path.logprob)


def _worth_following(paths: list[_Path], ended: list[tuple[str, _Path]], count: int) -> list[_Path]:
    """The likeliest, without those that can come to nothing: probabilities only fall."""
    best = max([path.logprob for path in paths[:1]] + [path.logprob for _, path in ended[:1]], default=0.0)
    floor = best - FAR
    if len(ended) == count:
        floor = max(floor, ended[-1][1].logprob)
    return [path for path in paths[:count] if path.logprob > floor]


def _text(model: Model, tokens: tuple[int, ...], sampling: Sampling) -> tuple[str, bool]:
    """What the tokens spell up to a stop string, and whether they end there."""
    assembler = Assembler(sampling.stop)
    last = model.ends(tokens[-1]) if tokens else False
    text = assembler.feed(b"".join(model.piece(token) for token in (tokens[:-1] if last else tokens)))
    return (text, True) if assembler.stopped else (text + assembler.flush(), last)
