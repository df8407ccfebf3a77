"""Questions that take several hops, taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.answer.decompose import outright, plan
from memapp.answer.plan import Agreement, Bridge, Comparison


@pytest.mark.parametrize(
    ("question", "first", "then"),
    [
        ("When did the director of Jump for Glory die?", "Who directed Jump for Glory?", "When did {} die?"),
        (
            "When is the director of film The Price She Paid 's birthday?",
            "Who directed film The Price She Paid?",
            "When is {}'s birthday?",
        ),
        ("Where does my sister's landlord live?", "Who is the landlord of my sister?", "Where does {} live?"),
        ("When was Maria Vilanova's husband born?", "Who is the husband of Maria Vilanova?", "When was {} born?"),
        (
            "Who was the first president of Damerjog's country?",
            "What is the country of Damerjog?",
            "Who was the first president of {}?",
        ),
        (
            "What is the population of the town where the Kraus House is located?",
            "In which town the Kraus House is located?",
            "What is the population of {}?",
        ),
        (
            "When did the city where the next Olympics will be held fall?",
            "In which city the next Olympics will be held?",
            "When did {} fall?",
        ),
        (
            "Who was in charge of the country Ceelmakoile is located in?",
            "Which country is it that Ceelmakoile is located in?",
            "Who was in charge of {}?",
        ),
        (
            "What is the phone number of the man who installed the boiler?",
            "Which man installed the boiler?",
            "What is the phone number of {}?",
        ),
        (
            "When did the shop where I bought the bike open?",
            "In which shop I bought the bike?",
            "When did {} open?",
        ),
        (
            "Who is Anne McLaren's paternal grandfather?",
            "Who is the father of Anne McLaren?",
            "Who is the father of {}?",
        ),
        (
            "Who was the maternal grandmother of Izabela Maria Lubomirska?",
            "Who is the mother of Izabela Maria Lubomirska?",
            "Who was the mother of {}?",
        ),
        ("Who is Viola Clemmons's father-in-law?", "Who is the spouse of Viola Clemmons?", "Who is the father of {}?"),
        (
            "When did the mother-in-law of Ada Quill die?",
            "Who is the spouse of Ada Quill?",
            "When did the mother of {} die?",
        ),
        (
            "Who led the association which published the Journal of Lighthouses?",
            "Which association published the Journal of Lighthouses?",
            "Who led {}?",
        ),
    ],
)
def test_what_is_named_by_a_fact_is_asked_for_first(question: str, first: str, then: str) -> None:
    assert plan(question) == Bridge(first, then)


def test_the_innermost_thing_comes_first() -> None:
    outer = plan("What is the main airport of the birthplace of the director of Northern Lights?")
    assert outer == Bridge("Who directed Northern Lights?", "What is the main airport of the birthplace of {}?")
    assert plan(outer.about("Ida Moe")) == Bridge(
        "What is the birthplace of Ida Moe?", "What is the main airport of {}?"
    )
    assert plan("What is the birthplace of the director of Northern Lights?") == Bridge(
        "Who directed Northern Lights?", "What is the birthplace of {}?"
    )


@pytest.mark.parametrize(
    ("question", "asked", "lower"),
    [
        ("Who is older, Ari Vatanen or Henrik Svensen?", "When was {} born?", True),
        ("Who was born later, Ari Vatanen or Henrik Svensen?", "When was {} born?", False),
        ("Was Ari Vatanen or Henrik Svensen born first?", "When was {} born?", True),
        ("Who died first out of Ari Vatanen and Henrik Svensen?", "When did {} die?", True),
        ("Which film came out first, Ari Vatanen or Henrik Svensen?", "When was {} released?", True),
        ("Which band was formed first Ari Vatanen or Henrik Svensen ?", "When was {} formed?", True),
        ("Which opened more recently, Ari Vatanen or Henrik Svensen?", "When did {} open?", False),
        ("Which film has the director who died earlier, Ari Vatanen or Henrik Svensen?", None, True),
        ("Which book did I read first, Ari Vatanen or Henrik Svensen?", "When did I read {}?", True),
        ("Which cost more, Ari Vatanen or Henrik Svensen?", "How much did {} cost?", False),
        ("Which is taller, Ari Vatanen or Henrik Svensen?", "How tall is {}?", False),
        ("Which ticket costs less, Ari Vatanen or Henrik Svensen?", "How much does {} cost?", True),
        ("Who has more children, Ari Vatanen or Henrik Svensen?", "How many children does {} have?", False),
    ],
)
def test_two_things_are_compared_by_one_question_about_each(question: str, asked: str | None, lower: bool) -> None:
    asked = asked or "When did the director of {} die?"
    things = ("Ari Vatanen", "Henrik Svensen")
    assert plan(question) == Comparison(things, (asked.format(things[0]), asked.format(things[1])), lower)


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Are Totkuh and Khatam located in the same country?", "Which country is {} located in?"),
        ("Are both villages, Totkuh and Khatam, located in the same county?", "Which county is {} located in?"),
        ("Are Totkuh and Khatam both from the same country?", "What is the nationality of {}?"),
        ("Does Totkuh have the same nationality as Khatam?", "What is the nationality of {}?"),
        ("Were Totkuh and Khatam born in the same place?", "Which place was {} born in?"),
        ("Do Totkuh and Khatam work for the same company?", None),
        ("Are the directors of both films Totkuh and Khatam from the same country?", "What is the nationality of {}?"),
    ],
)
def test_what_two_things_have_in_common_is_asked_for_each(question: str, asked: str | None) -> None:
    made = plan(question)
    assert isinstance(made, Agreement)
    things = ("the director of Totkuh", "the director of Khatam") if "directors" in question else ("Totkuh", "Khatam")
    asked = asked or "Which company does {} work for?"
    assert made.questions == (asked.format(things[0]), asked.format(things[1]))


@pytest.mark.parametrize(
    "question",
    [
        "",
        "Who is the harbour master of Skarrow?",
        "What is the capital of France?",
        "Who was hired to be the deputy director of the Office of Space Flight?",
        "Who was the leader of the Islamist regime in Sudan?",
        "What is the name of the quarterback who was 38 in Super Bowl XXXIII?",
        "When is the next service of the boiler due?",
        "what is the population of the city of Fresno",
        "Which lamp was bought for the hall?",
        "Is it the same as before?",
        "Which of the two was it?",
        "the road that connects the tombs is called",
        "What is the process that divides the cell?",
        "The west side of Fresno is the center of which community?",
    ],
)
def test_what_takes_one_fact_stays_whole(question: str) -> None:
    assert plan(question) is None


@pytest.mark.parametrize("name", ["Anna ", "Anna of the ", "the director of Anna ", "Anna's "])
def test_a_question_of_ten_thousand_words_stays_whole(name: str) -> None:
    assert plan(f"When did the director of {name * 10_000} die?") is None


@given(st.text(max_size=200))
def test_any_text_is_read_without_harm(text: str) -> None:
    plan(text)
    plan(f"Which film came out first, {text} or {text}?")
    plan(f"When did the director of {text} die?")


@pytest.mark.parametrize(
    ("question", "text", "told"),
    [
        ("Who is Ann Moe's father-in-law?", "Karl, Ann Moe's father-in-law, keeps bees.", True),
        ("Who is Ann Moe's father-in-law?", "Karl keeps bees. He is the Father-in-law of Ann Moe.", True),
        ("When did the maternal grandmother of Ann Moe die?", "Ann Moe. Her maternal grandmother died in 1961.", True),
        ("Who is Ann Moe's father-in-law?", "Karl, Ida Quill's father-in-law, keeps bees.", False),
        ("Who is Ann Moe's father-in-law?", "Karl is the father of Ann Moe.", False),
        ("Who is Ann Moe's father?", "Karl is the father of Ann Moe.", False),
        ("Who is my father-in-law?", "My father-in-law is Karl.", False),
    ],
)
def test_kinship_that_a_text_tells_outright(question: str, text: str, told: bool) -> None:
    assert outright(question, ["The lamp is lit.", text]) == told
