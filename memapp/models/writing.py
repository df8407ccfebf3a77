"""One generation: a prompt is read, tokens are chosen and handed on, or given ones are measured.

All of it runs in the thread that owns the window.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from memapp.models import beams
from memapp.models.native import Aborted, Context, Model
from memapp.models.sampling import Assembler, Chooser, log_probability
from memapp.models.sequences import Window
from memapp.models.set_prompt import TAIL, Tokens
from memapp.protocols import Bias
from memapp.types import Beam, Finish, Piece, Sampling

Put = Callable[[Piece | Finish], None]


@dataclass(slots=True)
class Run:
    """One generation, as its caller and the owner thread both see it."""

    cancel: threading.Event
    closing: threading.Event
    bias: Bias | None = None
    taught: bool = False
    abandoned: bool = False
    context: Context | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stopped(self) -> bool:
        return self.abandoned or self.cancel.is_set() or self.closing.is_set()

    def begin(self, context: Context) -> None:
        with self.lock:
            self.context = context

    def end(self) -> None:
        with self.lock:
            if self.context is not None:
                self.context.resume()
            self.context = None

    def interrupt(self) -> None:
        """Breaks into the computation, if it is this run's."""
        with self.lock:
            if self.context is not None:
                self.context.interrupt()


def write(model: Model, window: Window, prompt: Tokens, sampling: Sampling, run: Run, put: Put) -> None:
    """Reads the prompt and hands on what the model writes: Pieces, or Beams, then one Finish."""
    run.begin(window)
    try:
        if sampling.beams > 1 and run.bias is None and window.sequences > 1:
            _write_beams(model, window, prompt, sampling, run, put)
            return
        chooser = Chooser(model, sampling)
        try:
            _write_pieces(model, window, chooser, prompt, sampling, run, put)
        finally:
            chooser.close()
    finally:
        run.end()


def _write_beams(model: Model, window: Window, prompt: Tokens, sampling: Sampling, run: Run, put: Put) -> None:
    found: list[Beam] = []
    reading = None
    try:
        reading = prompt.reading(_read(window, prompt, run))
        found = beams.search(model, window, sampling, run.stopped)
    except Aborted:
        pass
    prompt.leave(window)
    for beam in found:
        put(beam)
    tokens = found[0].tokens if found else 0
    if run.stopped():
        put(Finish("cancelled", len(prompt.ids), tokens, reading))
    else:
        put(Finish("stop" if found and found[0].ended else "length", len(prompt.ids), tokens, reading))


def _write_pieces(
    model: Model, window: Window, chooser: Chooser, prompt: Tokens, sampling: Sampling, run: Run, put: Put
) -> None:
    assembler, generated, reason = Assembler(sampling.stop), 0, "length"
    pending, logprob, reading = 0, 0.0, None
    try:
        reading = prompt.reading(_read(window, prompt, run))
        while True:
            logits = window.logits()
            token, value = chooser.choose(run.bias.mix(window.state()[0], logits) if run.bias else logits)
            if model.ends(token):
                reason = "stop"
                break
            if run.bias:
                run.bias.accept(token)
            generated, pending, logprob = generated + 1, pending + 1, logprob + value
            if text := assembler.feed(model.piece(token)):
                put(Piece(text, logprob, pending))
                pending, logprob = 0, 0.0
            if assembler.stopped or generated == sampling.max_tokens:
                break
            window.extend([token], run.stopped)
    except Aborted:
        reason = "cancelled"
    finally:
        window.watch(False)
    prompt.leave(window)
    if assembler.stopped:
        reason = "stop"
    if tail := assembler.flush():
        put(Piece(tail, logprob, pending))
    put(Finish(reason, len(prompt.ids), generated, reading))  # type: ignore[arg-type]


def forced(window: Window, prompt: Tokens, ids: list[int], run: Run) -> float:
    """The mean log-probability of these tokens after the prompt."""
    total = 0.0
    try:
        _read(window, prompt, run)
        for token in ids:
            logits = window.logits()
            total += log_probability(run.bias.mix(window.state()[0], logits) if run.bias else logits, token)
            if run.bias:
                run.bias.accept(token)
            window.extend([token], run.stopped)
    finally:
        window.watch(False)
    prompt.leave(window)
    return total / len(ids)


def chances(window: Window, prompt: Tokens, ids: list[int], run: Run) -> list[float]:
    """The log-probability of each of these tokens as the one after the prompt."""
    try:
        _read(window, prompt, run)
        logits = window.logits()
        found = [log_probability(logits, token) for token in ids]
    finally:
        window.watch(False)
    prompt.leave(window)
    return found


def _read(window: Window, prompt: Tokens, run: Run) -> float:
    """Computes what of the prompt is not in the window; a bias is shown the end of it. The ms that it took."""
    rest = prompt.enter(window, run.stopped)
    began = time.perf_counter()
    if run.bias is None:
        window.extend(rest, run.stopped)
    else:
        window.extend(rest[:-TAIL], run.stopped)
        if run.stopped():
            raise Aborted
        window.watch(True)
        logits = window.every_logits(rest[-TAIL:])
        run.bias.begin(prompt.ids, window.state(len(logits)), logits)
    return (time.perf_counter() - began) * 1000
