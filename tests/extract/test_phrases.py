"""The normal form: what is one phrase, and what must stay two."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memapp.extract.phrases import LONGEST, aliases, normal, stretches


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("The Beatles", "beatles"),
        ("“The   Beatles,”", "beatles"),
        ("London's", "london"),
        ("the Smiths'", "smiths"),
        ("women’s", "women"),
        ("U.S.", "u.s."),
        ("(1984)", "1984"),
        ("Rock (band)", "rock (band)"),
        ("Straße", "strasse"),
        ("e\u0301cole", "école"),
        ("ＢＢＣ", "bbc"),
        ("Jean–Luc", "jean-luc"),
        ("عبد القادر\u200f", "عبد القادر"),
        ("Ada\x00 Love\u202elace", "ada lovelace"),
        ("«Война и мир»", "война и мир"),
        ("《红楼梦》", "红楼梦"),
        ("!?", ""),
        ("'s", "s"),
        (" \n", ""),
        ("", ""),
    ],
)
def test_what_makes_no_difference(written: str, form: str) -> None:
    assert normal(written) == form


@pytest.mark.parametrize(
    "apart",
    [
        ("C", "C++", "C#", "D"),
        ("NET", ".NET"),
        ("AT&T", "ATT"),
        ("東京", "京都"),
        ("हिन्दी", "हनद", "हिंदी"),
        ("Пушкин", "Пушкина"),
        ("محمد", "محمود"),
        ("resume", "résumé"),
        ("James", "Jame"),
        ("40", "-40", "40%"),
        ("👩‍👩‍👧", "👩", "👧"),
    ],
)
def test_what_makes_a_difference(apart: tuple[str, ...]) -> None:
    forms = {normal(phrase) for phrase in apart}
    assert len(forms) == len(apart)
    assert "" not in forms


def test_combining_marks_stay_with_their_letters() -> None:
    assert normal("हिन्दी") == unicodedata.normalize("NFKC", "हिन्दी")
    assert normal("क्षेत्र") != normal("कषतर")


def test_a_phrase_of_ten_thousand_characters_is_none() -> None:
    assert normal("word " * 2000) == ""
    assert normal("x" * LONGEST) == "x" * LONGEST
    assert normal("x" * (LONGEST + 1)) == ""
    assert normal("ﷺ" * (LONGEST - 1)) == ""
    assert aliases("x" * 10_000) == ()


@given(
    st.one_of(
        st.text(max_size=40), st.text(alphabet="aB .,'’\"()[]#+-s\u0301\u200f\u200d東ﬁ½İΐ🎉!?", max_size=12), st.text()
    )
)
def test_the_normal_form_is_its_own(phrase: str) -> None:
    form = normal(phrase)
    assert normal(form) == form
    assert form == form.strip()
    assert len(form) <= LONGEST
    assert not any(unicodedata.category(character) == "Cc" for character in form)


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=30))
def test_letters_and_digits_are_never_all_lost(phrase: str) -> None:
    assert normal(phrase)
    assert normal(f"“{phrase},”") == normal(phrase)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("James Brown (musician)", "James Brown"),
        ("Dr. Ada Lovelace", "Ada Lovelace"),
        ("John F. Kennedy", "John Kennedy"),
        ("Sammy Davis Jr.", "Sammy Davis"),
        ("Sir John F. Falstaff", "John Falstaff"),
        ("neural networks", "neural network"),
    ],
)
def test_synonyms_share_a_form(one: str, other: str) -> None:
    assert {normal(one), *aliases(one)} & {normal(other), *aliases(other)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Rolling Stones", "Rolling Stone"),
        ("Queen Victoria", "Victoria"),
        ("St. Louis", "Louis"),
        ("James", "Jame"),
        ("C++", "C"),
        ("King Lear", "Lear"),
    ],
)
def test_others_do_not(one: str, other: str) -> None:
    assert not {normal(one), *aliases(one)} & {normal(other), *aliases(other)}


@given(st.text(max_size=60))
@example("000\rs")
def test_aliases_are_normal_forms_other_than_its_own(phrase: str) -> None:
    forms = aliases(phrase)
    assert normal(phrase) not in forms
    assert all(form and normal(form) == form for form in forms)
    assert len(set(forms)) == len(forms)


def test_stretches_find_what_no_tagger_sees() -> None:
    found = stretches("Who directed the film Oh! What a Nurse! (1926)?")
    assert {normal("Oh! What a Nurse!"), "1926", "film"} <= set(found)
    assert found.index("film oh! what a nurse!") < found.index("nurse!")
    assert stretches("") == stretches("?!") == ()
    assert len(stretches("word " * 10_000, 3)) == 3


@given(st.text(max_size=60), st.integers(1, 4))
def test_stretches_are_normal_and_hold_every_word(text: str, words: int) -> None:
    found = stretches(text, words)
    assert all(form and normal(form) == form for form in found)
    assert {normal(word) for word in text.split()} - {""} <= set(found)
