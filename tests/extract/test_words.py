"""From tokens to words, on any writing."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.extract import characters, tagger
from memapp.extract.words import CAPITAL, OPENS, SHAPES, words
from memapp.models.scripted import ScriptedEmbedder
from memapp.protocols import TokenStates


def tokens(text: str, pattern: str = r"\w{1,3}|[^\w\s]") -> TokenStates:
    offsets = np.array([match.span() for match in re.finditer(pattern, text)], np.int32).reshape(-1, 2)
    return TokenStates(offsets, np.zeros((len(offsets), 4), np.float32))


def written(*texts: str) -> list[list[str]]:
    found = words(texts, [tokens(text) for text in texts])
    made: list[list[str]] = [[] for _ in texts]
    for owner, (start, end) in zip(found.texts, found.spans, strict=True):
        made[owner].append(texts[owner][start:end])
    return made


def test_pieces_of_a_word_come_together() -> None:
    assert written("Longer words, well-known.", "", "X") == [
        ["Longer", "words", ",", "well", "-", "known", "."],
        [],
        ["X"],
    ]


def test_scripts() -> None:
    assert written("हिन्दी भाषा") == [["हिन्दी", "भाषा"]]
    assert written("عبد القادر") == [["عبد", "القادر"]]
    states = tokens("東京 is", r"[東京]|\w+")
    assert [(start, end) for start, end in words(["東京 is"], [states]).spans.tolist()] == [(0, 1), (1, 2), (3, 5)]
    assert written("e\u0301cole 👩‍👩‍👧") == [["e\u0301cole", "👩\u200d", "👩\u200d", "👧"]]


def test_marks_that_a_tokenizer_leaves_out_stay_with_their_word() -> None:
    text = "cafe\u0301 हिन्दी"
    found = words([text], [tokens(text, r"[a-zहनद]")])
    assert [text[start:end] for start, end in found.spans] == ["cafe\u0301", "हिन्दी"]


def test_shapes() -> None:
    found = words(["One two. Three Four\nFive"], [tokens("One two. Three Four\nFive")])
    assert found.shapes.shape == (6, SHAPES)
    assert found.shapes[:, CAPITAL].tolist() == [1, 0, 0, 1, 1, 1]
    assert found.shapes[:, OPENS].tolist() == [1, 0, 0, 1, 0, 1]


def test_nothing() -> None:
    for found in (words([], []), words(["", ""], [tokens(""), tokens("")])):
        assert found.spans.shape == (0, 2)
        assert found.shapes.shape == (0, SHAPES)


@given(st.lists(st.text(max_size=40), max_size=4))
def test_company_changes_nothing(texts: list[str]) -> None:
    together = words(texts, [tokens(text) for text in texts])
    for row, text in enumerate(texts):
        alone = words([text], [tokens(text)])
        mine = together.texts == row
        np.testing.assert_array_equal(together.spans[mine], alone.spans)
        np.testing.assert_array_equal(together.shapes[mine], alone.shapes)
        assert all(text[start:end].strip() for start, end in alone.spans)


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=60))
def test_flags_of_any_characters(text: str) -> None:
    flags = characters.flags(text)
    assert len(flags) == len(text)
    assert (flags & characters.KNOWN).all()
    counted = characters.count(flags, characters.SPACE | characters.LINE, [(0, len(text))])
    assert counted.tolist() == [sum(character.isspace() for character in text)]


def random_weights(dimension: int, seed: int = 0) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    generator = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return generator.standard_normal(shape).astype(np.float32)

    return {
        "tokens": some(dimension, 16),
        "shapes": some(SHAPES, 8),
        "word": some(8),
        "around": some(8 * (2 * tagger.REACH + 1), 6),
        "context": some(6),
        "labels": some(6, 3),
        "prior": some(3),
    }


@given(st.lists(st.text(alphabet="aB c.\n", max_size=25), min_size=1, max_size=4), st.integers(0, 5))
def test_a_text_is_tagged_the_same_in_any_company(texts: list[str], seed: int) -> None:
    embedder, weights = ScriptedEmbedder(), random_weights(64, seed)
    states = embedder.encode(texts)[1]
    together = tagger.mentions(weights, texts, states)
    for text, each, found in zip(texts, states, together, strict=True):
        assert tagger.mentions(weights, [text], [each]) == [found]
        assert all(text[start:end].strip() for start, end in found)
        assert all(one[1] <= other[0] for one, other in pairwise(found))


def test_more_doubt_finds_no_less() -> None:
    text = "Some words And some More words of one Sentence"
    states = ScriptedEmbedder().encode([text])[1]
    covered = []
    for doubt in (0.0, 0.4, 0.8, 1.0):
        (found,) = tagger.mentions(random_weights(64), [text], states, doubt, doubt)
        covered.append({place for start, end in found for place in range(start, end) if text[place] != " "})
    assert all(one <= other for one, other in pairwise(covered))
    assert not covered[0]


@pytest.mark.parametrize("label", [tagger.BEGIN, tagger.INSIDE, tagger.OUTSIDE])
def test_labels_become_spans(label: int) -> None:
    text = "a b c"
    found = words([text], [tokens(text)])
    sure = np.zeros((3, 3), np.float32)
    sure[:, label] = 1
    expected = {tagger.BEGIN: [(0, 1), (2, 3), (4, 5)], tagger.INSIDE: [(0, 5)], tagger.OUTSIDE: []}
    assert tagger.spans(found, sure, 1, 0.5, 0.5) == [expected[label]]
