"""A window of several sequences: the one that answers are written in, one in which a passage is read or restored, and
those of the beams of a search.

Cells are shared by all, so a passage moves from one to the other, and its keys to another position, without being
computed or copied, and beams share the prompt. Every range is checked first: llama.cpp ends the process at one that it
does not expect.
"""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from memapp.errors import GenerationFailed
from memapp.models.native import Aborted, Context

if TYPE_CHECKING:
    from memapp.models.native import Logits, Model, Options
    from memapp.models.tap import Tap

ANSWER, ASIDE = 0, 1
BEAMS = 8
"""Continuations that can be followed side by side."""
_BEAMS_FROM = 2
SEQUENCES = _BEAMS_FROM + 2 * BEAMS
"""Each beam has two: its next token goes into the other."""
_WORTH = 128
"""Tokens that are worth the time to put a state aside or to fetch it."""
_BEGINNINGS = 8
"""Beginnings whose states are kept; a program has one or two."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage whose state is to be joined."""

    state: bytes
    tokens: int


@dataclass(frozen=True, slots=True)
class _Joined:
    """Passages in the window: they begin at position `at` and take `cells`."""

    at: int
    cells: int


_Known = tuple[int, tuple[int, ...]]
"""The adapter that a state was made with, and its tokens."""


class Window(Context):
    """A Context that can also read passages apart and keeps what it holds of other conversations.

    `held` are the tokens before the joined passages and after them; while some are joined, only what stands before
    them can be kept.
    """

    def __init__(self, model: Model, options: Options, lib: ModuleType, pointer: Any, tap: Tap | None = None) -> None:
        super().__init__(model, options, lib, pointer, tap)
        self.sequences = options.sequences
        self._joined: _Joined | None = None
        self._beginnings: dict[_Known, bytes] = {}
        self._others: OrderedDict[_Known, bytes] = OrderedDict()
        self.budget = 0 if model.kept_whole else options.aside_bytes
        """Bytes that states of other conversations may take."""
        self._session = 0
        """Tokens at the beginning of `held` that are a conversation."""

    # What the window holds

    def keep(self, count: int) -> None:
        """Forgets all but the first `count` tokens, and the joined passages unless all that came before is kept."""
        if (joined := self._joined) is not None:
            if count > joined.at and count >= len(self.held):
                return
            # Passages begin where the tokens before them end, so they go with what follows.
            self._joined = None
            self.remove(ANSWER, joined.at)
            del self.held[joined.at :]
        super().keep(count)

    @property
    def used(self) -> int:
        """Cells that are taken."""
        return len(self.held) + (self._joined.cells if self._joined else 0)

    def _decode(self, tokens: Sequence[int], every: bool) -> None:
        if self._joined is None:
            super()._decode(tokens, every)
            return
        if self.used + len(tokens) > self.size:
            raise GenerationFailed("The model's window is full.", "Set a larger `context_tokens`.")
        at = self._joined.at
        try:
            super()._decode(tokens, every)
        except Aborted:
            # What was removed there was by count; behind passages, positions are further on.
            self.keep(at)
            raise

    # Other conversations

    def recover(self, tokens: Sequence[int], session: int) -> str:
        """Makes the window hold as much of the beginning of these tokens as is known; why it is not more.

        The first `session` tokens are a conversation that may go on: its state is put aside, within `budget`, when
        another prompt takes the window.
        """
        here, there = common(self.held, tokens), self._nearest(self._others, tokens)
        state = self._others.pop((self._made_with, there)) if common(there, tokens) > here + _WORTH else None
        if self._session > here + _WORTH:
            self.put_aside()
        if state is not None:
            self._hold(there, state)
        elif common(begun := self._nearest(self._beginnings, tokens), tokens) > common(self.held, tokens):
            self._hold(begun, self._beginnings[self._made_with, begun])
        here = common(self.held, tokens)
        note = "" if here + _WORTH >= min(session, len(tokens)) else self._why(here, session)
        self.keep(here)
        self._session = session
        return note

    def put_aside(self) -> None:
        """Keeps the state of the conversation that the window holds, if there is one, and empties the window."""
        self.keep(self._session)
        if len(self.held) >= _WORTH and self.budget > 0:
            held, made_with = tuple(self.held), self._made_with
            for known in [(by, other) for by, other in self._others if by == made_with and other == held[: len(other)]]:
                del self._others[known]
            self._others[made_with, held] = self.save(ANSWER)
            while sum(map(len, self._others.values())) > self.budget:
                self._others.popitem(last=False)
        self._session = 0
        self.keep(0)

    def _hold(self, tokens: Sequence[int], state: bytes) -> None:
        self.clear()
        if self.restore(ANSWER, state):
            self.held[:] = tokens

    @property
    def _made_with(self) -> int:
        """What tells states of different adapters apart."""
        return id(self._adapter)

    def _nearest(self, kept: Collection[_Known], tokens: Sequence[int]) -> tuple[int, ...]:
        """Of what is kept, and made as the window computes now, what shares most with these tokens."""
        own = (held for by, held in kept if by == self._made_with)
        return max(own, key=lambda held: common(held, tokens), default=())

    def _why(self, here: int, session: int) -> str:
        if self.budget <= 0:
            return "conversations are not kept: `kv_memory_mb` is 0"
        if here <= _WORTH:
            return "nothing of this conversation is kept: it is new here, was left aside too long, or was forgotten"
        return f"only {here} of the conversation's {session} tokens are as they were: earlier turns were left out"

    def adapt(self, adapter: Any) -> None:
        """As Context.adapt; what the window holds of a conversation is put aside until it goes on as it began."""
        if adapter is not self._adapter:
            self.put_aside()
        super().adapt(adapter)

    def forget(self) -> None:
        """Empties the window and what is kept aside."""
        self.clear()
        self._session = 0
        self._beginnings.clear()
        self._others.clear()
        self._lib.llama_memory_clear(self._memory, True)

    # Passages

    def begin(self, tokens: Sequence[int], stopped: Callable[[], bool]) -> None:
        """Makes the window hold just this beginning; it is computed once."""
        key = self._made_with, tuple(tokens)
        self.put_aside()
        self.clear()
        if key not in self._beginnings:
            self.extend(tokens, stopped)
            if len(self._beginnings) >= _BEGINNINGS:
                self._beginnings.clear()
            self._beginnings[key] = self.save(ANSWER)
            return
        self._hold(key[1], self._beginnings[key])

    def read_apart(self, tokens: Sequence[int], stopped: Callable[[], bool]) -> bytes:
        """The state of a passage that sees what the window holds and itself; the window is then as it was.

        Raises Aborted when stopped, GenerationFailed when it does not fit.
        """
        start = len(self.held)
        if not tokens or start + len(tokens) > self.size:
            raise GenerationFailed(f"A passage of {len(tokens)} tokens does not fit.", "Set a larger `context_tokens`.")
        self.share(ANSWER, ASIDE, 0, start)
        try:
            for first in range(0, len(tokens), self.ubatch):
                if stopped():
                    raise Aborted
                self._decode_aside(tokens[first : first + self.ubatch], start + first)
            self.remove(ASIDE, 0, start)
            return self.save(ASIDE)
        finally:
            self.remove(ASIDE)

    def _decode_aside(self, tokens: Sequence[int], position: int) -> None:
        positions = range(position, position + len(tokens))
        self._decode_in(tokens, positions, [ASIDE] * len(tokens), every=False)

    def _decode_in(self, tokens: Sequence[int], positions: Sequence[int], targets: Sequence[int], every: bool) -> None:
        """Computes tokens, each at its position of its sequence, with the logits after `every` one or none."""
        count = len(tokens)
        ids = (self._lib.llama_token * count)(*tokens)
        places = (ctypes.c_int32 * count)(*positions)
        owners = [(ctypes.c_int32 * 1)(target) for target in targets]
        pointers = [ctypes.cast(owner, ctypes.POINTER(ctypes.c_int32)) for owner in owners]
        sequences = (ctypes.POINTER(ctypes.c_int32) * count)(*pointers)
        ones = (ctypes.c_int32 * count)(*[1] * count)
        wanted = (ctypes.c_int8 * count)(*[int(every)] * count)
        batch = self._lib.llama_batch_get_one(ids, count)
        for name, array in (("pos", places), ("n_seq_id", ones), ("seq_id", sequences), ("logits", wanted)):
            setattr(batch, name, ctypes.cast(array, type(getattr(batch, name))))
        outcome = self._lib.llama_decode(self._context, batch)
        if outcome == 2:
            raise Aborted
        if outcome:
            raise GenerationFailed(f"llama.cpp gave up (code {outcome}).", "Ask again.")

    def join(self, pieces: Sequence[Piece], read_at: int, spread: bool = False) -> list[int]:
        """Puts passages that were read at position `read_at` behind what the window holds: all at the same position,
        or, when `spread`, each where the one before it ends.

        The numbers of those whose states llama.cpp does not take; if there are any, nothing is joined. Raises
        GenerationFailed when they do not fit.
        """
        at = place = len(self.held)
        cells = sum(piece.tokens for piece in pieces)
        if at + cells > self.size:
            raise GenerationFailed("The passages do not fit into the model's window.", "Set a larger `context_tokens`.")
        refused = []
        for number, piece in enumerate(pieces):
            if not self._taken(piece, read_at):
                refused.append(number)
            elif not refused:
                if place != read_at:
                    self.move(ASIDE, read_at, read_at + piece.tokens, place - read_at)
                self.share(ASIDE, ANSWER, place, place + piece.tokens)
                place += piece.tokens if spread else 0
            self.remove(ASIDE)
        if refused:
            self.remove(ANSWER, at)
        elif pieces:
            self._joined = _Joined(at, cells)
        return refused

    def _taken(self, piece: Piece, read_at: int) -> bool:
        return self.restore(ASIDE, piece.state) and self.span(ASIDE) == (read_at, read_at + piece.tokens - 1)

    # Beams

    def branch(self, parents: Sequence[int], tokens: Sequence[int], step: int) -> Logits:
        """Logits after the next token of each beam, shape (len(tokens), vocabulary), valid until the next computation.

        At step 0 the beams go on from what the window holds; later beam n goes on from beam `parents[n]` of the step
        before. Raises Aborted when interrupted, GenerationFailed when the window is full; then `prune` is due.
        """
        import numpy as np

        old, new = (_BEAMS_FROM + side * BEAMS for side in ((step + 1) % 2, step % 2))
        end = self.span(ANSWER)[1] + 1 + step
        if len(tokens) > BEAMS or self.used + (step + 1) * len(tokens) > self.size:
            raise GenerationFailed("The model's window is full.", "Set a larger `context_tokens`.")
        for beam, parent in enumerate(parents):
            self.share(ANSWER if step == 0 else old + parent, new + beam, 0, end)
        for sequence in range(old, old + BEAMS):
            self.remove(sequence)
        self._decode_in(tokens, [end] * len(tokens), range(new, new + len(tokens)), every=True)
        pointer = self._lib.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, shape=(len(tokens), self.model.vocabulary))

    def prune(self) -> None:
        """Takes all beams out of the window, which is then as it was before the first."""
        for sequence in range(_BEAMS_FROM, self.sequences):
            self.remove(sequence)

    # llama.cpp's memory, checked

    def span(self, sequence: int) -> tuple[int, int]:
        """First and last position of a sequence; (-1, -1) when it is empty."""
        self._check(sequence)
        first = self._lib.llama_memory_seq_pos_min(self._memory, sequence)
        return int(first), int(self._lib.llama_memory_seq_pos_max(self._memory, sequence))

    def share(self, source: int, target: int, first: int, end: int) -> None:
        """Makes the cells of positions first to end - 1 of one sequence the other's too."""
        self._check(source, first, end)
        self._check(target)
        low, high = self.span(source)
        if source == target or first < low or end > high + 1:
            raise _wrong(f"{first} to {end} of {low} to {high + 1}")
        self._lib.llama_memory_seq_cp(self._memory, source, target, first, end)

    def move(self, sequence: int, first: int, end: int, by: int) -> None:
        """Moves positions first to end - 1 of a sequence; its cells must be nobody else's."""
        self._check(sequence, first, end)
        if first + by < 0 or end + by > self.size or not self._lib.llama_memory_can_shift(self._memory):
            raise _wrong(f"{first} to {end} by {by}")
        self._lib.llama_memory_seq_add(self._memory, sequence, first, end, by)

    def remove(self, sequence: int, first: int = 0, end: int = -1) -> None:
        """Takes positions first to end - 1 from a sequence; -1 is its end."""
        self._check(sequence, first, self.size if end == -1 else end)
        if not self._lib.llama_memory_seq_rm(self._memory, sequence, first, end):
            raise _wrong(f"{first} to {end}")

    def save(self, sequence: int) -> bytes:
        """The state of a sequence, as llama.cpp writes it."""
        self._check(sequence)
        size = int(self._lib.llama_state_seq_get_size(self._context, sequence))
        buffer = (ctypes.c_uint8 * size)()
        if int(self._lib.llama_state_seq_get_data(self._context, buffer, size, sequence)) != size:
            raise GenerationFailed("llama.cpp does not give its state.", "Set `kv_mb` to 0.")
        return bytes(buffer)

    def restore(self, sequence: int, state: bytes) -> bool:
        """Puts a state back into an emptied sequence; False when llama.cpp does not take it."""
        self._check(sequence)
        data = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        return int(self._lib.llama_state_seq_set_data(self._context, data, len(state), sequence)) == len(state)

    def clear(self) -> None:
        """Empties both sequences, so that cells are taken from the first on."""
        self.held.clear()
        self._joined = None
        self._lib.llama_memory_clear(self._memory, False)

    def _check(self, sequence: int, first: int = 0, end: int = 1) -> None:
        if not 0 <= sequence < self.sequences or not 0 <= first <= end <= self.size:
            raise _wrong(f"{first} to {end} of sequence {sequence}")


def common(held: Sequence[int], prompt: Sequence[int]) -> int:
    """Length of the beginning that both share."""
    for n, (old, new) in enumerate(zip(held, prompt, strict=False)):
        if old != new:
            return n
    return min(len(held), len(prompt))


def _wrong(what: str) -> GenerationFailed:
    return GenerationFailed(f"The model's window has no such positions: {what}.", "Ask again.")
