"""Passages that are read apart, their states, and conversations that wait, with the bundled model."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from memapp.errors import ContextOverflow, GenerationFailed, UsageError
from memapp.models import set_prompt
from memapp.models.llama import LlamaEngine
from memapp.models.native import Model, Options
from memapp.models.sequences import ANSWER, ASIDE, BEAMS, SEQUENCES, Piece, Window
from memapp.models.template import Template
from memapp.protocols import SetEngine, StateKey
from memapp.types import Apart, Finish, Message, Reading, Sampling, SetPrompt
from memapp.types import Piece as Written

pytestmark = pytest.mark.models

OPTIONS = Options(context_tokens=1024, threads=2, ubatch_tokens=128, extra_buffers=False)
SYSTEM = Message("system", "Answer the question from the passages.")
TEXTS = (
    "The lamp of Sullen Point was lit by Tove Lindqvist for the first time in 1871.\n\n",
    "The mill at Brae grinds rye on Mondays, and its miller is Ingrid Moe.\n\n",
    "The pier was carried away by the ice in the spring of a year that nobody noted down.\n\n",
)
QUESTION = "Question: When was the lamp lit?"
EARLIER = (
    Message("user", "Is there a harbour?"),
    Message("assistant", "There is one, with two basins and a ferry that crosses twice a day. " * 12),
)
SHORT = Sampling(max_tokens=8)


class States(dict[StateKey, bytes]):
    """A store of states that remembers what was dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[StateKey] = []

    def put(self, key: StateKey, state: bytes) -> None:
        self[key] = state

    def drop(self, key: StateKey) -> None:
        self.dropped.append(key)
        self.pop(key, None)


def prompt(*order: int, closing: str = QUESTION, earlier: tuple[Message, ...] = ()) -> SetPrompt:
    passages = tuple(Apart(n, TEXTS[n]) for n in order)
    return SetPrompt((SYSTEM, *earlier), "Passages:\n\n", passages, closing)


def said(engine: LlamaEngine, made: SetPrompt, states: States | None = None) -> tuple[list[Written], Reading]:
    *pieces, finish = engine.stream_set(made, SHORT, None, None, states)
    assert isinstance(finish, Finish)
    assert finish.reading is not None
    assert finish.prompt_tokens == engine.count_set(made)
    return [piece for piece in pieces if isinstance(piece, Written)], finish.reading


def test_it_is_a_set_engine(engine: LlamaEngine) -> None:
    assert isinstance(engine, SetEngine)
    assert engine.reads_apart() == ""


def test_the_order_of_a_set_changes_nothing(engine: LlamaEngine) -> None:
    states = States()
    expected, _ = said(engine, prompt(0, 1, 2), states)
    assert len(expected) > 3
    for order in permutations(range(3)):
        assert said(engine, prompt(*order), states)[0] == expected


def test_states_change_nothing_but_the_cost(engine: LlamaEngine) -> None:
    states = States()
    cold, first = said(engine, prompt(0, 1, 2), states)
    warm, second = said(engine, prompt(0, 1, 2), states)
    none, third = said(engine, prompt(0, 1, 2))
    assert cold == warm == none
    assert (first.restored, second.prefilled) == (0, 0)
    assert first.prefilled == second.restored == third.prefilled > 40
    assert len(states) == 3
    assert "kv_mb" in third.note
    assert first.note == second.note == ""
    both, partly = said(engine, prompt(0, 1), states)
    assert (both != cold, partly.prefilled) == (True, 0)


def test_one_passage_is_read_as_it_would_be_in_a_plain_prompt(engine: LlamaEngine) -> None:
    apart = engine.tokens_apart(prompt(0))
    plain = engine.forced(set_prompt.Plain(apart.ids), "In 1871.")
    assert engine.forced(apart, "In 1871.") == pytest.approx(plain, abs=0.01)
    alone = engine.forced((SYSTEM, Message("user", QUESTION)), "In 1871.")
    assert engine.forced(engine.tokens_apart(prompt(0)), "In 1871.") > alone + 0.5


def test_passages_at_places_of_their_own_still_do_not_see_each_other(engine: LlamaEngine) -> None:
    states = States()

    def spread(*order: int) -> float:
        return engine.forced(replace(engine.tokens_apart(prompt(*order), states), spread=True), "In 1871.")

    together = engine.forced(engine.tokens_apart(prompt(0), states), "In 1871.")
    assert spread(0) == pytest.approx(together, abs=1e-6)
    assert spread(0, 1, 2) != spread(2, 1, 0)
    assert len(states) == 3


def test_a_passage_of_an_earlier_turn_is_found_behind_the_conversation(engine: LlamaEngine) -> None:
    states = States()
    said(engine, prompt(0, 1), states)
    _, reading = said(engine, prompt(0, 1, earlier=EARLIER), states)
    assert (reading.prefilled, reading.kind) == (0, "set")
    with_it = engine.forced(engine.tokens_apart(prompt(0, earlier=EARLIER), states), "In 1871.")
    without = engine.forced(engine.tokens_apart(prompt(1, earlier=EARLIER), states), "In 1871.")
    assert with_it > without + 0.5


