"""Attention temperatures of passages, with states that the bundled model made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memapp.models import set_prompt
from memapp.models.llama import LlamaEngine
from memapp.models.native import Model, Options, library
from memapp.models.sequences import ASIDE, SEQUENCES, Window
from memapp.models.tempered import tempered
from memapp.protocols import StateKey
from memapp.types import Apart, Finish, Message, Sampling, SetPrompt

pytestmark = pytest.mark.models

OPTIONS = Options(context_tokens=512, threads=2, ubatch_tokens=128, extra_buffers=False)
BEGUN, PASSAGE = "A harbour.\n", "The spare key of the boathouse hangs behind the third lamp.\n"
CELL = 12
"""Bytes that name a cell: its position and the sequence that has it."""


@pytest.fixture(scope="module", params=["f16", "q8_0"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def window(bundled: Path, form: str) -> Iterator[Window]:
    model = Model(bundled, OPTIONS)
    opened = model.opened(Window, replace(OPTIONS, cache=form, sequences=SEQUENCES))
    yield opened
    opened.close()
    model.close()


@pytest.fixture
def state(window: Window) -> bytes:
    window.begin(window.model.tokenize(BEGUN, special=False), lambda: False)
    return window.read_apart(window.model.tokenize(PASSAGE, special=False), lambda: False)


def test_keys_are_divided_and_nothing_else(window: Window, form: str, state: bytes) -> None:
    cells = len(window.model.tokenize(PASSAGE, special=False))
    halved = tempered(state, 2.0)
    assert halved is not None
    before, after = (np.frombuffer(one, np.uint8) for one in (state, halved))
    changed = np.flatnonzero(before != after)
    # Half of what is kept are keys, and they come first.
    assert 0.4 < changed[-1] / len(state) < 0.55
    assert changed[0] > cells * CELL
    if form == "f16":
        start = changed[0] - changed[0] % 2
        was, now = (one[start : start + 256].view("<f2").astype(float) for one in (before, after))
        assert now == pytest.approx(was / 2, abs=1e-6)


def test_llama_takes_it_and_gives_it_back(window: Window, state: bytes) -> None:
    changed = tempered(state, 1.25)
    assert changed is not None
    assert changed != state
    assert window.restore(ASIDE, changed)
    assert window.save(ASIDE) == changed
    window.remove(ASIDE)


def test_at_one_nothing_is_touched(state: bytes) -> None:
    assert tempered(state, 1.0) is state


def test_what_is_written_in_another_way_is_not_touched(state: bytes) -> None:
    for other in (b"", b"no state", state[:-1], state + b"\0", state[: len(state) // 2], b"\0" + state):
        assert tempered(other, 1.25) is None
    for place in (0, 8):
        changed = bytearray(state)
        changed[place] += 1
        assert tempered(bytes(changed), 1.25) is None


TEXTS = ("Bram has the spare key of the boathouse.\n\n", "Clara has the spare key of the boathouse.\n\n")


def asked(*temperatures: float) -> SetPrompt:
    passages = tuple(Apart(n, text, temperature=t) for n, (text, t) in enumerate(zip(TEXTS, temperatures, strict=True)))
    system = Message("system", "Answer the question from the passages.")
    return SetPrompt((system,), "Passages:\n\n", passages, "Question: Who has the spare key of the boathouse?")


def preferred(engine: LlamaEngine, *temperatures: float) -> float:
    """How much likelier the first passage's answer is than the other's, in nats a token."""
    made = engine.tokens_apart(asked(*temperatures))
    bram, clara = (engine.forced(made, f"{name} has the spare key.") for name in ("Bram", "Clara"))
    return bram - clara


def test_a_passage_draws_less_attention_the_higher_its_temperature(engine: LlamaEngine) -> None:
    found = [preferred(engine, 1.0, temperature) for temperature in (1.0, 1.25, 2.0)]
    assert found[0] < found[1] < found[2]
    assert preferred(engine, 2.0, 1.0) < found[0]


@pytest.mark.gpu
def test_a_gpu_attends_as_little(bundled: Path, engine: LlamaEngine) -> None:
    if not library().llama_supports_gpu_offload():
        pytest.skip("this build of llama.cpp has no GPU to offload to")
    expected = [preferred(engine, 1.0, temperature) for temperature in (1.0, 2.0)]
    with LlamaEngine(bundled, replace(OPTIONS, gpu_layers=-1), identity="temperatures on a GPU") as other:
        assert [preferred(other, 1.0, temperature) for temperature in (1.0, 2.0)] == pytest.approx(expected, abs=0.1)


def test_what_is_kept_has_no_temperature(engine: LlamaEngine) -> None:
    class States(dict[StateKey, bytes]):
        put, drop = dict.__setitem__, dict.pop

    states = States()

    def forced(*temperatures: float) -> float:
        return engine.forced(engine.tokens_apart(asked(*temperatures), states), "Bram has the spare key.")

    plain = forced(1.0, 1.0)
    assert forced(1.0, 2.0) != plain
    assert forced(1.0, 1.0) == plain
    assert len(states) == 2


def test_it_is_told_where_it_cannot_be(engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def note() -> str:
        *_, finish = engine.stream_set(asked(1.0, 1.25), Sampling(max_tokens=1))
        assert isinstance(finish, Finish)
        assert finish.reading is not None
        return finish.reading.note

    assert "draw attention" not in note()
    monkeypatch.setattr(set_prompt, "tempered", lambda state, temperature: None)
    assert "draw attention as they are" in note()
