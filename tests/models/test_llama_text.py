"""Stop strings, characters and templates, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.errors import ModelError
from memapp.models.native import Model
from memapp.models.sampling import Assembler
from memapp.models.template import CHATML, Template
from memapp.types import Message


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=4), max_size=3), st.data())
def test_text_is_what_comes_before_the_first_stop_string(text: str, stop: list[str], data: st.DataObject) -> None:
    raw = text.encode("utf-8")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    assembler, shown = Assembler(stop), []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        shown.append(assembler.feed(raw[start:end]))
        so_far = "".join(shown)
        assert text.startswith(so_far)
        assert not any(mark in so_far for mark in stop)
    ends = [text.index(mark) for mark in stop if mark in text]
    found = "".join(shown) + assembler.flush()
    if len(stop) == 1 or not ends:
        assert found == text[: min(ends, default=len(text))]
    assert assembler.stopped == bool(ends)


def test_a_stop_string_over_several_tokens_is_never_shown() -> None:
    assembler = Assembler(["\n\nQ:"])
    assert [assembler.feed(part) for part in (b"yes\n", b"\n", b"no\n\n", b"Q", b": more")] == [
        "yes",
        "",
        "\n\nno",
        "",
        "",
    ]
    assert assembler.stopped
    assert assembler.flush() == ""


def test_half_a_character_waits_and_is_dropped_at_the_end() -> None:
    euro = "€".encode()
    assembler = Assembler()
    assert assembler.feed(euro[:2]) == ""
    assert assembler.feed(euro[2:] + euro[:1]) == "€"
    assert assembler.flush() == ""


class Letters:
    """Stands in for a model: every character is a token, control tokens are not known."""

    path = Path("letters.gguf")
    bos, eos, adds_bos = -1, -1, False

    def __init__(self, template: str) -> None:
        self.template = template

    def tokenize(self, text: str, special: bool) -> list[Any]:
        return [(letter, special) for letter in text]

    def piece(self, token: int, special: bool = False) -> bytes:
        return b""


def written(template: str, *messages: Message) -> str:
    tokens = cast("list[tuple[str, bool]]", Template(cast(Model, Letters(template))).tokens(messages))
    return "".join(letter for letter, _ in tokens)


SYSTEM, USER = Message("system", "Be brief."), Message("user", "Why {{ 7*7 }}?")


def test_chatml_where_the_file_has_no_template() -> None:
    expected = (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy {{ 7*7 }}?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert written("", SYSTEM, USER) == expected == written(CHATML, SYSTEM, USER)


def test_contents_are_never_read_as_control_tokens() -> None:
    tokens = cast("list[tuple[str, bool]]", Template(cast(Model, Letters(""))).tokens([USER]))
    assert "".join(letter for letter, special in tokens if not special) == USER.content


@pytest.mark.parametrize(
    "refusal", ["{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}", ""]
)
def test_a_template_without_system_role_gets_it_with_the_question(refusal: str) -> None:
    template = (
        refusal
        + "{% for m in messages %}{% if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}"
    )
    assert written(refusal + template, SYSTEM, USER) == "<user>Be brief.\n\nWhy {{ 7*7 }}?"


def test_templates_that_drop_messages_or_reach_out_are_refused() -> None:
    with pytest.raises(ModelError, match="drops or repeats"):
        written("{{ messages[-1].content }}", USER, Message("assistant", "So."), USER)
    for evil in ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "{% for", "{{ messages.append(1) }}"):
        with pytest.raises(ModelError, match="template"):
            written(evil, USER)
