"""The reader's likely answers, weighed by where they stand."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.answer import candidates, cite, pointing
from memapp.protocols import Spans
from memapp.types import Beam, Hit, Passage, Piece

BOILER = (
    "Hans Meier serviced the boiler on 4 March 2026. The next service is due in March 2028. "
    "Its filter is of the type MB-3."
)
LAMP = "The lamp of the hall was bought on 9 May 2011. The lamp of the stairs is older."


def hit(rank: int, text: str, title: str = "Note") -> Hit:
    return Hit(rank, 0.9, Passage(rank, f"doc-{rank}", title, text, 0, len(text)))


HITS = (hit(1, BOILER), hit(2, LAMP))


def numbered(number: int) -> Hit | None:
    return HITS[number - 1] if 0 < number <= len(HITS) else None


def best(question: str, *beams: tuple[str, float]) -> candidates.Candidate:
    written = [Beam(text, logprob, 5) for text, logprob in beams]
    return candidates.weighed(question, written, HITS, numbered)[0]


def test_an_answer_beside_the_words_of_the_question_beats_a_likelier_one_far_from_them() -> None:
    one = best("When is the next service due?", (" 4 March 2026 [1]", -0.9), (" March 2028 [1]", -1.4))
    assert one.text == "March 2028"
    assert one.sentence is not None
    assert one.sentence.text == "The next service is due in March 2028."


def test_where_they_stand_alike_the_likelier_one_is_taken() -> None:
    one = best("When was the boiler serviced?", (" 4 March 2026 [1]", -0.3), (" March 2026 [1]", -2.0))
    assert one.text == "4 March 2026"


def test_what_only_repeats_the_question_is_worth_less() -> None:
    one = best("What type is the filter of the boiler?", (" boiler [1]", -0.5), (" MB-3 [1]", -1.0))
    assert one.text == "MB-3"


def test_what_the_question_offers_for_a_choice_may_be_repeated() -> None:
    likely = (" lamp [2]", -0.5), (" 9 May 2011 [2]", -2.0)
    assert best("What was bought for the hall first, the lamp or the boiler?", *likely).text == "lamp"
    assert best("What lamp was bought for the hall?", *likely).text == "9 May 2011"


def test_what_stands_nowhere_is_worth_less() -> None:
    one = best("Who serviced the boiler?", (" Hans Maier [1]", -0.6), (" Hans Meier [1]", -0.8))
    assert one.text == "Hans Meier"
    assert best("Who painted it?", (" Hans Maier [1]", -0.1)).sentence is None


def test_one_text_written_in_several_ways_is_one_answer() -> None:
    written = [Beam(" Hans Meier [1]", math.log(0.4), 4), Beam(" hans meier [2]", math.log(0.2), 4)]
    (one,) = candidates.weighed("Who serviced the boiler?", written, HITS, numbered)
    assert one.text == "Hans Meier"
    assert math.exp(one.logprob) == pytest.approx(0.6)


def test_the_passage_that_was_named_goes_before_others() -> None:
    twice = (hit(1, "The key hangs in the hall."), hit(2, "The lamp key is in the hall, under the lamp."))
    written = [Piece(" the hall [1]", -0.1, 4)]
    (one,) = candidates.weighed("Where is the lamp key?", written, twice, lambda number: twice[number - 1])
    assert one.sentence is not None
    assert one.sentence.hit.rank == 1


def test_that_nothing_tells_comes_last_and_lowers_the_confidence() -> None:
    def asked(nothing: float, other: float) -> candidates.Choice:
        written = [Beam(" [0]", nothing, 3), Beam(" Hans Meier [1]", other, 4)]
        return candidates.chosen("Who serviced the boiler?", written, HITS, numbered)

    found = candidates.weighed("How tall is it?", [Beam(" [0]", -0.01, 3), Beam(" 4 [1]", -6.0, 4)], HITS, numbered)
    assert [one.text for one in found] == ["4", ""]
    doubted, sure = asked(-0.05, -9.0), asked(-9.0, -0.05)
    assert doubted.cited.text == sure.cited.text == "Hans Meier [1]"
    assert doubted.confidence < 0.5 < 0.9 < sure.confidence
    only = candidates.chosen("How tall is it?", [Beam(" [0]", -0.01, 3)], HITS, numbered)
    assert (only.cited.text, only.cited.citations, only.confidence) == ("", (), 0.0)


@given(st.lists(st.tuples(st.sampled_from(["Hans Meier", "4 March 2026", "[0]", "nobody", ""]), st.floats(-20, 0))))
def test_confidence_is_a_share(written: list[tuple[str, float]]) -> None:
    beams = [Beam(f" {text} [1]" if text != "[0]" else " [0]", logprob, 3) for text, logprob in written]
    found = candidates.chosen("Who serviced the boiler?", beams, HITS, numbered)
    assert 0 <= found.confidence <= 1
    assert bool(found.cited.citations) or found.confidence == 0.0


def test_what_stands_before_a_turn_is_said_beside_its_first_words() -> None:
    turn = hit(1, "Gina (8 May 2023): We danced all night. The studio opened.")
    assert turn.passage.stamp
    (one,) = candidates.weighed("When was the studio opened?", [Piece(" 8 May 2023 [1]", -0.2, 6)], [turn], numbered)
    assert one.sentence is not None
    assert one.sentence.text == "The studio opened."


@pytest.mark.parametrize("question", ["", "?", "the of"])
def test_a_question_without_words_weighs_nothing(question: str) -> None:
    assert candidates.near(["hans"], cite.words(question), cite.tokens(BOILER)) == 0.0


def test_nearness_lies_between_0_and_1_and_falls_with_distance() -> None:
    text = cite.tokens("The lamp of the hall was bought in a shop far away on 9 May 2011 by Ann.")
    near = candidates.near(["by", "ann"], ["2011"], text)
    far = candidates.near(["ann"], ["lamp"], text)
    assert 0 < far < near < 1


def test_words_of_the_question_that_the_passage_lacks_lower_the_confidence() -> None:
    def sure(question: str) -> float:
        return candidates.chosen(question, [Beam(" Hans Meier [1]", -0.5, 4)], HITS, numbered).confidence

    assert sure("Who serviced the boiler?") > sure("Who serviced the sauna?") > sure("Who built the sauna?") > 0


def pointing_at(answer: str, nothing: float = -9.0) -> pointing.Point:
    """A span reader that is sure of one answer, where a passage says it."""

    def point(question: str, passages: Sequence[str]) -> list[Spans]:
        return [spans(passage) for passage in passages]

    def spans(passage: str) -> Spans:
        words = [match.span() for match in re.finditer(r"[\w-]+|[^\w\s]", passage)]
        where = pointing.places(passage, words, answer)
        starts, ends = np.full(len(words), -9.0, np.float32), np.full(len(words), -9.0, np.float32)
        for first, last in where:
            starts[first] = ends[last] = -0.1
        return Spans(np.array(words, np.int32).reshape(-1, 2), starts, ends, nothing)

    return point


def test_what_the_span_reader_points_at_is_preferred() -> None:
    beams = [Beam(" 4 March 2026 [1]", -0.9, 5), Beam(" March 2028 [1]", -1.4, 5), Beam(" 9 May 2011 [2]", -2.0, 5)]
    question = "When was it serviced or bought?"
    for answer in ("4 March 2026", "March 2028", "9 May 2011"):
        one = candidates.weighed(question, beams, HITS, numbered, pointing_at(answer))[0]
        assert one.text == answer
        assert one.sentence is not None


def test_what_the_span_reader_does_not_find_is_still_an_answer() -> None:
    beams = [Beam(" Hans Maier [1]", -0.1, 4), Beam(" [0]", -3.0, 3)]
    (one, none) = candidates.weighed("Who painted it?", beams, HITS, numbered, pointing_at("Hans Meier"))
    assert (one.text, one.sentence, none.text) == ("Hans Maier", None, "")
    assert math.isfinite(one.score)
    assert none.score == none.logprob == -3.0


def test_a_span_reader_that_holds_the_passage_for_silent_lowers_the_confidence() -> None:
    def sure(nothing: float) -> float:
        beams = [Beam(" Hans Meier [1]", -0.5, 4)]
        point = pointing_at("Hans Meier", nothing)
        return candidates.chosen("Who serviced the boiler?", beams, HITS, numbered, point).confidence

    assert sure(-20.0) > sure(-6.0) > sure(-0.1) > 0


def test_passages_of_no_candidate_are_not_pointed_at() -> None:
    read: list[str] = []

    def point(question: str, passages: Sequence[str]) -> list[Spans]:
        read.extend(passages)
        return list(pointing_at("Hans Meier")(question, passages))

    candidates.weighed("Who serviced it?", [Beam(" Hans Meier [1]", -0.5, 4)], HITS, numbered, point)
    assert read == [f"Note\n{BOILER}"]
    candidates.weighed("Who serviced it?", [Beam(" [0]", -0.5, 3)], HITS, numbered, point)
    assert len(read) == 1


BOOKS = "In March I read The Salt Road. Night Ferry I read in July. The cellar is damp."


def listed(question: str, *beams: tuple[str, float], text: str = BOOKS) -> cite.Cited:
    written = [Beam(text, logprob, 5) for text, logprob in beams]
    hits = (hit(1, text),)
    return candidates.chosen(question, written, hits, lambda number: hits[0] if number == 1 else None).cited


def test_where_several_are_asked_for_those_of_other_sentences_are_told_too() -> None:
    beams = (" The Salt Road [1]", -0.7), (" Night Ferry [1]", -1.0), (" Salt Road [1]", -1.5), (" damp [1]", -4.0)
    several = listed("What books have I read?", *beams)
    assert several.text == "The Salt Road [1], Night Ferry [2]"
    assert [one.text for one in several.citations] == ["In March I read The Salt Road.", "Night Ferry I read in July."]
    assert [one.n for one in several.citations] == [1, 2]
    assert listed("What book have I read?", *beams).text == "The Salt Road [1]"


def test_of_answers_that_overlap_the_longest_is_told() -> None:
    cats = "We have a kitty. A fat kitty sleeps here. Luna is our dog."
    told = listed(
        "What pets do we have?", (" kitty [1]", -0.2), (" fat kitty [1]", -1.0), (" dog [1]", -1.2), text=cats
    )
    assert cite.unmarked(told.text) == "fat kitty, dog"
    assert [one.text for one in told.citations] == ["A fat kitty sleeps here.", "Luna is our dog."]


def test_what_another_speaker_read_is_not_told_of_this_one() -> None:
    turns = [
        "Ann (3 May 2023, 10:00): I finished Night Ferry.",
        "Bo (3 May 2023, 10:01): I finished The Salt Road.",
        "Ann (4 May 2023, 10:00): I also finished Old Harbour.",
    ]
    known = {"speakers": ["Ann", "Bo"]}
    spoken = [f"{text.split(' ')[0]} · 2023-05-03T10:00" for text in turns]
    passages = [
        Passage(n, f"t{n}", "", text, 0, len(text), heading=by, metadata=known)
        for n, (text, by) in enumerate(zip(turns, spoken, strict=True), 1)
    ]
    hits = tuple(Hit(n, 0.9, passage) for n, passage in enumerate(passages, 1))
    beams = [
        Beam(f" {text} [{n}]", -1.0, 5) for n, text in enumerate(("Night Ferry", "The Salt Road", "Old Harbour"), 1)
    ]
    told = candidates.chosen("What books has Ann finished?", beams, hits, lambda n: hits[n - 1]).cited
    assert cite.unmarked(told.text) == "Night Ferry, Old Harbour"