def later(answer: str) -> tuple[Message, ...]:
    return (*EARLIER, Message("user", "When was the lamp lit?"), Message("assistant", answer))


def test_a_turn_costs_its_own_tokens_also_when_others_ask_between(engine: LlamaEngine) -> None:
    states = States()
    engine.forget()
    _, first = said(engine, prompt(0, 1, earlier=EARLIER), states)
    assert first.note
    _, second = said(engine, prompt(1, 2, earlier=later("In 1871.")), states)
    assert second.held > 150
    assert second.text < 60
    assert not second.note
    said(engine, prompt(0, 1, 2), states)
    list(engine.stream((SYSTEM, Message("user", "Name a river.")), SHORT))
    expected, fresh = said(engine, prompt(0, 2, earlier=later("In 1871.")), states)
    assert fresh.held > 150
    assert fresh.text < 60
    assert not fresh.note
    engine.forget()
    again, cold = said(engine, prompt(0, 2, earlier=later("In 1871.")), states)
    assert (cold.held, cold.text) == (0, fresh.held + fresh.text)
    assert "forgotten" in cold.note
    assert [piece.text for piece in again] == [piece.text for piece in expected]


def test_plain_prompts_of_a_conversation_wait_too(engine: LlamaEngine) -> None:
    asked = (SYSTEM, *EARLIER, Message("user", "And a mill?"))
    *_, before = engine.stream(asked, SHORT)
    list(engine.stream((SYSTEM, Message("user", "Name three rivers. " * 30)), SHORT))
    *_, after = engine.stream((*asked, Message("assistant", "Yes."), Message("user", "Where?")), SHORT)
    assert isinstance(after, Finish)
    assert isinstance(before, Finish)
    assert after.reading is not None
    assert after.reading.held > 150
    assert after.reading.text < 60


def test_why_a_conversation_is_computed_anew_is_told(bundled: Path) -> None:
    with LlamaEngine(bundled, replace(OPTIONS, aside_bytes=0)) as engine:
        said(engine, prompt(0, earlier=EARLIER))
        said(engine, prompt(0))
        _, reading = said(engine, prompt(0, earlier=later("Yes.")))
        assert "kv_memory_mb" in reading.note
        changed = (EARLIER[0], replace(EARLIER[1], content=EARLIER[1].content[20:]))
        assert said(engine, prompt(0, earlier=changed))[1].note


def test_a_state_that_llama_does_not_take_is_made_anew(engine: LlamaEngine, caplog: pytest.LogCaptureFixture) -> None:
    states = States()
    expected, _ = said(engine, prompt(0, 1), states)
    for key in list(states):
        states[key] = states[key][:-100]
    with caplog.at_level(logging.WARNING, "memapp.llama"):
        again, _ = said(engine, prompt(0, 1), states)
    assert again == expected
    assert len(states.dropped) == 2
    assert "made anew" in caplog.text
    assert said(engine, prompt(0, 1), states)[1].prefilled == 0


def test_what_does_not_fit_is_refused_at_once(engine: LlamaEngine) -> None:
    long = SetPrompt((SYSTEM,), "Passages:\n\n", (Apart(0, TEXTS[0] * 60),), QUESTION)
    with pytest.raises(ContextOverflow, match="window holds 1024"):
        engine.stream_set(long, SHORT)
    assert said(engine, prompt(0))[1].kind == "set"


def test_without_passages_it_is_a_plain_prompt(engine: LlamaEngine) -> None:
    none = SetPrompt((SYSTEM,), "", (), "Name a river.")
    text = "".join(piece.text for piece in said(engine, none)[0])
    plain = engine.stream((SYSTEM, Message("user", "Name a river.")), SHORT)
    assert text == "".join(piece.text for piece in plain if isinstance(piece, Written))


def test_cancelling_while_passages_are_read_leaves_a_working_window(engine: LlamaEngine) -> None:
    states = States()
    cancel = threading.Event()
    cancel.set()
    *_, finish = engine.stream_set(prompt(0, 1, 2), SHORT, cancel, None, states)
    assert isinstance(finish, Finish)
    assert finish.reason == "cancelled"
    cancel = threading.Event()
    stream = engine.stream_set(prompt(0, 1, 2), Sampling(max_tokens=100), cancel, None, states)
    assert isinstance(next(stream), Written)
    cancel.set()
    assert isinstance(list(stream)[-1], Finish)
    expected, _ = said(engine, prompt(0, 1, 2))
    assert said(engine, prompt(2, 1, 0), states)[0] == expected


