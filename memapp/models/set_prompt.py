"""Prompts as tokens, and how they come into the window: one after another, or as a set of passages read apart.

Set-based prompting (McIlroy-Young et al., 2024): every passage begins at the same position and sees the system message
and itself; what follows them sees all. So a passage's keys and values depend on nothing else of a prompt, and can be
kept. After earlier turns their keys are turned to where the passages stand now; what they saw stays the same.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from memapp.errors import GenerationFailed
from memapp.models import native
from memapp.models import states as tokenized
from memapp.models.sequences import Piece
from memapp.models.tempered import tempered
from memapp.protocols import StateKey, StateStore
from memapp.types import Message, Reading, SetPrompt

if TYPE_CHECKING:
    from memapp.models.native import Model, Options
    from memapp.models.sequences import Window
    from memapp.models.template import Template

log = logging.getLogger("memapp.llama")

TAIL = 32
"""The end of a prompt is always computed, as one batch: its logits are then the same with and without reuse."""

_UNTEMPERED = "passages draw attention as they are: llama.cpp writes states in another way than is known"

Stopped = Callable[[], bool]


class Tokens(Protocol):
    """A prompt as tokens."""

    @property
    def ids(self) -> list[int]:
        """All of them, in the order in which they would be read one after another."""
        ...

    def enter(self, window: Window, stopped: Stopped) -> list[int]:
        """Makes the window hold all but the tokens that are returned, of which there is at least one."""
        ...

    def leave(self, window: Window) -> None:
        """Takes out of the window what later prompts cannot go on from."""
        ...

    def reading(self, text_ms: float) -> Reading:
        """What entering cost, with the time that the returned tokens took."""
        ...


@dataclass(slots=True)
class Plain:
    """One token after another."""

    ids: list[int]
    session: int = 0
    """Tokens at the beginning that are a conversation."""
    _rest: int = 0
    _ms: float = 0.0
    _note: str = ""

    def enter(self, window: Window, stopped: Stopped) -> list[int]:
        """Keeps the beginning that the window or a conversation put aside shares with the prompt."""
        began = time.perf_counter()
        self._note = window.recover(self.ids[: max(len(self.ids) - TAIL, 0)], self.session)
        self._ms = _since(began)
        self._rest = len(self.ids) - len(window.held)
        return self.ids[len(window.held) :]

    def leave(self, window: Window) -> None:
        """What was computed token by token differs in the last digits from what is computed as a batch: without it,
        an answer does not depend on what was asked before."""
        window.keep(min(len(window.held), len(self.ids)))

    def reading(self, text_ms: float) -> Reading:
        """All that was not held was computed."""
        ms = {"held": self._ms, "text": text_ms}
        return Reading("sequential", len(self.ids) - self._rest, self._rest, ms=ms, note=self._note)


@dataclass(frozen=True, slots=True)
class Kept:
    """A passage as tokens, and the name of what the model makes of it."""

    key: StateKey
    ids: list[int]
    temperature: float = 1.0
    """Of the attention to what is kept of it."""


@dataclass(slots=True)
class Apart:
    """A set of passages, between what comes before them and what follows."""

    base: list[int]
    """What every passage sees."""
    head: list[int]
    """What the window holds before them: `base`, or more of a conversation."""
    passages: list[Kept]
    tail: list[int]
    session: int
    states: StateStore | None = None
    ordered: bool = True
    """Whether passages are joined in the order of their keys, so that not even rounding depends on their order."""
    spread: bool = False
    """Whether each passage begins where the one before it ends, in the order given: positions of their own, but still
    apart."""
    _counts: dict[str, int] = field(default_factory=dict)
    _ms: dict[str, float] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)
    _again: bool = False

    @property
    def ids(self) -> list[int]:
        """All tokens, passages in the order given."""
        return [*self.head, *(token for one in self.passages for token in one.ids), *self.tail]

    def enter(self, window: Window, stopped: Stopped) -> list[int]:
        """Fetches the states that there are, makes the others, and joins them all behind the head."""
        free = self.ordered and not self.spread
        passages = sorted(self.passages, key=lambda one: one.key.sha256) if free else self.passages
        began = time.perf_counter()
        found = [self.states.get(one.key) if self.states else None for one in passages]
        self._ms["restored"] = _since(began)
        missing = [n for n, state in enumerate(found) if state is None]
        self._count(passages, missing)
        self._make(window, passages, found, missing, stopped)
        began = time.perf_counter()
        note = window.recover(self.head, self.session)
        self._ms["held"] = _since(began)
        self._notes += [note] if note else []
        self._counts["held"] = len(window.held)
        began = time.perf_counter()
        window.extend(self.head[len(window.held) :], stopped)
        self._ms["text"] = _since(began)
        self._join(window, passages, found, stopped)
        return self.tail

    def _count(self, passages: Sequence[Kept], missing: Sequence[int]) -> None:
        self._counts["prefilled"] = sum(len(passages[n].ids) for n in missing)
        self._counts["restored"] = sum(len(one.ids) for one in passages) - self._counts["prefilled"]
        if missing and self.states is None:
            self._notes.append("states are not kept: `kv_mb` is 0")

    def _make(
        self,
        window: Window,
        passages: Sequence[Kept],
        found: list[bytes | None],
        missing: Sequence[int],
        stopped: Stopped,
    ) -> None:
        """Reads the missing passages apart, and keeps what became of them."""
        began = time.perf_counter()
        if missing:
            window.begin(self.base, stopped)
        for n in missing:
            state = found[n] = window.read_apart(passages[n].ids, stopped)
            if self.states is not None:
                self.states.put(passages[n].key, state)
        self._ms["prefilled"] = self._ms.get("prefilled", 0.0) + _since(began)

    def _join(
        self,
        window: Window,
        passages: Sequence[Kept],
        found: list[bytes | None],
        stopped: Stopped,
    ) -> None:
        began = time.perf_counter()
        states = [state or b"" for state in found]
        under = [tempered(state, one.temperature) for one, state in zip(passages, states, strict=True)]
        pieces = [Piece(new or state, len(one.ids)) for new, state, one in zip(under, states, passages, strict=True)]
        refused = window.join(pieces, len(self.base), self.spread)
        self._ms["restored"] += _since(began)
        if not refused:
            self._notes += [_UNTEMPERED] if None in under else []
            return
        if self._again:
            raise GenerationFailed("llama.cpp does not take the states that it made.", "Set `reading` to sequential.")
        self._again = True
        for n in refused:
            log.warning("llama.cpp does not take the kept state of a passage; it is made anew.")
            if self.states is not None:
                self.states.drop(passages[n].key)
        self._make(window, passages, found, refused, stopped)
        window.recover(self.head, self.session)
        window.extend(self.head[len(window.held) :], stopped)
        self._join(window, passages, found, stopped)

    def leave(self, window: Window) -> None:
        """Passages and what follows them stand where the next turn does."""
        window.keep(len(self.head))

    def reading(self, text_ms: float) -> Reading:
        """The tail, and what of the head was not held, were computed."""
        counts, ms = self._counts, {**self._ms, "text": self._ms.get("text", 0.0) + text_ms}
        held = counts.get("held", 0)
        text = len(self.head) - held + len(self.tail)
        notes = "; ".join(self._notes)
        kind: Literal["set", "apart"] = "apart" if self.spread else "set"
        restored, prefilled = counts.get("restored", 0), counts.get("prefilled", 0)
        return Reading(kind, held, text, restored, prefilled, ms=ms, note=notes)


def plain(template: Template, messages: Sequence[Message]) -> Plain:
    """The prompt of these messages. Raises ModelError when the template cannot write it."""
    earlier = messages[:-1]
    if not any(message.role == "assistant" for message in earlier) or messages[-1].role != "user":
        return Plain(template.tokens(messages))
    head, _ = template.around([*earlier, Message("user", "")])
    return Plain(template.tokens(messages), len(head))


def apart(
    model: Model,
    template: Template,
    prompt: SetPrompt,
    identity: str,
    options: Options,
    states: StateStore | None = None,
    adapter: str = "",
) -> Apart:
    """The tokens of a set prompt, with the names of its passages' states. Raises ModelError as `plain` does."""
    opening = Message("user", prompt.opening)
    told = [message for message in prompt.messages if message.role == "system"]
    base, _ = template.around([*told, opening])
    head, after = template.around([*prompt.messages, opening])
    digest = hashlib.sha256(f"{identity}\n{described(model, options, adapter)}\n{base}\n".encode())
    kept = [_kept(model, one.passage, one.text, one.temperature, digest.copy()) for one in prompt.passages if one.text]
    session = len(head) if len(told) < len(prompt.messages) else 0
    tail = [*model.tokenize(prompt.closing, special=False), *after, *model.tokenize(prompt.begun, special=False)]
    return Apart(base, head, kept, tail, session, states, spread=prompt.spread)


def described(model: Model, options: Options, adapter: str = "") -> str:
    """All that states depend on beside the tokens: states of anything else are not looked for."""
    template = hashlib.sha256(model.template.encode()).hexdigest()
    parts = (model.form, adapter, template, native.build(), options.cache, options.flash, options.gpu_layers)
    return "\n".join(map(str, (*parts, options.extra_buffers, options.ubatch_tokens)))


def _kept(model: Model, passage: int, text: str, temperature: float, digest: hashlib._Hash) -> Kept:
    ids, _ = tokenized.tokens(model, text)
    digest.update(str(ids.tolist()).encode())
    return Kept(StateKey(passage, digest.hexdigest()), ids.tolist(), temperature)


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
