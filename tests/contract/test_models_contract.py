"""What every embedder and every engine must do, one body for the scripted and the real ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from memapp.errors import ContextOverflow
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.protocols import Embedder, Engine
from memapp.types import Finish, Message, Piece, Sampling

TEXTS = ["The otter hunts trout at night.", "the otter hunts", "", "日本 👩‍👩‍👧 ß", "word " * 3000, "\x00\x1b[0m"]
ASK = [Message("system", "Answer briefly."), Message("user", "Name a colour.")]


@pytest.fixture(scope="module", params=["scripted", pytest.param("minilm", marks=pytest.mark.models)])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "scripted":
        return ScriptedEmbedder()
    from memapp.models.embedder import MiniLMEmbedder

    return MiniLMEmbedder()


@pytest.fixture(scope="module", params=["scripted", pytest.param("llama", marks=pytest.mark.models)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "scripted":
        opened: Engine = ScriptedEngine(
            lambda _: "Blue is a colour, and so are red, green and yellow.", context_tokens=512
        )
    else:
        from memapp.models.catalog import bundled_path
        from memapp.models.llama import LlamaEngine
        from memapp.models.native import Options

        path = bundled_path()
        assert isinstance(path, Path)
        opened = LlamaEngine(
            path, Options(context_tokens=512, threads=2, ubatch_tokens=128, extra_buffers=False), identity="bundled"
        )
    yield opened
    opened.close()
    opened.close()


def test_vectors(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.identity.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert embedder.embed([]).shape == (0, embedder.identity.dimension)
    backwards = embedder.embed(TEXTS[::-1])[::-1]
    assert np.min(np.sum(vectors * backwards, axis=1)) > 0.999
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[3]


def test_token_states(embedder: Embedder) -> None:
    vectors, states = embedder.encode(TEXTS)
    assert np.min(np.sum(vectors * embedder.embed(TEXTS), axis=1)) > 0.999
    assert len(states) == len(TEXTS)
    for text, each in zip(TEXTS, states, strict=True):
        assert each.states.shape == (len(each.offsets), embedder.identity.dimension)
        assert each.states.dtype == np.float32
        assert (each.offsets[:, 0] < each.offsets[:, 1]).all()
        assert (each.offsets[1:, 0] >= each.offsets[:-1, 1]).all()
        assert not len(each.offsets) or each.offsets[-1, 1] <= len(text)
    assert [text[slice(*states[1].offsets[0])].lower() for text in TEXTS[:2]] == ["the", "the"]
    assert len(states[2].states) == 0
    assert embedder.encode([])[1] == []


def test_counts(embedder: Embedder) -> None:
    counts = embedder.count(TEXTS)
    assert counts[2] == 0
    assert counts[4] >= 3000
    assert counts[0] > counts[1] > 0
    assert embedder.count([]) == []


def test_identity_stays(embedder: Embedder) -> None:
    assert embedder.identity == embedder.identity
    assert len(embedder.identity.sha256) == 64


def said(engine: Engine, sampling: Sampling, cancel: threading.Event | None = None) -> tuple[str, Finish]:
    *pieces, finish = engine.stream(ASK, sampling, cancel)
    assert all(isinstance(piece, Piece) for piece in pieces)
    assert isinstance(finish, Finish)
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece)), finish


def test_a_stream_is_pieces_and_one_finish(engine: Engine) -> None:
    text, finish = said(engine, Sampling(max_tokens=8))
    assert text
    assert 0 < finish.generated_tokens <= 8
    assert finish.prompt_tokens == engine.count(ASK)
    assert said(engine, Sampling(max_tokens=8))[0] == text


def test_the_longest_answer(engine: Engine) -> None:
    _, finish = said(engine, Sampling(max_tokens=2))
    assert (finish.reason, finish.generated_tokens) == ("length", 2)


def test_a_cancelled_stream_ends(engine: Engine) -> None:
    cancel = threading.Event()
    came = []
    for event in engine.stream(ASK, Sampling(max_tokens=64), cancel):
        came.append(event)
        cancel.set()
    assert isinstance(came[-1], Finish)
    assert came[-1].reason == "cancelled"
    assert len(came) <= 4


def test_what_does_not_fit_is_refused(engine: Engine) -> None:
    with pytest.raises(ContextOverflow) as error:
        list(engine.stream(ASK, Sampling(max_tokens=engine.context_tokens)))
    assert error.value.per_question
    assert engine.count([*ASK, *ASK]) > engine.count(ASK) > 0


def test_stop_strings_do_not_show(engine: Engine) -> None:
    whole, _ = said(engine, Sampling(max_tokens=12))
    stop = whole[len(whole) // 2 :][:4]
    text, finish = said(engine, Sampling(max_tokens=12, stop=(stop,)))
    assert text == whole[: whole.index(stop)]
    assert finish.reason == "stop"