def test_q8_states_are_smaller_and_other_states(bundled: Path, engine: LlamaEngine) -> None:
    states, full = States(), States()
    said(engine, prompt(0, 1), full)
    with LlamaEngine(bundled, replace(OPTIONS, cache="q8_0"), identity="bundled") as small:
        first, _ = said(small, prompt(0, 1), states)
        again, reading = said(small, prompt(1, 0), states)
    assert (again, reading.prefilled) == (first, 0)
    assert not states.keys() & full.keys()
    assert sum(map(len, states.values())) < 0.6 * sum(map(len, full.values()))


@pytest.fixture(scope="module")
def model(bundled: Path) -> Iterator[Model]:
    opened = Model(bundled, OPTIONS)
    yield opened
    opened.close()


def test_states_are_named_after_all_that_they_depend_on(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    template = Template(model)

    def names(made: SetPrompt, identity: str = "bundled", options: Options = OPTIONS) -> set[str]:
        made_ = set_prompt.apart(model, template, made, identity, options)
        return {one.key.sha256 for one in made_.passages}

    usual = names(prompt(0, 1))
    assert len(usual) == 2
    assert names(prompt(1, 0)) == names(prompt(0, 1, closing="What?")) == usual
    assert names(prompt(0, 1, earlier=EARLIER)) == usual
    warmed = tuple(replace(one, temperature=1.2) for one in prompt(0, 1).passages)
    assert names(replace(prompt(0, 1), passages=warmed)) == usual
    assert not names(prompt(0, 1), "another model") & usual
    assert not names(prompt(0, 1), options=replace(OPTIONS, cache="q8_0")) & usual
    assert not names(replace(prompt(0, 1), messages=(Message("system", "Be brief."),))) & usual
    described = set_prompt.described(model, OPTIONS)
    assert set_prompt.described(model, OPTIONS, adapter="reader") != described
    monkeypatch.setattr(set_prompt.native, "build", lambda: "9.9.9")
    assert set_prompt.described(model, OPTIONS) != described
    monkeypatch.setattr(Model, "template", "another")
    assert not names(prompt(0, 1)) & usual


@pytest.fixture
def window(model: Model) -> Iterator[Window]:
    opened = model.opened(Window, replace(OPTIONS, sequences=SEQUENCES))
    yield opened
    opened.close()


def test_every_range_is_checked_before_llama_sees_it(model: Model, window: Window) -> None:
    ids = model.tokenize(TEXTS[0], special=False)
    window.extend(ids, lambda: False)
    end = len(ids)
    wrong = [
        lambda: window.share(ANSWER, ASIDE, 0, end + 1),
        lambda: window.share(ANSWER, SEQUENCES, 0, end),
        lambda: window.share(ANSWER, ANSWER, 0, end),
        lambda: window.share(ANSWER, ASIDE, 5, 4),
        lambda: window.share(ASIDE, ANSWER, 0, 1),
        lambda: window.move(ANSWER, 0, end, -1),
        lambda: window.move(ANSWER, 0, end, window.size),
        lambda: window.remove(ANSWER, -3, 2),
        lambda: window.remove(SEQUENCES),
        lambda: window.span(-1),
        lambda: window.save(SEQUENCES),
        lambda: window.read_apart([], lambda: False),
        lambda: window.read_apart(ids * 60, lambda: False),
        lambda: window.join([Piece(b"", 5000)], 0),
        lambda: window.branch([0] * (BEAMS + 1), [ids[0]] * (BEAMS + 1), 0),
        lambda: window.branch([0], [ids[0]], window.size),
    ]
    for call in wrong:
        with pytest.raises(GenerationFailed):
            call()
    assert window.span(ANSWER) == (0, end - 1)
    assert window.span(ASIDE) == (-1, -1)
    assert window.join([Piece(b"no state", 3)], end) == [0]
    assert window.span(ANSWER) == (0, end - 1)


def test_a_state_holds_its_passage_only(model: Model, window: Window) -> None:
    begun, passage = (model.tokenize(text, special=False) for text in TEXTS[:2])
    window.begin(begun, lambda: False)
    state = window.read_apart(passage, lambda: False)
    # 2 for keys and values, of half precision, for each layer, and what names the cells.
    per_token = len(state) / len(passage)
    window.begin(passage, lambda: False)
    assert len(window.save(ANSWER)) / len(passage) == pytest.approx(per_token, rel=0.01)
    window.begin(begun, lambda: False)
    window.extend([5, 6, 7], lambda: False)
    assert window.join([Piece(state, len(passage))], len(begun)) == []
    assert window.span(ANSWER) == (0, len(begun) + 3 + len(passage) - 1)
    window.extend([8], lambda: False)
    window.keep(len(window.held))
    assert window.used == len(begun) + 3 + len(passage) + 1
    window.keep(len(begun))
    assert window.span(ANSWER) == (0, len(begun) - 1)
    window.forget()
    assert window.span(ANSWER) == (-1, -1)


def test_a_closed_engine_says_so(bundled: Path) -> None:
    engine = LlamaEngine(bundled, OPTIONS)
    engine.forget()
    said(engine, prompt(0))
    engine.close()
    with pytest.raises(UsageError):
        engine.stream_set(prompt(0), SHORT)
    engine.forget()
