"""Continuations that are followed side by side, with the bundled model."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from memapp.errors import UsageError
from memapp.models.llama import LlamaEngine
from memapp.models.native import Options, library
from memapp.models.sequences import BEAMS
from memapp.types import Apart, Beam, Finish, Message, Piece, Sampling, SetPrompt, Vectors

pytestmark = pytest.mark.models

OPTIONS = Options(context_tokens=512, threads=2, ubatch_tokens=128, extra_buffers=False)
ASKED = (Message("user", "Name a river in France."), Message("assistant", "A river in France is the"))
FEW = Sampling(6, stop=(".", ","), beams=4)


class Unmoved:
    """A bias that leaves the model's distribution as it is."""

    def begin(self, tokens: Sequence[int], states: Vectors, logits: Vectors) -> None:
        pass

    def mix(self, state: Vectors, logits: Vectors) -> Vectors:
        return logits

    def accept(self, token: int) -> None:
        pass


@pytest.fixture(scope="module")
def own(bundled: Path) -> Iterator[LlamaEngine]:
    with LlamaEngine(bundled, OPTIONS, identity="beams") as opened:
        yield opened


def followed(engine: LlamaEngine, sampling: Sampling = FEW) -> tuple[list[Beam], Finish]:
    *beams, finish = engine.stream(ASKED, sampling)
    assert isinstance(finish, Finish)
    assert all(isinstance(beam, Beam) for beam in beams)
    return [beam for beam in beams if isinstance(beam, Beam)], finish


def greedy(engine: LlamaEngine) -> str:
    pieces = engine.stream(ASKED, Sampling(6, stop=(".", ",")))
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


def test_they_come_whole_likeliest_first_with_the_greedy_text_among_them(own: LlamaEngine) -> None:
    beams, finish = followed(own)
    assert 1 < len(beams) <= 4
    assert [beam.logprob for beam in beams] == sorted((beam.logprob for beam in beams), reverse=True)
    assert sum(math.exp(beam.logprob) for beam in beams) <= 1.0
    assert greedy(own) in [beam.text for beam in beams]
    assert finish.reason == "stop"
    assert not any("." in beam.text or "," in beam.text for beam in beams)


def test_their_probabilities_are_the_models(own: LlamaEngine) -> None:
    # Where a text is followed to its end, forcing the same text gives the same probability but for rounding.
    beams, _ = followed(own, Sampling(8, stop=(".",), beams=3))
    texts = {beam.text + ".": beam for beam in beams}
    written = {text: beam for text, beam in texts.items() if len(own.tokens(text)[0]) == beam.tokens}
    assert written, "none was written in the tokens that its text has"
    for text, beam in written.items():
        assert beam.logprob == pytest.approx(own.forced(ASKED, text) * beam.tokens, abs=0.1)


def test_nothing_of_them_stays_in_the_window(own: LlamaEngine) -> None:
    before = greedy(own)
    first, _ = followed(own)
    assert greedy(own) == before
    again, _ = followed(own)
    assert [beam.text for beam in again] == [beam.text for beam in first]


def test_they_go_on_from_passages_that_are_read_apart(own: LlamaEngine) -> None:
    passages = tuple(Apart(n, f"The {name} is kept in the shed.\n") for n, name in enumerate(("boat", "ladder"), 1))
    prompt = SetPrompt((Message("system", "Answer."),), "", passages, "What is kept in the shed?", "The")
    *beams, finish = own.stream_set(prompt, FEW)
    assert len(beams) > 1
    assert isinstance(finish, Finish)
    *again, _ = own.stream_set(prompt, FEW)
    assert [beam.text for beam in again if isinstance(beam, Beam)] == [
        beam.text for beam in beams if isinstance(beam, Beam)
    ]


def test_where_none_ends_the_likeliest_is_given_as_far_as_it_came(own: LlamaEngine) -> None:
    beams, finish = followed(own, Sampling(3, stop=("\n\n\n",), beams=4))
    assert len(beams) == 1
    assert not beams[0].ended
    assert beams[0].tokens == 3
    assert finish.reason == "length"


def test_a_window_that_is_nearly_full_follows_fewer(bundled: Path) -> None:
    with LlamaEngine(bundled, Options(context_tokens=256, threads=2, ubatch_tokens=128, extra_buffers=False)) as small:
        long = (Message("user", "ha " * 200 + "Name a river."), Message("assistant", "The"))
        room = 256 - small.count(long)
        assert 8 < room < 40
        *beams, finish = small.stream(long, Sampling(room, stop=("\n\n\n\n",), beams=BEAMS))
        assert isinstance(finish, Finish)
        assert len(beams) >= 1


def test_setting_cancel_ends_them(own: LlamaEngine) -> None:
    cancel = threading.Event()
    cancel.set()
    *beams, finish = own.stream(ASKED, FEW, cancel)
    assert isinstance(finish, Finish)
    assert finish.reason == "cancelled"
    assert beams == []
    assert followed(own)[1].reason == "stop"


def test_with_a_bias_one_text_is_written(own: LlamaEngine) -> None:
    *pieces, _ = own.stream(ASKED, FEW, None, Unmoved())
    assert pieces
    assert not any(isinstance(piece, Beam) for piece in pieces)


@pytest.mark.parametrize(
    "wrong",
    [
        Sampling(beams=0),
        Sampling(beams=BEAMS + 1),
        Sampling(beams=2, temperature=0.5),
        Sampling(beams=2, grammar='root ::= "a"'),
        Sampling(beams=2, schema={"type": "string"}),
    ],
)
def test_what_they_cannot_follow_is_refused(own: LlamaEngine, wrong: Sampling) -> None:
    with pytest.raises(UsageError):
        list(own.stream(ASKED, wrong))


@pytest.mark.gpu
def test_a_gpu_follows_the_same_texts(bundled: Path, own: LlamaEngine) -> None:
    if not library().llama_supports_gpu_offload():
        pytest.skip("this build of llama.cpp has no GPU to offload to")
    expected = {beam.text: beam.logprob for beam in followed(own)[0]}
    with LlamaEngine(bundled, replace(OPTIONS, gpu_layers=-1), identity="beams on a GPU") as engine:
        found = {beam.text: beam.logprob for beam in followed(engine)[0]}
    assert max(found, key=found.__getitem__) == max(expected, key=expected.__getitem__)
    both = found.keys() & expected.keys()
    assert len(both) >= 2
    assert [found[text] for text in both] == pytest.approx([expected[text] for text in both], abs=0.2)
