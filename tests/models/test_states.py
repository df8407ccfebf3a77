"""Hidden states and biased writing with the real model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from memapp.errors import ContextOverflow, ModelError, UsageError
from memapp.models import states
from memapp.models.llama import LlamaEngine
from memapp.models.native import Model
from memapp.types import Finish, Message, Piece, Sampling, Vectors

from .conftest import OPTIONS

TEXT = "The lighthouse keeper wrote his name in the log every evening, even when no ship had passed. 日本語 too."
ASK = [Message("user", "Name three colours.")]
pytestmark = pytest.mark.models


def log_softmax(logits: Vectors) -> Vectors:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def written(engine: LlamaEngine, messages: Sequence[Message], sampling: Sampling, bias: object = None) -> str:
    pieces = engine.stream(messages, sampling, None, bias)  # type: ignore[arg-type]
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


class Watching:
    """Changes nothing and remembers what it was shown."""

    def __init__(self) -> None:
        self.prompt: list[int] = []
        self.ends: list[int] = []
        self.accepted: list[int] = []
        self.pairs: list[tuple[Vectors, Vectors]] = []

    def begin(self, tokens: Sequence[int], states: Vectors, logits: Vectors) -> None:
        self.prompt = list(tokens)
        self.pairs = [(state.copy(), row.copy()) for state, row in zip(states, logits, strict=True)]

    def mix(self, state: Vectors, logits: Vectors) -> Vectors:
        self.pairs.append((state.copy(), logits.copy()))
        return log_softmax(logits)

    def accept(self, token: int) -> None:
        self.accepted.append(token)


class Insisting(Watching):
    """Gives one token nearly all probability."""

    def __init__(self, token: int) -> None:
        super().__init__()
        self.token = token

    def mix(self, state: Vectors, logits: Vectors) -> Vectors:
        mixed = np.full_like(logits, -30.0)
        mixed[self.token] = 0.0
        return mixed


def test_states_times_the_output_matrix_are_the_logits(engine: LlamaEngine) -> None:
    ids, _ = engine.tokens(TEXT)
    found = log_softmax(engine.states(ids.tolist()) @ engine.outputs().T)
    from_states = float(found[np.arange(1, len(ids)), ids[1:]].sum())
    assert engine.states_identity.dimension == engine.spread().shape[0] == engine.outputs().shape[1]
    # Read after the token that begins texts, which loglikelihood leaves out: near, not the same.
    alone, count = engine.loglikelihood(TEXT)
    assert count == len(ids) - 1
    assert from_states == pytest.approx(alone, rel=0.1)
    rows = engine.outputs(ids[:3])
    np.testing.assert_array_equal(rows, engine.outputs()[ids[:3]])


def test_the_end_of_each_token_is_known_in_characters(engine: LlamaEngine) -> None:
    ids, ends = engine.tokens(TEXT)
    assert ends[-1] == len(TEXT)
    assert (np.diff(ends) >= 0).all()
    assert len(ids) == len(ends)
    assert TEXT[: ends[2]] == "The lighthouse keeper"[: ends[2]]


def test_a_prefix_has_the_same_states_whatever_follows(engine: LlamaEngine) -> None:
    ids = engine.tokens(TEXT)[0].tolist()
    np.testing.assert_allclose(engine.states(ids)[:8], engine.states(ids[:8]), atol=0.05)


def test_reading_leaves_what_was_computed_for_answers(engine: LlamaEngine) -> None:
    first = written(engine, ASK, Sampling(8))
    held = list(engine._loaded.context.held)  # type: ignore[union-attr]
    engine.states(engine.tokens(TEXT)[0].tolist())
    assert engine._loaded.context.held == held  # type: ignore[union-attr]
    assert written(engine, ASK, Sampling(8)) == first


def test_a_bias_that_changes_nothing_changes_nothing(engine: LlamaEngine) -> None:
    watching = Watching()
    assert written(engine, ASK, Sampling(12), watching) == written(engine, ASK, Sampling(12))
    assert len(watching.accepted) == 12
    assert len(watching.pairs) == 32 + 12 or len(watching.pairs) == len(watching.prompt) + 12
    outputs = engine.outputs()
    for state, logits in watching.pairs[::7]:
        difference = log_softmax(state @ outputs.T) - log_softmax(logits)
        assert np.abs(difference[logits.argmax()]) < 0.1


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(5),
        Sampling(5, temperature=0.8, seed=3),
        Sampling(5, temperature=0.8, top_p=0.9, seed=3),
        Sampling(5, temperature=0.8, typical_p=0.9, seed=3),
    ],
    ids=["greedy", "temperature", "top-p", "typical"],
)
def test_every_sampling_draws_from_what_the_bias_makes(engine: LlamaEngine, sampling: Sampling) -> None:
    token = int(engine.tokens(" lantern")[0][0])
    bias = Insisting(token)
    written(engine, ASK, sampling, bias)
    assert bias.accepted == [token] * 5


def test_typical_sampling_avoids_what_is_too_likely_and_too_unlikely(engine: LlamaEngine) -> None:
    class Skewed(Watching):
        def mix(self, state: Vectors, logits: Vectors) -> Vectors:
            mixed = np.full_like(logits, -40.0)
            mixed[100], mixed[101:131], mixed[131] = np.log(0.05), np.log(0.94 / 30), np.log(0.01)
            return mixed

    drawn: list[int] = []
    for seed in range(40):
        bias = Skewed()
        written(engine, ASK, Sampling(1, temperature=1.0, typical_p=0.5, seed=seed), bias)
        drawn += bias.accepted
    assert set(drawn) <= set(range(101, 131))


def test_an_answer_that_was_begun_is_gone_on_with(engine: LlamaEngine) -> None:
    begun = [*ASK, Message("assistant", "The three colours are red, green and")]
    assert engine.count(begun) > engine.count(ASK)
    assert "blue" in written(engine, begun, Sampling(4)).lower()


def test_a_forced_answer_is_measured(engine: LlamaEngine) -> None:
    likely = engine.forced(ASK, "Red, blue and green.")
    assert likely > engine.forced(ASK, "Carburettor lichen bishop of.") > -30
    token = int(engine.tokens(" lantern")[0][0])
    assert engine.forced(ASK, " lantern", Insisting(token)) == pytest.approx(0, abs=1e-3)
    with pytest.raises(UsageError):
        engine.forced(ASK, "")
    with pytest.raises(ContextOverflow):
        engine.forced(ASK, "word " * 2000)


def test_a_stream_ends_with_one_finish_whatever_the_bias(engine: LlamaEngine) -> None:
    *_, last = engine.stream(ASK, Sampling(3), None, Watching())
    assert last == Finish("length", engine.count(ASK), 3)


def test_a_model_without_the_states_is_told_of(bundled: Path) -> None:
    model = Model(bundled, OPTIONS)
    reader = states.reader(model, OPTIONS, "no such tensor")
    try:
        with pytest.raises(ModelError, match="`parametric` to off"):
            states.states(reader, [1, 2, 3])
    finally:
        reader.close()
        model.close()


def test_an_output_matrix_that_is_not_there_is_told_of(bundled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(bundled, OPTIONS)
    try:
        assert model.tensor("nothing", "of the kind") is None
        monkeypatch.setattr(states, "_OUTPUTS", ("nothing",))
        with pytest.raises(ModelError, match="parametric` to knn"):
            states.output_matrix(model)
    finally:
        model.close()
