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
    spelled: bytes = b""
    """What the tokens spell; those that end a turn spell nothing."""
    logprob: float = 0.0
    parent: int = 0
    """The beam that it goes on from."""

    def then(self, token: int, piece: bytes, logprob: float, parent: int) -> _Path:
        return _Path((*self.tokens, token), self.spelled + piece, self.logprob + logprob, parent)


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
            for path in _following(model, live, logits, sampling.beams):
                text, stops = _text(path, sampling)
                if stops or model.ends(path.tokens[-1]):
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
        text, _ = _text(live[0], sampling)
        return [Beam(text, live[0].logprob, len(live[0].tokens), ended=False)]
    return [Beam(text, path.logprob, len(path.tokens)) for text, path in ended]


def _following(model: Model, live: list[_Path], logits: Logits, count: int) -> list[_Path]:
    """Of each path the `count` likeliest next tokens; of all those the likeliest first."""
    import numpy as np

    found: list[_Path] = []
    for beam, (path, row) in enumerate(zip(live, logits, strict=True)):
        total = log_sum(row)
        likeliest = map(int, np.argpartition(row, -count)[-count:])
        found += [path.then(token, model.piece(token), float(row[token]) - total, beam) for token in likeliest]
    return sorted(found, key=lambda path: -path.logprob)


def _worth_following(paths: list[_Path], ended: list[tuple[str, _Path]], count: int) -> list[_Path]:
    """The likeliest, without those that can come to nothing: probabilities only fall."""
    best = max([path.logprob for path in paths[:1]] + [path.logprob for _, path in ended[:1]], default=0.0)
    floor = best - FAR
    if len(ended) == count:
        floor = max(floor, ended[-1][1].logprob)
    return [path for path in paths[:count] if path.logprob > floor]


def _text(path: _Path, sampling: Sampling) -> tuple[str, bool]:
    """What is spelled up to a stop string, and whether one came."""
    assembler = Assembler(sampling.stop)
    text = assembler.feed(path.spelled)
    return (text, True) if assembler.stopped else (text + assembler.flush(), False)
