"""The boundary to llama.cpp: a model, a context, and what they report. Pointers never leave this module.

A Context is used by one thread at a time; worker.py sees to that. A Model's vocabulary may be read by any thread.
Low-level calls only: the high-level class of llama-cpp-python redirects the process's file descriptors while it loads.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from memapp.errors import GenerationFailed, ModelDamaged, ModelError, ModelMissing
from memapp.models.tap import Tap
from memapp.models.tensors import Place, find

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memapp.types import Vectors

    Logits = NDArray[np.float32]

log = logging.getLogger("memapp.llama")
log.addHandler(logging.NullHandler())  # else Python prints errors to the terminal where nobody set up logging

Kind = TypeVar("Kind", bound="Context")
MAGIC = b"GGUF"
FLASH_AUTO, FLASH_OFF, FLASH_ON = -1, 0, 1
CACHES = {"f16": 1, "q8_0": 8}
"""llama.cpp's numbers of the forms of keys and values."""
# llama.cpp's own levels: 1 debug, 2 info, 3 warning, 4 error. Its warnings are remarks to developers.
_LEVELS = {1: logging.DEBUG, 2: logging.DEBUG, 3: logging.INFO, 4: logging.ERROR}
_WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "300"}
"""Some microseconds, then sleep."""
_started = threading.Lock()
_complaints: deque[str] = deque(maxlen=1)
_kept: list[Any] = []  # llama.cpp holds the callback's address for as long as the process lives


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is run."""

    context_tokens: int = 4096
    ubatch_tokens: int = 256
    """Prompt tokens computed at once; also how often cancelling is looked at."""
    threads: int = 2
    gpu_layers: int = 0
    flash: int = FLASH_OFF
    """Off on a CPU: it writes faster without, and the logits do not depend on how a prompt was cut into batches."""
    extra_buffers: bool = True
    """Whether llama.cpp may repack weights for this CPU; see probe.py for when it must not."""
    sequences: int = 1
    """How many sequences a window holds; more than one share its cells."""
    cache: str = "f16"
    """Form of the keys and values: f16, or q8_0, which needs flash attention."""
    aside_bytes: int = 256 << 20
    """What keys and values of conversations may take that wait while others are answered."""


class Aborted(Exception):
    """A computation was stopped because the caller asked for it."""


def library() -> ModuleType:
    """llama.cpp's bindings, started once, with their log going to the logger `memapp.llama`."""
    with _started:
        with _waiting_threads():
            from llama_cpp import llama_cpp as bindings
        if not _kept:
            callback = bindings.llama_log_callback(_on_log)
            _kept.append(callback)
            bindings.llama_log_set(callback, ctypes.c_void_p(0))
            bindings.llama_backend_init()
    return bindings  # type: ignore[no-any-return]


@contextmanager
def _waiting_threads() -> Iterator[None]:
    """How threads wait for each other, unless the user said so: OpenMP reads it once, when it is loaded.

    A thread that sleeps at once has to be woken several hundred times for each token, which takes longer than the
    computing; one that spins for long all but stops the others as soon as another program wants the same cores.
    """
    ours = {} if os.environ.keys() & _WAITING.keys() else _WAITING
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _on_log(level: int, text: bytes | None, _: object) -> None:
    line = (text or b"").decode("utf-8", "replace").strip()
    if line.strip("."):
        log.log(_LEVELS.get(level, logging.DEBUG), "%s", line)
        if level == 4:
            _complaints.append(line)


def version() -> str:
    """The version of llama-cpp-python."""
    from importlib.metadata import version as installed

    return installed("llama-cpp-python")


def build() -> str:
    """The version, and the build of its code for CPUs, without loading either."""
    from importlib.util import find_spec

    package = find_spec("llama_cpp")
    places = (package.submodule_search_locations or []) if package else []
    libraries = sorted(file for place in places for file in Path(place, "lib").glob("*ggml-cpu*"))
    built = [f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in libraries]
    return " ".join([version(), *built])


def check_header(path: Path) -> None:
    """Passes when the file is there and begins like a GGUF file; raises ModelMissing or ModelDamaged."""
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelMissing(f"The model {path} cannot be read: {reason}.", "See `memapp models list`.") from error
    if len(head) < 24 or head[:4] != MAGIC:
        raise ModelDamaged(f"{path} is not a GGUF model.", "Add a file in llama.cpp's GGUF format.")


