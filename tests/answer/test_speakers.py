"""Whose words an answer from a conversation rests on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memapp.answer import candidates, prompt, reading, speakers
from memapp.types import Citation, Hit, Passage, Piece, Score


def turn(id: int, speaker: str, words: str, day: str = "8 May 2023") -> Passage:
    text = f"{speaker} ({day}, 13:56): {words}"
    known = {"speakers": sorted({"Gina", "Jon"} | {speaker}), "session": "1"}
    return Passage(id, "talk", "export 7", text, 0, len(text), heading=f"{speaker} · 2023-05-08T13:56", metadata=known)


def hits(*passages: Passage) -> tuple[Hit, ...]:
    return tuple(Hit(n, 0.9, passage) for n, passage in enumerate(passages, 1))


def cited(passage: Passage, sentence: str) -> Citation:
    start = passage.text.index(sentence)
    return Citation(1, "talk", "", sentence, start, start + len(sentence), passage.id)


GINA = turn(1, "Gina", "I was accepted for an internship. You would love it!")
JON = turn(2, "Jon", "Congratulations, Gina! Your store looks great. I sold mine.")


def test_a_turn_is_read_with_who_said_it_on_which_day_and_without_square_brackets() -> None:
    one = turn(3, "Gina", "I went yesterday [7 May 2023]. [a photo of a dog]")
    assert reading.shown(one) == "Gina (8 May 2023): I went yesterday (7 May 2023). (a photo of a dog)"
    _, asked, _ = reading.messages("When did Gina go?", [one])
    assert "export 7" not in asked.content
    assert "13:56" not in asked.content
    (_, plain) = prompt.Plain().messages("When did Gina go?", hits(one), ())
    assert reading.shown(one) in plain.content


def test_turns_that_only_ask_are_not_worth_reading_unless_nothing_else_is() -> None:
    asks, asks_too = turn(10, "Jon", "Then who has the key? Gina?"), turn(11, "Jon", "Who?")
    tells, shows = turn(12, "Gina", "Who asks? Maria has it."), turn(13, "Gina", "This one? [a photo of a key]")
    note = Passage(14, "d", "Note", "Who has the key?", 0, 16)
    read = prompt.worth_reading(hits(asks, tells, asks_too, shows, note), 0.0)
    assert [hit.passage.id for hit in read] == [12, 13, 14]
    assert [hit.passage.id for hit in prompt.worth_reading(hits(asks, asks_too), 0.0)] == [10, 11]


def test_a_turn_of_no_known_day_is_read_under_its_speaker() -> None:
    known = {"speaker": "Gina", "session": "1", "time": "one day"}
    undated = Passage(4, "talk", "export", "Gina: I went.", 0, 13, metadata=known)
    assert reading.shown(undated) == "Gina: I went."
    part = Passage(5, "talk", "export", "and I stayed.", 0, 13, metadata=known)
    assert reading.shown(part) == "Gina: and I stayed."


def test_a_note_with_brackets_is_read_as_it_is() -> None:
    note = Passage(6, "d", "Note", "See [3] and (4).", 0, 16)
    assert reading.shown(note) == "Note\nSee [3] and (4)."


def test_the_day_of_a_turn_is_cited_by_the_sentence_that_fits_the_question() -> None:
    one = turn(3, "Gina", "Thanks! My internship begins today. Bye.")
    written = [Piece(" 8 May 2023 [1]", -0.1, 6)]
    found = candidates.chosen("When does the internship begin?", written, hits(one), lambda _: hits(one)[0]).cited
    assert [each.text for each in found.citations] == ["My internship begins today."]
    assert found.support == 1.0


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Where is Gina's internship?", "Gina"),
        ("Where is JON'S internship?", "Jon"),
        ("What do Gina and Jon share?", ""),
        ("Who has an internship?", ""),
        ("Where is Maria's internship?", ""),
    ],
)
def test_who_is_asked_about_is_the_one_speaker_named(question: str, name: str) -> None:
    assert speakers.asked_about(question, hits(GINA, JON)) == name


def test_one_who_takes_part_counts_also_where_no_turn_of_his_was_found() -> None:
    assert speakers.asked_about("Where is Jon's internship?", hits(GINA)) == "Jon"


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What will happen in Oslo?", ""),
        ("Will it rain?", ""),
        ("Where does Will live?", "Will"),
        ("What is will's dog called?", "Will"),
        ("May I ask where Will lives?", "Will"),
    ],
)
def test_a_name_that_is_a_word_is_one_only_where_it_is_written_so(question: str, name: str) -> None:
    assert speakers.asked_about(question, hits(turn(1, "Will", "I moved."), turn(2, "May", "I did not."))) == name


def test_roles_are_nobodys_names() -> None:
    known = {"speaker": "user", "session": "1"}
    said = hits(Passage(7, "talk", "", "user: I moved to Oslo.", 0, 22, metadata=known))
    assert speakers.asked_about("Where did I, the user, move?", said) == ""


@pytest.mark.parametrize(
    ("name", "passage", "sentence", "other"),
    [
        ("Gina", GINA, "I was accepted for an internship.", ""),
        ("Jon", GINA, "I was accepted for an internship.", "Gina"),
        ("Jon", GINA, "You would love it!", ""),
        ("Gina", JON, "Congratulations, Gina!", ""),
        ("Gina", JON, "Your store looks great.", ""),
        ("Gina", JON, "I sold mine.", "Jon"),
    ],
)
def test_what_another_says_of_himself_is_not_about_the_one_asked_about(
    name: str, passage: Passage, sentence: str, other: str
) -> None:
    assert speakers.of_another(name, cited(passage, sentence), passage) == other


def test_the_stamp_of_a_turn_is_not_what_it_says() -> None:
    one = turn(8, "Gina", "It stands by the river.")
    assert speakers.of_another("Jon", cited(one, one.text), one) == "Gina"


def test_among_many_the_one_asked_about_may_be_he_or_she() -> None:
    pair = turn(8, "Gina", "He has a dog.")
    group = replace(pair, metadata={**pair.metadata, "speakers": ["Gina", "Jon", "Maria"]})
    assert speakers.of_another("Jon", cited(pair, "He has a dog."), pair) == "Gina"
    assert speakers.of_another("Jon", cited(group, "He has a dog."), group) == ""


def test_a_document_is_nobodys_words() -> None:
    note = Passage(6, "d", "Note", "I was accepted.", 0, 15)
    assert speakers.of_another("Jon", cited(note, "I was accepted."), note) == ""


def test_another_speaker_counts_who_comes_far_nearer_in_the_first_person() -> None:
    known = {1: GINA, 2: JON, 9: turn(9, "Jon", "Work is work.")}
    far = speakers.CLOSER + 0.01
    assert speakers.closer("Jon", 9, [Score(1, 0.5 + far), Score(9, 0.5)], known) == "Gina"
    assert speakers.closer("Jon", 9, [Score(1, 0.5 + far - 0.02), Score(9, 0.5)], known) == ""
    assert speakers.closer("Jon", 9, [Score(2, 0.5 + far), Score(9, 0.5)], known) == ""
    assert speakers.closer("Gina", 1, [Score(9, 0.5 + far), Score(1, 0.5)], known) == ""
    assert speakers.closer("Jon", 9, [Score(3, 0.5 + far), Score(9, 0.5)], known) == ""
