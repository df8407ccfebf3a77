"""Properties of fusion that hold for whatever layers say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp.recall.fuse import DEPTH, Fused, fuse
from memapp.recall.names import named
from memapp.types import Score

LAYERS = ("dense", "lexical", "graph", "gist")
RANGE = {"dense": (-1.0, 1.0), "lexical": (0.0, 60.0), "graph": (-1e6, 1e6), "gist": (0.0, 1.0)}


@st.composite
def ranking(draw: st.DrawFn, layer: str) -> list[Score]:
    passages = draw(st.lists(st.integers(1, 30), unique=True, max_size=20))
    values = draw(st.lists(st.floats(*RANGE[layer]), min_size=len(passages), max_size=len(passages)))
    pairs = sorted(zip(values, passages, strict=True), key=lambda pair: (-pair[0], pair[1]))
    return [Score(passage, value) for value, passage in pairs]


@st.composite
def rankings(draw: st.DrawFn) -> dict[str, list[Score]]:
    chosen = draw(st.lists(st.sampled_from(LAYERS), unique=True))
    return {layer: draw(ranking(layer)) for layer in chosen}


def _order(fused: list[Fused]) -> list[int]:
    return [found.passage for found in fused]


@given(rankings(), st.sampled_from([5, DEPTH]))
def test_scores_are_in_range_and_fall_with_the_rank(given_: dict[str, list[Score]], depth: int) -> None:
    scores = [found.score for found in fuse(given_, depth=depth)]
    assert all(0.0 <= score <= 1.0 and math.isfinite(score) for score in scores)
    assert scores == sorted(scores, reverse=True)


@given(rankings())
def test_every_passage_comes_once_with_all_its_layers(given_: dict[str, list[Score]]) -> None:
    fused = fuse(given_)
    assert sorted(_order(fused)) == sorted({score.passage for ranking in given_.values() for score in ranking})
    for found in fused:
        expected = {
            (layer, rank, score.value)
            for layer, ranking in given_.items()
            for rank, score in enumerate(ranking, 1)
            if score.passage == found.passage
        }
        assert {(share.layer, share.rank, share.score) for share in found.shares} == expected


@given(rankings(), st.randoms())
def test_the_order_of_layers_plays_no_part(given_: dict[str, list[Score]], random: object) -> None:
    names = list(given_)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert fuse({name: given_[name] for name in names}) == fuse(given_)


@given(st.sampled_from(LAYERS).flatmap(lambda layer: st.tuples(st.just(layer), ranking(layer))))
def test_a_layer_alone_keeps_its_order(alone: tuple[str, list[Score]]) -> None:
    layer, scores = alone
    assert _order(fuse({layer: scores})) == [score.passage for score in scores]


@given(rankings(), st.integers(0, 40))
def test_k_cuts_and_changes_nothing_else(given_: dict[str, list[Score]], k: int) -> None:
    assert fuse(given_, k) == fuse(given_)[:k]


@given(rankings())
def test_a_layer_that_found_nothing_changes_no_order(given_: dict[str, list[Score]]) -> None:
    asked = {**given_, "episodic": []}
    assert _order(fuse(asked)) == _order(fuse(given_))


@given(rankings(), st.sets(st.integers(1, 30)))
def test_being_named_never_lowers_a_passage(given_: dict[str, list[Score]], names: set[int]) -> None:
    plain, lifted = _order(fuse(given_)), _order(fuse(given_, named=names))
    for passage in set(plain) & names:
        ahead = set(plain[: plain.index(passage)])
        assert set(lifted[: lifted.index(passage)]) - names <= ahead


def test_two_layers_that_agree_beat_one_that_is_sure() -> None:
    dense = [Score(1, 0.60), Score(2, 0.58), Score(3, 0.20)]
    lexical = [Score(2, 14.0), Score(3, 7.0)]
    assert _order(fuse({"dense": dense, "lexical": lexical})) == [2, 1, 3]


def test_what_a_full_list_leaves_out_counts_like_its_last() -> None:
    dense = [Score(n, 0.9 - n / 100) for n in range(1, 5)]
    lexical = [Score(9, 10.0), Score(1, 1.0)]
    full = {found.passage: found.score for found in fuse({"dense": dense, "lexical": lexical}, depth=4)}
    short = {found.passage: found.score for found in fuse({"dense": dense, "lexical": lexical}, depth=5)}
    assert full[9] == pytest.approx(0.7 * 0.86 + 0.3)
    assert short[9] == pytest.approx(0.3)


def test_titles_in_the_question() -> None:
    titles = {1: "Alba Roth", 2: "Alba Roth (film)", 3: "Alba", 4: "Roth's law", 5: "", 6: "The Who", 7: "Rothko"}
    assert named("Who was Alba Roth's mother?", titles) == {1, 2, 3}