class Model:
    """Weights and vocabulary. Loading raises ModelMissing or ModelDamaged."""

    def __init__(self, path: Path, options: Options) -> None:
        check_header(path)
        self.path = path
        self._lib = library()
        params = self._lib.llama_model_default_params()
        params.n_gpu_layers = options.gpu_layers
        params.use_extra_bufts = options.extra_buffers
        _complaints.clear()
        self._model = self._lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self._model:
            why = f" ({_complaints[-1]})" if _complaints else ""
            raise ModelDamaged(
                f"llama.cpp cannot load {path}{why}.",
                "The file is cut short, damaged, or of a kind this llama.cpp does not know: get it again, "
                "or upgrade llama-cpp-python.",
            )
        self._vocab = self._lib.llama_model_get_vocab(self._model)
        self.vocabulary = int(self._lib.llama_vocab_n_tokens(self._vocab))
        self.trained_context = int(self._lib.llama_model_n_ctx_train(self._model))
        self.layers = int(self._lib.llama_model_n_layer(self._model))
        self.dimension = int(self._lib.llama_model_n_embd(self._model))
        self.adds_bos = bool(self._lib.llama_vocab_get_add_bos(self._vocab))
        self.bos = int(self._lib.llama_vocab_bos(self._vocab))
        self.eos = int(self._lib.llama_vocab_eos(self._vocab))

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Token ids; `special` reads control tokens in the text as such, otherwise they are plain text."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        buffer = (self._lib.llama_token * size)()
        count = self._lib.llama_tokenize(self._vocab, data, len(data), buffer, size, False, special)
        if count < 0:
            raise ModelError("The text cannot be turned into tokens.", "Shorten it.")
        return list(buffer[:count])

    def piece(self, token: int, special: bool = False) -> bytes:
        """The bytes of one token; control tokens are empty unless `special`."""
        buffer = ctypes.create_string_buffer(256)
        size = self._lib.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, special)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = self._lib.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, special)
        return buffer.raw[: max(size, 0)]

    def ends(self, token: int) -> bool:
        """Whether the token ends a turn."""
        return bool(self._lib.llama_vocab_is_eog(self._vocab, token))

    @property
    def form(self) -> str:
        """Architecture, size and quantisation, as llama.cpp calls them."""
        buffer = ctypes.create_string_buffer(128)
        self._lib.llama_model_desc(self._model, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def template(self) -> str:
        """The chat template that the file carries; empty when it carries none."""
        text = self._lib.llama_model_chat_template(self._model, None)
        return text.decode("utf-8", "replace") if text else ""

    def tensor(self, *names: str) -> Place | None:
        """Where the first of these tensors lies in the file; None when it holds none of them."""
        return find(self._lib, self.path, names)

    @property
    def kept_whole(self) -> str:
        """Why its memory cannot be cut and joined at tokens; empty when it can."""
        if self._lib.llama_model_is_recurrent(self._model) or self._lib.llama_model_is_hybrid(self._model):
            return "it is recurrent: its memory is one state, not keys and values of each token"
        if window := int(self._lib.llama_model_n_swa(self._model)):
            return f"some of its layers attend to the last {window} tokens only"
        return ""

    def context(self, options: Options, tap: Tap | None = None) -> Context:
        """A new context on these weights; with a `tap` it computes up to there only and has no logits.

        Raises ModelError when memory does not suffice.
        """
        return Context(self, options, self._lib, self._model, tap)

    def adapter(self, path: Path) -> Any:
        """A LoRA for these weights, for `Context.adapt`; lives as long as they do. Raises ModelDamaged."""
        _complaints.clear()
        pointer = self._lib.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not pointer:
            why = f" ({_complaints[-1]})" if _complaints else ""
            raise ModelDamaged(f"llama.cpp cannot load the adapter {path}{why}.", "Install memapp again.")
        return pointer

    def opened(self, kind: type[Kind], options: Options) -> Kind:
        """`context`, of another class."""
        return kind(self, options, self._lib, self._model)

    def grammar(self, text: str) -> Any:
        """A llama.cpp sampler that admits only what the GBNF text does; None when llama.cpp rejects the text."""
        return self._lib.llama_sampler_init_grammar(self._vocab, text.encode(), b"root") or None

    def close(self) -> None:
        """Frees the weights; every context of them must be closed before."""
        if self._model:
            self._lib.llama_model_free(self._model)
            self._model = None


class Context:
    """A window of computed tokens. Remembers what it holds, so that a common beginning is not computed twice."""

    def __init__(self, model: Model, options: Options, lib: ModuleType, pointer: Any, tap: Tap | None = None) -> None:
        self.model = model
        self._tap = tap
        self.size = options.context_tokens
        self.held: list[int] = []
        """Tokens whose keys and values are in memory, in order."""
        self._lib = lib
        self.ubatch = min(options.ubatch_tokens, options.context_tokens)
        """Tokens that are computed at once."""
        self._flag = ctypes.create_string_buffer(2)
        self._context = lib.llama_init_from_model(pointer, self._params(options))
        if not self._context:
            raise ModelError(
                f"llama.cpp cannot open a window of {options.context_tokens} tokens on {model.path}.",
                "Set a smaller `context_tokens`.",
            )
        self._memory = lib.llama_get_memory(self._context)
        self._adapter: Any = None

    def _params(self, options: Options) -> Any:
        params = self._lib.llama_context_default_params()
        params.n_ctx = options.context_tokens
        params.n_batch = params.n_ubatch = self.ubatch
        params.n_threads = params.n_threads_batch = options.threads
        params.flash_attn_type = options.flash if options.cache == "f16" else FLASH_ON
        params.type_k = params.type_v = CACHES[options.cache]
        params.n_seq_max, params.kv_unified = options.sequences, options.sequences > 1
        params.no_perf = True
        if self._tap:
            self._tap.install(params, self._lib)
        # strlen() of the flag is 0 or 1, which llama.cpp reads as go on or stop. A Python callback would need the
        # interpreter's lock a thousand times per token.
        c_library = ctypes.CDLL("msvcrt" if os.name == "nt" else None)
        self._abort = ctypes.cast(c_library.strlen, self._lib.ggml_abort_callback)
        params.abort_callback = self._abort
        params.abort_callback_data = ctypes.cast(self._flag, ctypes.c_void_p)
        return params

    def interrupt(self) -> None:
        """Makes the running computation raise Aborted as soon as it can; any thread may call this."""
        self._flag[0] = b"\x01"

    def resume(self) -> None:
        """Takes an interrupt back."""
        self._flag[0] = b"\x00"

    def keep(self, count: int) -> None:
        """Forgets all but the first `count` tokens."""
        if count < len(self.held) and not (count and self._lib.llama_memory_seq_rm(self._memory, 0, count, -1)):
            self._lib.llama_memory_clear(self._memory, False)
            count = 0
        del self.held[count:]

    def extend(self, tokens: Sequence[int], stopped: Callable[[], bool]) -> None:
        """Computes more tokens; raises Aborted when stopped or interrupted, GenerationFailed when llama.cpp fails."""
        for start in range(0, len(tokens), self.ubatch):
            if stopped():
                raise Aborted
            self._decode(tokens[start : start + self.ubatch], every=False)

    def adapt(self, adapter: Any) -> None:
        """Computes with this adapter from now on, with none for None; what was computed otherwise is forgotten."""
        if adapter is self._adapter:
            return
        self.keep(0)
        pointers = [adapter] if adapter is not None else []
        adapters = (self._lib.llama_adapter_lora_p_ctypes * len(pointers))(
            *(ctypes.cast(pointer, self._lib.llama_adapter_lora_p_ctypes) for pointer in pointers)
        )
        scales = (ctypes.c_float * len(pointers))(*([1.0] * len(pointers)))
        if self._lib.llama_set_adapters_lora(self._context, adapters, len(pointers), scales):
            raise ModelError("llama.cpp does not take the adapter.", "Set `reader` to off.")
        self._adapter = adapter

    def logits(self) -> Logits:
        """Logits after the last token, shape (vocabulary,); valid until the next computation."""
        import numpy as np

        pointer = self._lib.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(pointer, shape=(self.model.vocabulary,))

    def every_logits(self, tokens: Sequence[int]) -> Logits:
        """Computes up to one ubatch of tokens; logits after each, shape (len(tokens), vocabulary)."""
        import numpy as np

        self._decode(tokens, every=True)
        pointer = self._lib.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, shape=(len(tokens), self.model.vocabulary))

    def watch(self, on: bool) -> None:
        """Whether what is computed from now on leaves the hidden states that the logits are made of, see `states`."""
        self._lib.llama_set_embeddings(self._context, on)

    def state(self, count: int = 1) -> Vectors:
        """Hidden states after the last `count` tokens of the last computation, if it was watched: what the output
        matrix is applied to, shape (count, dimension); valid until the next computation.

        Raises ModelError for a model that does not show them.
        """
        import numpy as np

        pointer = self._lib.llama_get_embeddings_ith(self._context, -count)
        if not pointer:
            raise self._hidden()
        return np.ctypeslib.as_array(pointer, shape=(count, self.model.dimension))

    def tapped(self, tokens: Sequence[int]) -> Vectors:
        """Computes up to one ubatch of tokens as far as the tap; what it read, shape (len(tokens), dimension).

        Raises ModelError for a model that has no such tensor.
        """
        assert self._tap is not None
        self._decode(tokens, every=True)
        found = self._tap.take(self.model.dimension)
        if found is None or len(found) != len(tokens):
            raise self._hidden()
        return found

    def _hidden(self) -> ModelError:
        return ModelError(
            f"{self.model.path.name} does not show its hidden states.", "Set `parametric` to off, or use another model."
        )

    def _decode(self, tokens: Sequence[int], every: bool) -> None:
        if len(self.held) + len(tokens) > self.size:
            raise GenerationFailed("The model's window is full.", "Set a larger `context_tokens`.")
        ids = (self._lib.llama_token * len(tokens))(*tokens)
        batch = self._lib.llama_batch_get_one(ids, len(tokens))
        if every:
            wanted = (ctypes.c_int8 * len(tokens))(*([1] * len(tokens)))
            batch.logits = ctypes.cast(wanted, type(batch.logits))
        outcome = self._lib.llama_decode(self._context, batch)
        if outcome == 0:
            self.held.extend(tokens)
            return
        if outcome == 2:
            self._lib.llama_memory_seq_rm(self._memory, 0, len(self.held), -1)
            raise Aborted
        self.keep(0)
        raise GenerationFailed(f"llama.cpp gave up (code {outcome}).", "Ask again; set MEMAPP_LOG=debug to see why.")

    def close(self) -> None:
        """Frees the window."""
        if self._context:
            self._lib.llama_free(self._context)
            self._context = None
