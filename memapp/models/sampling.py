"""From logits to text: which token comes next, and which characters of it may be shown already.

Chooser picks tokens (greedy, temperature, top-p, a grammar or JSON schema); Assembler turns their bytes into complete
characters and ends at a stop string. Neither computes logits.
"""

from __future__ import annotations

import codecs
import ctypes
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from memapp.errors import GenerationFailed, UsageError
from memapp.models.native import Model, library
from memapp.models.sequences import BEAMS

if TYPE_CHECKING:
    from memapp.models.native import Logits
    from memapp.types import Sampling


def check(sampling: Sampling) -> None:
    """Passes when the values make sense; raises UsageError."""
    if sampling.max_tokens < 1:
        raise UsageError(f"max_tokens is {sampling.max_tokens}.", "It must be at least 1.")
    if not 0 <= sampling.temperature <= 100:
        raise UsageError(f"temperature is {sampling.temperature}.", "It must lie between 0 (greedy) and 100.")
    if not 0 < sampling.top_p <= 1:
        raise UsageError(f"top_p is {sampling.top_p}.", "It must lie above 0 and at most at 1.")
    if not 0 < sampling.typical_p <= 1:
        raise UsageError(f"typical_p is {sampling.typical_p}.", "It must lie above 0 and at most at 1.")
    if not 1 <= sampling.beams <= BEAMS:
        raise UsageError(f"beams is {sampling.beams}.", f"It must lie between 1 and {BEAMS}.")
    if sampling.beams > 1 and (sampling.temperature or sampling.grammar or sampling.schema is not None):
        raise UsageError("Several beams cannot be followed here.", "Leave out temperature, schema and grammar.")
    if sampling.grammar and sampling.schema is not None:
        raise UsageError("Both a schema and a grammar say what to write.", "Give one of them.")


