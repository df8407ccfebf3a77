"""Clues for vague questions: when, what of a model's words counts, and what they may move."""

from __future__ import annotations

import pytest

from memapp.errors import UsageError
from memapp.models.catalog import bundled_path
from memapp.models.llama import LlamaEngine
from memapp.models.native import Options
from memapp.models.scripted import ScriptedEngine
from memapp.recall import clues
from memapp.recall.clues import Clue
from memapp.types import Hit, Message, Passage

GIST = ("Tides: The mill at Brae grinds rye.", "Light: Tove Lindqvist kept the light on Sullen Point.")
QUESTION = "Who kept it?"


def hit(id: int, score: float, rank: int = 1) -> Hit:
    return Hit(rank, score, Passage(id, f"d{id}", "", "text", 0, 4))


def test_clues_are_wanted_for_vague_questions_where_the_setting_says_so() -> None:
    sure, unsure = [hit(1, clues.VAGUE)], [hit(1, clues.VAGUE - 0.01)]
    assert clues.wanted("drafted", unsure)
    assert clues.wanted("chosen", unsure)
    assert not clues.wanted("drafted", sure)
    assert not clues.wanted("off", unsure)
    assert not clues.wanted("drafted", [])
    with pytest.raises(UsageError, match="There are no clues 'guessed'"):
        clues.wanted("guessed", sure)


def test_lines_that_say_something_are_clues_of_their_kind() -> None:
    said = {
        "Copy": "- The light was kept by Tove.\n2. Yes.\n* It stood on Sullen Point.\nOne more line here.\n"
        "And a fourth one here.",
        "clearer": "Who kept it?\nWho kept the light at Sullen Point?\nThe light was kept by Tove.",
        "sentence": "Tove kept the light there.",
    }
    asked: list[tuple[Message, ...]] = []

    def respond(messages: tuple[Message, ...]) -> str:
        asked.append(messages)
        return next(text for word, text in said.items() if word in messages[-1].content)

    found = clues.drafted(QUESTION, GIST, ScriptedEngine(respond))
    assert [(clue.text, clue.weight) for clue in found] == [
        ("The light was kept by Tove.", 0.7),
        ("It stood on Sullen Point.", 0.7),
        ("One more line here.", 0.7),
        ("Who kept the light at Sullen Point?", 0.5),
        ("Tove kept the light there.", 0.5),
    ]
    assert len({messages[:2] for messages in asked}) == 1
    assert all(line in asked[0][0].content for line in GIST)


def test_only_names_that_were_offered_are_chosen() -> None:
    engine = ScriptedEngine(lambda _: "Brae; Sullen Point; Atlantis; Brae")
    found = clues.chosen(QUESTION, GIST, ["Sullen Point", "Brae", "Brae", "kept it", "<|im_end|>"], engine)
    assert found == (Clue("Who kept it? Brae", 0.7), Clue("Who kept it? Sullen Point", 0.7))


def test_what_the_question_names_and_what_could_be_a_token_is_not_offered() -> None:
    shown: list[str] = []

    def respond(messages: tuple[Message, ...]) -> str:
        shown.append(messages[-1].content)
        return ""

    clues.chosen("Where is the Mill at BRAE?", GIST, ["Brae", "Tove", "<|im_end|>", "a;b"], ScriptedEngine(respond))
    assert shown[0].endswith("\nTove")
    assert clues.chosen("Where is Brae?", GIST, ["Brae"], ScriptedEngine(respond)) == ()
    assert len(shown) == 1


def test_a_passage_has_the_better_of_both_scores_and_says_by_which_clue() -> None:
    own = [hit(1, 0.4), hit(2, 0.3, 2), hit(3, 0.2, 3)]
    led = [(Clue("other words", 0.5), [hit(3, 0.9), hit(1, 0.7, 2), hit(9, 0.5, 3)])]
    found = clues.fused(own, led, 4)
    assert [(one.rank, one.passage.id, round(one.score, 3)) for one in found] == [
        (1, 3, 0.45),
        (2, 1, 0.4),
        (3, 2, 0.3),
        (4, 9, 0.25),
    ]
    assert 'clues #1 (0.450, by "other words")' in found[0].why
    assert found[1].shares == own[0].shares


def test_the_better_half_of_the_questions_own_hits_keeps_a_place() -> None:
    own = [hit(n, 0.1 - n / 100, n) for n in range(1, 6)]
    led = [(Clue("other words", 0.7), [hit(n, 0.9 - n / 100, n - 10) for n in range(11, 16)])]
    assert [one.passage.id for one in clues.fused(own, led, 5)] == [11, 12, 1, 2, 3]
    assert clues.fused(own, [], 5) == tuple(own)


@pytest.mark.models
def test_the_default_model_chooses_names_under_a_grammar() -> None:
    file = bundled_path()
    assert file is not None
    options = Options(context_tokens=1024, threads=2, ubatch_tokens=128, extra_buffers=False)
    names = ["Sullen Point", 'the "Brindle"', "Tove Lindqvist", "Brae"]
    with LlamaEngine(file, options, identity="bundled") as engine:
        found = clues.chosen(QUESTION, GIST, names, engine)
        again = clues.chosen(QUESTION, GIST, names, engine)
    assert 1 <= len(found) <= clues.LINES
    assert {clue.text.removeprefix(f"{QUESTION} ") for clue in found} <= set(names)
    assert again == found
