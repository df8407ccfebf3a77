"""The scripted models keep the contracts of the real ones."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from memapp.errors import ContextOverflow, UsageError
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.protocols import Embedder, Engine
from memapp.types import Finish, Message, Piece, Sampling

ASK = (Message("user", "who was it"),)


def said(engine: Engine, sampling: Sampling | None = None) -> tuple[str, Finish]:
    *pieces, finish = engine.stream(ASK, sampling or Sampling())
    assert isinstance(finish, Finish)
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece)), finish


def test_answers_in_order_and_records_what_was_asked() -> None:
    engine = ScriptedEngine(["It was  Ada.", "Yes.\n"])
    assert said(engine) == ("It was  Ada.", Finish("stop", 3, 3))
    assert said(engine)[0] == "Yes.\n"
    assert [messages for messages, _ in engine.calls] == [ASK, ASK]
    with pytest.raises(UsageError, match="2 answers"):
        engine.stream(ASK, Sampling())


def test_answers_by_a_function_of_the_messages() -> None:
    assert said(ScriptedEngine(lambda messages: messages[-1].content.upper()))[0] == "WHO WAS IT"


def test_ends_as_a_real_engine_does() -> None:
    engine = ScriptedEngine(lambda _: "one two three. four")
    assert said(engine, Sampling(max_tokens=2)) == ("one two", Finish("length", 3, 2))
    assert said(engine, Sampling(stop=(".",))) == ("one two three", Finish("stop", 3, 3))
    with pytest.raises(ContextOverflow):
        ScriptedEngine(["x"], context_tokens=5).stream(ASK, Sampling(max_tokens=3))
    engine.close()
    with pytest.raises(UsageError, match="closed"):
        engine.stream(ASK, Sampling())


def test_writes_step_by_step_and_can_be_cancelled() -> None:
    engine, cancel = ScriptedEngine.stepwise(["a b c"]), threading.Event()
    stream = engine.stream(ASK, Sampling(), cancel)
    engine.step()
    assert next(stream) == Piece("a")
    cancel.set()
    assert list(stream) == [Finish("cancelled", 3, 1)]


def test_cancel_interrupts_a_delay() -> None:
    cancel = threading.Event()
    cancel.set()
    assert list(ScriptedEngine(["a b"], delay=60).stream(ASK, Sampling(), cancel)) == [Finish("cancelled", 3, 0)]


def test_vectors_are_unit_stable_and_near_for_shared_words() -> None:
    embedder: Embedder = ScriptedEmbedder()
    texts = ["The salt of Lindern", "salt from Lindern", "quantum chess", ""]
    vectors = embedder.embed(texts)
    assert vectors.shape == (4, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(vectors, ScriptedEmbedder().embed(texts))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert embedder.count(texts) == [4, 3, 2, 0]
    assert ScriptedEmbedder(32).identity != embedder.identity == ScriptedEmbedder().identity
