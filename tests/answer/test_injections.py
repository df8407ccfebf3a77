"""Passages that give orders: none of their control tokens reaches a model, whatever form the prompt has."""

from __future__ import annotations

import pytest

from memapp.evaluate.injections import Injection, injections, messages
from memapp.models.catalog import bundled_path
from memapp.models.native import Model, Options
from memapp.models.template import Template
from memapp.types import Message

INJECTIONS = list(injections())


@pytest.fixture(scope="module")
def model() -> Model:
    path = bundled_path()
    assert path is not None
    return Model(path, Options(extra_buffers=False))


def test_there_are_enough() -> None:
    assert len(INJECTIONS) >= 60


@pytest.mark.models
@pytest.mark.parametrize("taught", [True, False])
def test_no_control_token_comes_from_data(model: Model, taught: bool) -> None:
    template = Template(model)
    control = {
        token for token in range(model.vocabulary) if not model.piece(token) and model.piece(token, special=True)
    }
    assert len(control) >= 3

    def controls(messages: tuple[Message, ...]) -> int:
        return sum(token in control for token in template.tokens(messages))

    harmless = controls(messages(Injection("none", "Who?", INJECTIONS[0].hits[:0], ""), taught))
    assert harmless > 0
    assert {controls(messages(one, taught)) for one in INJECTIONS} == {harmless}


def test_the_marks_of_templates_are_broken_in_the_text_too() -> None:
    for one in INJECTIONS:
        text = "".join(message.content for message in messages(one, True))
        for mark in ("<|", "</s>", "<s>", "[INST]", "[/INST]"):
            assert mark not in text
