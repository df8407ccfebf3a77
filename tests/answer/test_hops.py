"""Following a plan: what is asked, what the answers come to, and when they come to nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from memapp.answer import hops
from memapp.answer.decompose import plan
from memapp.types import Answer, Citation, Hop

FACTS = {
    "Who directed Jump for Glory?": ("Raoul Walsh", "It was directed by Raoul Walsh."),
    "When did Raoul Walsh die?": ("31 December 1980", "Walsh died on 31 December 1980."),
    "When was Anna born?": ("1953", "Anna was born in 1953."),
    "When was Bram born?": ("4 May 1953", "Bram was born on 4 May 1953."),
    "When was Clara born?": ("1860", "Clara was born in 1860."),
    "How tall is Anna?": ("1.71 m", "Anna is 1.71 m tall."),
    "How tall is Bram?": ("almost 1.8 m", "Bram is almost 1.8 m tall."),
    "How tall is Clara?": ("180 cm", "Clara is 180 cm tall."),
    "What is the nationality of Anna?": ("Norwegian", "Anna is a Norwegian painter."),
    "What is the nationality of Bram?": ("Norway", "Bram comes from Norway."),
    "What is the nationality of Clara?": ("Danish", "Clara is a Danish painter."),
    "Which country is Vik located in?": ("Norway", "Vik is a village in Norway."),
    "Which country is Nes located in?": ("Viken county", "Nes is a village in Viken county, Norway."),
}


def outcome(question: str, facts: Mapping[str, tuple[str, str]] = FACTS) -> tuple[list[Hop], hops.Outcome | None]:
    def ask(asked: str) -> Answer:
        if asked not in facts:
            return Answer(asked, "Not there.", abstained=True)
        text, sentence = facts[asked]
        passage = list(facts).index(asked)
        return Answer(asked, f"{text} [1]", (Citation(1, "d", "t", sentence, 0, len(sentence), passage),), 0.5)

    made = plan(question)
    assert made is not None
    following, told = hops.follow(made, ask), []
    while True:
        try:
            told.append(next(following))
        except StopIteration as end:
            return told, end.value


def test_one_answer_leads_to_the_next() -> None:
    told, made = outcome("When did the director of Jump for Glory die?")
    assert [(hop.question, hop.text) for hop in told] == [
        ("Who directed Jump for Glory?", "Raoul Walsh"),
        ("When did Raoul Walsh die?", "31 December 1980"),
    ]
    assert made is not None
    assert made.confidence == 0.25
    marked = made.marked()
    assert marked.text == "31 December 1980 [1][2]"
    assert [(one.n, one.text) for one in marked.citations] == [
        (1, "It was directed by Raoul Walsh."),
        (2, "Walsh died on 31 December 1980."),
    ]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who is older, Clara or Anna?", "Clara"),
        ("Who is younger, Clara or Anna?", "Anna"),
        ("Which is taller, Anna or Bram?", "Bram"),
        ("Are Anna and Bram from the same country?", "yes"),
        ("Are Anna and Clara from the same country?", "no"),
        ("Are Vik and Nes located in the same country?", "yes"),
    ],
)
def test_answers_are_compared(question: str, answer: str) -> None:
    _, made = outcome(question)
    assert made is not None
    assert made.text == answer
    assert len(made.citations) == 2


@pytest.mark.parametrize("question", ["Who is older, Anna or Bram?", "Who is taller, Anna or Clara?"])
def test_what_the_answers_leave_open_is_not_decided(question: str) -> None:
    told, made = outcome(question)
    assert len(told) == 2
    assert made is None


def test_a_hop_without_an_answer_ends_it() -> None:
    told, made = outcome("When did the director of Somewhere die?")
    assert [hop.text for hop in told] == [""]
    assert made is None


def test_an_answer_that_only_repeats_the_question_leads_nowhere() -> None:
    repeated = {"Who is the son of Anna?": ("Anna", "Anna has a son."), "Where does Anna live?": ("Vik", "In Vik.")}
    told, made = outcome("Where does Anna's son live?", repeated)
    assert len(told) == 1
    assert made is None


def test_nor_does_a_long_one() -> None:
    words = "whoever it was that came by in those days when nobody wrote names down"
    rambling = {"Who directed Loop?": (words, words)}
    told, made = outcome("When did the director of Loop die?", rambling)
    assert len(told) == 1
    assert made is None


def test_nor_does_one_that_repeats_what_led_to_it() -> None:
    circle = {
        "In which county Hawk Township is located?": ("Jefferson County", "Hawk Township is in Jefferson County."),
        "What borders on Jefferson County?": ("Hawk Township", "Hawk Township is in Jefferson County."),
    }
    told, made = outcome("What borders on the county where Hawk Township is located?", circle)
    assert len(told) == 2
    assert made is None


def test_one_sentence_is_cited_once() -> None:
    told, made = outcome("Are Vik and Vik located in the same country?")
    assert len(told) == 2
    assert made is not None
    assert made.marked().text == "yes [1]"


def test_plans_within_plans_end() -> None:
    endless = "Who directed Loop?"
    question = "When did the director of Loop die?"
    turning = {endless: ("the director of Loop", "The director of Loop directed Ring.")}
    told, made = outcome(question, turning)
    assert made is None
    assert len(told) <= 2 * hops.DEEPEST + 2


@pytest.mark.parametrize(
    ("question", "answer", "admitted"),
    [
        ("Are Anna and Bram from the same country?", "Norway", False),
        ("Are Anna and Bram from the same country?", "Yes, Norway", True),
        ("Who is older, Anna Berg or Bram?", "1953", False),
        ("Who is older, Anna Berg or Bram?", "Anna", True),
        ("Who is older, Anna Berg or Bram?", "Bram, the organ builder", True),
        ("Who is older, Anna Berg or Bram?", "", False),
        ("When did the director of Loop die?", "1953", True),
    ],
)
def test_the_whole_question_admits_only_answers_of_its_kind(question: str, answer: str, admitted: bool) -> None:
    made = plan(question)
    assert made is not None
    assert made.admits(answer) is admitted
