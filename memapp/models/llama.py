"""LlamaEngine: a local language model through llama.cpp, as protocols.Engine wants it.

One thread owns the model's window and does all computing; callers queue for it and read what it writes. The beginning
that a prompt shares with what the window holds is not computed again. Which file to open is catalog.py's affair.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memapp.errors import ContextOverflow, ModelError, UsageError
from memapp.models import set_prompt, soft, states
from memapp.models.measure import token_logprobs
from memapp.models.native import Context, Model, Options
from memapp.models.sampling import check
from memapp.models.sequences import SEQUENCES, Window
from memapp.models.set_prompt import Apart, Tokens
from memapp.models.taught import TaughtEngine
from memapp.models.template import Template
from memapp.models.worker import Worker
from memapp.models.writing import Put, Run, chances, forced, write
from memapp.protocols import Bias, StatesIdentity, StateStore
from memapp.types import Finish, Message, Piece, Sampling, SetPrompt, SoftPrompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memapp.types import Vectors

log = logging.getLogger("memapp.llama")

_POLL_SECONDS = 0.03
"""How often a waiting caller looks whether it was cancelled."""


@dataclass(slots=True)
class _Loaded:
    """The model while it is open; emptied by the owner thread."""

    model: Model | None = None
    context: Window | None = None
    reader: Context | None = None
    """Reads hidden states; made when they are first wanted."""
    template: Template | None = None
    options: Options = field(default_factory=Options)
    """As the model was opened with."""
    adapter: Any = None
    """What makes a reader of the model, if there is one."""
    closing: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        for part in (self.reader, self.context, self.model):
            if part is not None:
                part.close()
        self.model = self.context = self.reader = self.template = self.adapter = None


class LlamaEngine:
    """A GGUF model. Making one is cheap; the file is opened by `prepare` or by the first call that needs it."""

    def __init__(
        self,
        path: Path,
        options: Options | None = None,
        *,
        identity: str = "",
        locate: Callable[[], tuple[Path, Options]] | None = None,
        adapter: Path | None = None,
    ) -> None:
        """`locate` may name another file and other options once the model is needed; the window stays the same.
        `adapter` is the LoRA that makes a reader of it."""
        self._path = path
        self._options = options or Options()
        self._locate = locate or (lambda: (self._path, self._options))
        self._identity = identity or path.stem
        self._adapter = adapter
        self._loaded = _Loaded()
        self._lock = threading.Lock()
        self._worker = Worker(f"llama-{path.stem}")
        # Stands in for close() when the engine is dropped without it; must not hold on to the engine.
        self._finalizer = weakref.finalize(self, _shut, self._worker, self._loaded)
        self._finalizer.atexit = False

    @property
    def identity(self) -> str:
        """Name and hash of the weights."""
        return self._identity

    @property
    def context_tokens(self) -> int:
        """Size of the window: prompt and answer together."""
        return self._options.context_tokens

    def prepare(self) -> None:
        """Opens the model unless it is open; raises ModelMissing, ModelDamaged or ModelError."""
        with self._lock:
            if self._loaded.context is None or self._loaded.closing.is_set():
                self._worker.submit(self._open).result()

    def _open(self) -> None:
        path, options = self._locate()
        model = Model(path, options)
        try:
            self._loaded.adapter = model.adapter(self._adapter) if self._adapter else None
            sequences = 1 if model.kept_whole else SEQUENCES
            self._loaded.context = model.opened(Window, replace(options, sequences=sequences))
        except BaseException:
            model.close()
            raise
        self._loaded.model, self._loaded.template, self._loaded.options = model, Template(model), options
        if self._options.context_tokens > model.trained_context:
            log.warning(
                "%s was trained on windows of %d tokens; %d may read badly",
                self._path.name,
                model.trained_context,
                self._options.context_tokens,
            )

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt that these messages make, template included; 0 for none, with the model loaded."""
        if messages:
            return len(self.tokens_of(messages))
        self.prepare()
        return 0

    def tokens_of(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of the prompt that these messages make."""
        return self.template().tokens(messages)

    def template(self) -> Template:
        self.prepare()
        if self._loaded.template is None:
            raise UsageError("The model was closed.", "Open it again.")
        return self._loaded.template

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
    ) -> Iterator[Piece | Finish]:
        """Pieces of text as they are written, then one Finish. A last message of the assistant's is gone on with.

        Setting `cancel` ends it within one token, also while the prompt is read. Raises ContextOverflow at once when
        the prompt and max_tokens exceed the window, UsageError for a sampling, schema or grammar that cannot be, and
        GenerationFailed when llama.cpp breaks off; the next call works all the same.
        """
        return self.written(set_prompt.plain(self.template(), messages), sampling, cancel, bias)

    @property
    def taught(self) -> TaughtEngine | None:
        """The same model as it was taught to answer from passages, in the form of answer/reading.py; None where it
        was not. It lives as long as this engine."""
        return TaughtEngine(self) if self._adapter else None

    def written(
        self,
        prompt: Tokens,
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
        taught: bool = False,
    ) -> Iterator[Piece | Finish]:
        """What the model writes after a prompt of tokens, as `stream` does; each such prompt serves once."""
        check(sampling)
        if len(prompt.ids) + sampling.max_tokens > self.context_tokens:
            raise ContextOverflow(
                f"The prompt has {len(prompt.ids)} tokens and the answer may have {sampling.max_tokens}, "
                f"but the window holds {self.context_tokens}.",
                "Shorten the prompt, or set a larger `context_tokens`.",
            )
        run = Run(cancel or threading.Event(), self._loaded.closing, bias, taught)
        return self._generate(prompt, sampling, run)

    def _generate(self, prompt: Tokens, sampling: Sampling, run: Run) -> Iterator[Piece | Finish]:
        written: queue.SimpleQueue[Piece | Finish | Future[None]] = queue.SimpleQueue()
        future = self._worker.submit(lambda: _write(self._loaded, prompt, sampling, run, written.put))
        future.add_done_callback(written.put)
        try:
            while True:
                try:
                    item = written.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    if not run.stopped():
                        continue
                    if future.cancel():
                        yield Finish("cancelled", len(prompt.ids), 0)
                        return
                    run.interrupt()
                    continue
                if isinstance(item, Future):
                    item.result()
                    return
                yield item
        finally:
            run.abandoned = True
            run.interrupt()
            future.cancel()

    def loglikelihood(self, text: str) -> tuple[float, int]:
        """The natural log of the probability the model gives the text after its first token, and how many tokens
        that counts. The text must fit into the window, else ContextOverflow."""
        self.prepare()
        return self._worker.submit(lambda: _likelihood(self._loaded, text, self._options.ubatch_tokens)).result()

    # As protocols.SetEngine

    def reads_apart(self) -> str:
        """Why passages cannot be read apart; empty when they can."""
        self.prepare()
        return _opened(self._loaded)[0].kept_whole

    def count_set(self, prompt: SetPrompt) -> int:
        """Tokens of the prompt, template included."""
        return len(self.tokens_apart(prompt).ids)

    def stream_set(
        self,
        prompt: SetPrompt,
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
        states: StateStore | None = None,
    ) -> Iterator[Piece | Finish]:
        """`stream`, of a prompt whose passages do not see one another. Raises ModelError for a model that cannot."""
        return self.written(self.tokens_apart(prompt, states), sampling, cancel, bias)

    def tokens_apart(self, prompt: SetPrompt, states: StateStore | None = None, taught: bool = False) -> Apart:
        """The prompt as tokens; with the names of the states that the model makes as it was `taught`, or plainly."""
        if why := self.reads_apart():
            raise ModelError(f"{self._path.name} cannot read passages apart: {why}.", "Set `reading` to sequential.")
        model, template = _opened(self._loaded)[0], self.template()
        adapter = self._adapter_sum if taught else ""
        return set_prompt.apart(model, template, prompt, self._identity, self._loaded.options, states, adapter)

    def stream_soft(
        self,
        prompt: SoftPrompt,
        sampling: Sampling,
        cancel: threading.Event | None = None,
        bias: Bias | None = None,
        taught: bool = False,
    ) -> Iterator[Piece | Finish]:
        """`stream`, of a prompt with vectors in it. Raises ValueError for vectors of another width than the model's."""
        template = self.template()
        made = soft.softened(_opened(self._loaded)[0], template, prompt)
        return self.written(made, sampling, cancel, bias, taught)

    @cached_property
    def _adapter_sum(self) -> str:
        """Hash of the adapter, a part of the names of the states that are made with it."""
        return hashlib.sha256(self._adapter.read_bytes()).hexdigest()[:16] if self._adapter else ""

    def forget(self) -> None:
        """Empties the window and what is kept of conversations; what is being written ends first."""
        with self._lock:
            if self._loaded.context is not None and not self._loaded.closing.is_set():
                self._worker.submit(lambda: _opened(self._loaded)[1].forget()).result()

    def forced(
        self, prompt: Sequence[Message] | Tokens, answer: str, bias: Bias | None = None, taught: bool = False
    ) -> float:
        """The mean log-probability of the tokens of `answer` after this prompt, in nats, mixed with a bias or not.
        `taught` asks the model as it was taught.

        Raises ContextOverflow when they do not fit the window, UsageError for an empty answer.
        """
        prompt = set_prompt.plain(self.template(), prompt) if isinstance(prompt, Sequence) else prompt
        ids = list(map(int, self.tokens(answer)[0]))
        if not ids:
            raise UsageError("There is no answer to measure.", "Give one.")
        if len(prompt.ids) + len(ids) > self.context_tokens:
            raise ContextOverflow("The prompt and the answer exceed the window.", "Shorten them.")
        run = Run(threading.Event(), self._loaded.closing, bias, taught)
        return self._worker.submit(lambda: _forced(self._loaded, prompt, ids, run)).result()

    def chances(self, prompt: Sequence[Message], begun: Sequence[str]) -> list[float]:
        """For each text, the log-probability that its first token comes next, in nats.

        Raises ContextOverflow when the prompt does not fit the window, UsageError for an empty text.
        """
        tokens = set_prompt.plain(self.template(), prompt)
        firsts = [self.tokens(text)[0][:1] for text in begun]
        if not all(len(first) for first in firsts):
            raise UsageError("There is no token to measure.", "Give texts that are not empty.")
        if len(tokens.ids) >= self.context_tokens:
            raise ContextOverflow("The prompt exceeds the window.", "Shorten it, or set a larger `context_tokens`.")
        ids = [int(first[0]) for first in firsts]
        run = Run(threading.Event(), self._loaded.closing)
        return self._worker.submit(lambda: _chances(self._loaded, tokens, ids, run)).result()

    # As protocols.StateModel

    @property
    def states_identity(self) -> StatesIdentity:
        """What must agree before hidden states may be compared."""
        self.prepare()
        model, _ = _opened(self._loaded)
        digest = states.identity(model, self._identity)
        return StatesIdentity(f"{self._identity} ({model.form})", digest, model.dimension)

    def tokens(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The tokens of a text, and where each ends in it, in characters."""
        self.prepare()
        return states.tokens(_opened(self._loaded)[0], text)

    def states(self, ids: Sequence[int]) -> Vectors:
        """The hidden state before each of these tokens, at most 512."""
        return self._with_reader(lambda context: states.states(context, ids))

    def spread(self) -> Vectors:
        """How far from 0 each component of a state commonly is."""
        return self._with_reader(lambda context: states.spread(context))

    def outputs(self, ids: NDArray[np.int32] | None = None) -> Vectors:
        """The rows of the output matrix for these tokens, or for all."""
        self.prepare()
        return states.output_matrix(_opened(self._loaded)[0], ids)

    def _with_reader(self, work: Callable[[Context], Vectors]) -> Vectors:
        self.prepare()
        return self._worker.submit(lambda: work(self._reader())).result()

    def _reader(self) -> Context:
        """Runs in the owner thread."""
        model, _ = _opened(self._loaded)
        if self._loaded.reader is None:
            self._loaded.reader = states.reader(model, self._loaded.options)
        return self._loaded.reader

    def close(self) -> None:
        """Ends what is being written, frees the model; safe to call twice."""
        self._finalizer()

    def __enter__(self) -> LlamaEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _shut(worker: Worker, loaded: _Loaded) -> None:
    loaded.closing.set()
    worker.close(loaded.close)


def _opened(loaded: _Loaded) -> tuple[Model, Window]:
    if loaded.model is None or loaded.context is None:
        raise UsageError("The model was closed.", "Open it again.")
    return loaded.model, loaded.context


def _write(loaded: _Loaded, prompt: Tokens, sampling: Sampling, run: Run, put: Put) -> None:
    """Runs in the owner thread."""
    model, window = _opened(loaded)
    window.adapt(loaded.adapter if run.taught else None)
    write(model, window, prompt, sampling, run, put)


def _chances(loaded: _Loaded, prompt: Tokens, ids: list[int], run: Run) -> list[float]:
    """Runs in the owner thread."""
    _, window = _opened(loaded)
    window.adapt(None)
    return chances(window, prompt, ids, run)


def _forced(loaded: _Loaded, prompt: Tokens, ids: list[int], run: Run) -> float:
    """Runs in the owner thread."""
    _, window = _opened(loaded)
    window.adapt(loaded.adapter if run.taught else None)
    return forced(window, prompt, ids, run)


def _likelihood(loaded: _Loaded, text: str, ubatch: int) -> tuple[float, int]:
    """Runs in the owner thread."""
    model, context = _opened(loaded)
    context.adapt(None)
    tokens = model.tokenize(text, special=False)
    if len(tokens) > context.size:
        raise ContextOverflow(f"The text has {len(tokens)} tokens, the window holds {context.size}.", "Shorten it.")
    return sum(token_logprobs(context, tokens, ubatch)), max(len(tokens) - 1, 0)