class Chooser:
    """Picks the next token. Owns llama.cpp samplers: close it, in the thread that used it."""

    def __init__(self, model: Model, sampling: Sampling) -> None:
        self._model = model
        self._lib = library()
        self._greedy = sampling.temperature == 0
        self._grammar = _grammar(model, sampling)
        self._chain = self._lib.llama_sampler_chain_init(self._lib.llama_sampler_chain_default_params())
        for sampler in self._samplers(sampling):
            self._lib.llama_sampler_chain_add(self._chain, sampler)
        self._candidates: Any = None

    def _samplers(self, sampling: Sampling) -> list[Any]:
        if self._greedy:
            return [self._lib.llama_sampler_init_greedy()]
        chain = [self._lib.llama_sampler_init_top_p(sampling.top_p, 1)] if sampling.top_p < 1 else []
        if sampling.typical_p < 1:
            chain.append(self._lib.llama_sampler_init_typical(sampling.typical_p, 1))
        chain.append(self._lib.llama_sampler_init_temp(sampling.temperature))
        chain.append(self._lib.llama_sampler_init_dist(sampling.seed & 0xFFFFFFFF))
        return chain

    def choose(self, logits: Logits) -> tuple[int, float]:
        """The next token and its log-probability under the model, before temperature and grammar.

        Raises GenerationFailed when the grammar admits no token.
        """
        token = int(logits.argmax()) if self._greedy else self._sample(logits, constrained=False)
        if self._grammar is not None:
            # Asking the grammar about one token is cheap, about the whole vocabulary it is not.
            if not self._admits(token, float(logits[token])):
                token = self._sample(logits, constrained=True)
            self._lib.llama_sampler_accept(self._grammar, token)
        return token, log_probability(logits, token)

    def _sample(self, logits: Logits, constrained: bool) -> int:
        import numpy as np

        if self._candidates is None:
            self._candidates = np.empty(len(logits), dtype=[("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])
        table = self._candidates
        table["id"], table["logit"], table["p"] = np.arange(len(logits)), logits, 0
        array = self._array(table.ctypes.data, len(table))
        if constrained:
            self._lib.llama_sampler_apply(self._grammar, ctypes.byref(array))
            if not np.isfinite(table["logit"]).any():
                raise GenerationFailed("The schema or grammar admits no further text.", "Simplify it.")
        self._lib.llama_sampler_apply(self._chain, ctypes.byref(array))
        if not 0 <= array.selected < array.size:
            raise GenerationFailed("No token could be chosen.", "Try a lower temperature.")
        return int(array.data[array.selected].id)

    def _admits(self, token: int, logit: float) -> bool:
        single = self._lib.llama_token_data(token, logit, 0.0)
        array = self._array(ctypes.addressof(single), 1)
        self._lib.llama_sampler_apply(self._grammar, ctypes.byref(array))
        return bool(single.logit > float("-inf"))

    def _array(self, address: int, size: int) -> Any:
        data = ctypes.cast(address, ctypes.POINTER(self._lib.llama_token_data))
        return self._lib.llama_token_data_array(data=data, size=size, selected=-1, sorted=False)

    def close(self) -> None:
        """Frees the samplers."""
        for sampler in (self._chain, self._grammar):
            if sampler is not None:
                self._lib.llama_sampler_free(sampler)
        self._chain = self._grammar = None


def log_probability(logits: Logits, token: int) -> float:
    """The natural logarithm of the token's share under softmax."""
    return float(logits[token]) - log_sum(logits)


def log_sum(logits: Logits) -> float:
    """The logarithm of what softmax divides by."""
    import numpy as np

    top = float(logits.max())
    return top + float(np.log(np.exp(logits - top).sum(dtype=np.float64)))


def _grammar(model: Model, sampling: Sampling) -> Any:
    """The sampler that admits what the schema or the grammar does; None where neither is given."""
    if sampling.schema is not None:
        return _of_schema(model, sampling.schema)
    if not sampling.grammar:
        return None
    # A C string ends at NUL: what follows it would be ignored in silence.
    made = model.grammar(sampling.grammar) if "\0" not in sampling.grammar else None
    if made is None:
        raise UsageError(
            "llama.cpp rejects the grammar.",
            "It must be GBNF with a rule `root`, every rule defined and none beginning with itself.",
        )
    return made


def _of_schema(model: Model, schema: Mapping[str, Any]) -> Any:
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    hint = "Use the common part of JSON Schema: type, properties, required, items, enum, const, anyOf, minItems."
    try:
        text = json_schema_to_gbnf(json.dumps(schema))
    except Exception as error:
        raise UsageError(f"The JSON schema cannot be used: {error}.", hint) from error
    grammar = model.grammar(text)
    if grammar is None:
        raise UsageError("The JSON schema makes a grammar that llama.cpp rejects.", hint)
    return grammar


class Assembler:
    """Bytes of tokens in, text that may be shown out: whole characters only, never a part of a stop string."""

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = tuple(text for text in stop if text)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self.stopped = False
        """True once a stop string came; what follows it is dropped."""

    def feed(self, data: bytes) -> str:
        """What these bytes make showable, possibly nothing."""
        if self.stopped:
            return ""
        self._text += self._decoder.decode(data)
        ends = [at for at in map(self._text.find, self._stop) if at >= 0]
        if ends:
            self.stopped = True
            shown, self._text = self._text[: min(ends)], ""
            return shown
        held = self._held()
        shown = self._text[: len(self._text) - held]
        self._text = self._text[len(shown) :]
        return shown

    def _held(self) -> int:
        """Length of the longest end of the text that begins a stop string."""
        longest = max((len(text) for text in self._stop), default=1) - 1
        for length in range(min(longest, len(self._text)), 0, -1):
            if any(text.startswith(self._text[-length:]) for text in self._stop):
                return length
        return 0

    def flush(self) -> str:
        """What was held back and turned out to be text; an unfinished character is dropped."""
        shown, self._text = self._text, ""
        self._decoder.reset()
        return shown
