"""What one namespace has open: the store, the models, the layers. Each is made at its first use and closed with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from memapp import ask as asking
from memapp import search as finding
from memapp.errors import ModelError, UsageError
from memapp.gist import Gist
from memapp.protocols import Embedder, Engine, Extractor, MemoryLayer, SetEngine, SpanReader, StateModel
from memapp.settings import Settings
from memapp.store import content
from memapp.store.kv import PassageStates
from memapp.store.log import Store
from memapp.types import Passage, Progress

if TYPE_CHECKING:
    from memapp.layers.amortized.encoder import SoftEncoder
    from memapp.layers.amortized.layer import AmortizedLayer
    from memapp.layers.parametric.layer import ParametricLayer
    from memapp.layers.parametric.mixture import Mixture

Report = Callable[[Progress], None]
AMORTIZED, PARAMETRIC = "amortized", "parametric"
PARAMETRIC_MODES = ("off", "knn", "mlp", "both")


class Opened:
    """What `Memory` works with. Safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        embedder: Embedder | None,
        engine: Engine | None,
        extractor: Extractor | None = None,
    ) -> None:
        """Use `Memory.open`."""
        self._store = store
        self.settings = settings
        self._embedder = embedder
        self._engine = engine
        self._given = engine is not None
        self._extractor = extractor
        self._layers: dict[str, MemoryLayer] = {}
        self._states: PassageStates | None = None
        self._encoder: SoftEncoder | None = None
        self._span_reader: SpanReader | None = None
        self._lock = threading.RLock()
        self._gist = Gist(store, lambda: self.embedder, settings.gist_tokens)

    def close(self) -> None:
        """Saves the layers and lets go of the store, and of the model unless it was given; safe to call twice."""
        with self._lock:
            for layer in self._layers.values():
                layer.save()
            self._layers.clear()
            if self._encoder is not None:
                self._encoder.close()
            if self._engine is not None and not self._given:
                self._engine.close()
            self._store.close()

    @property
    def namespace(self) -> str:
        """The part of the store that this memory sees."""
        return self._store.namespace

    @property
    def store_location(self) -> str:
        """Path of the store's file."""
        return str(self._store.path)

    @property
    def embedder(self) -> Embedder:
        """The embedder; made at first use."""
        with self._lock:
            if self._embedder is None:
                from memapp.models.embedder import MiniLMEmbedder

                self._embedder = MiniLMEmbedder(threads=self.settings.threads)
            return self._embedder

    @property
    def extractor(self) -> Extractor:
        """What finds phrases at ingest; made at first use. An embedder that it was not trained for gets rules only."""
        with self._lock:
            if self._extractor is None:
                from memapp.extract import open_extractor

                self._extractor = open_extractor(self.embedder.identity)
            return self._extractor

    @property
    def span_reader(self) -> SpanReader:
        """What points at answers; made at first use."""
        with self._lock:
            if self._span_reader is None:
                from memapp.models.span_reader import MiniLMSpanReader

                self._span_reader = MiniLMSpanReader(threads=self.settings.threads)
            return self._span_reader

    @property
    def engine(self) -> Engine:
        """The language model; made at first use. Raises ModelError leaves."""
        return self._opened_engine(None)

    def _opened_engine(self, progress: Report | None) -> Engine:
        with self._lock:
            if self._engine is None:
                from memapp.models import open_engine

                self._engine = open_engine(self.settings, progress)
            return self._engine

    # Layers

    def recall_with(self, layers: Sequence[str] | None = None) -> finding.Recall:
        """What a search over these layers is made with, for `memapp.search`."""
        chosen = self._chosen(tuple(layers) if layers else self.settings.layers)
        seeding = self._chosen(finding.SEEDING) if set(chosen) - {finding.TURNS} == {finding.FOLLOWING} else {}
        return finding.Recall(
            self._store, self.embedder, chosen, self.settings, seeding, lambda: self.engine, self._gist
        )

    def _used(self) -> tuple[str, ...]:
        """The layers that the settings want."""
        wanted = ((PARAMETRIC, bool(self._mode())), (AMORTIZED, self.settings.bank > 0))
        return tuple(dict.fromkeys((*self.settings.layers, *(name for name, on in wanted if on))))

    def _chosen(self, names: Sequence[str]) -> dict[str, MemoryLayer]:
        with self._lock:
            return {name: self._layer(name) for name in dict.fromkeys(names)}

    def _layer(self, name: str) -> MemoryLayer:
        if name not in self._layers:
            from memapp.layers.dense import DenseLayer
            from memapp.layers.episodic.layer import EpisodicLayer
            from memapp.layers.graph.layer import GraphLayer
            from memapp.layers.lexical import LexicalLayer

            makers: dict[str, Callable[[], MemoryLayer]] = {
                "lexical": lambda: LexicalLayer(self._store),
                "dense": lambda: DenseLayer(self._store, self.embedder.identity, self.settings),
                "graph": lambda: GraphLayer(self._store),
                "episodic": lambda: EpisodicLayer(self._store, self.embedder.identity.dimension, self.embedder.embed),
                PARAMETRIC: self._parametric_layer,
                AMORTIZED: self._amortized_layer,
            }
            if name not in makers:
                raise UsageError(f"There is no layer '{name}'.", f"Layers: {', '.join(makers)}.")
            self._layers[name] = makers[name]()
        return self._layers[name]

    def _parametric_layer(self) -> MemoryLayer:
        from memapp.layers.parametric.layer import ParametricLayer

        model = self._state_model()
        tokenize = lambda text: model.tokens(text)[0]  # noqa: E731
        return ParametricLayer(self._store, self.settings, model.states_identity, tokenize, model.outputs)

    # Soft tokens of passages

    def _amortized_layer(self) -> MemoryLayer:
        from memapp.layers.amortized.encoder import open_encoder
        from memapp.layers.amortized.layer import AmortizedLayer

        self._encoder, form = open_encoder(self.settings)
        return AmortizedLayer(self._store, self.embedder.identity, self._encoder.encode, form)

    def amortized(self) -> AmortizedLayer:
        """The bank of soft tokens as it is now, whether answers use it or not. Raises ModelError for a model that no
        encoder was trained for."""
        from memapp.layers.amortized.layer import AmortizedLayer

        layer = self._chosen((AMORTIZED,))[AMORTIZED]
        assert isinstance(layer, AmortizedLayer)
        finding.catch_up(layer, self._store)
        return layer

    # Parametric memory

    def _mode(self) -> str:
        """Which parametric memory answers; empty when it is off. Raises UsageError for a setting that is none."""
        mode = self.settings.parametric
        if mode not in PARAMETRIC_MODES:
            raise UsageError(f"parametric is set to '{mode}'.", f"Use one of: {', '.join(PARAMETRIC_MODES)}.")
        return "" if mode == "off" else mode

    def _state_model(self) -> StateModel:
        engine = self.engine
        if not isinstance(engine, StateModel):
            raise ModelError(
                f"{engine.identity} does not show its hidden states.", "Set `parametric` to off, or use another model."
            )
        return engine

    def _bias(self) -> Mixture | None:
        """What the parametric memory adds to one answer, if it is on and has something to say."""
        mode = self._mode()
        return self.parametric().mixture(mode) if mode else None

    def parametric(self) -> ParametricLayer:
        """The parametric memory as it is now, whether answers use it or not. Raises StatesMismatch, ModelError."""
        from memapp.layers.parametric.layer import ParametricLayer

        layer = self._chosen((PARAMETRIC,))[PARAMETRIC]
        assert isinstance(layer, ParametricLayer)
        finding.catch_up(layer, self._store)
        return layer

    def _source_of(self, passages: Sequence[int]) -> Mapping[int, Passage]:
        return content.passages_by_id(self._store, passages)

    def _beside(self) -> asking.Beside:
        """What takes part in one answer beside the passages that are found for it."""
        remind = None
        if self.settings.bank > 0:
            remind = self.amortized().aggregate
            assert self._encoder is not None
            reader, used = self._encoder.reader, self.engine.identity
            if reader != used:
                raise ModelError(f"The soft tokens are for {reader}, not for {used}.", "Set `bank` to 0.")
        point = self.span_reader.spans if self.settings.span_reader else None
        return asking.Beside(self._bias(), self._passage_states(), remind, point)

    # States of passages

    def _passage_states(self) -> PassageStates | None:
        """Where what the model makes of passages is kept; None where it is not."""
        with self._lock:
            if self.settings.reading == asking.SEQUENTIAL or self.settings.kv_mb <= 0:
                return None
            if self._states is None:
                memory = self.settings.kv_memory_mb
                self._states = PassageStates(self._store, self.settings.kv_mb << 20, memory << 20)
            return self._states

    def _forget_states(self) -> None:
        """Empties what this process holds of passages and conversations."""
        self._gist.forget()
        if self._states is not None:
            self._states.empty_memory()
        if isinstance(self._engine, SetEngine):
            self._engine.forget()
