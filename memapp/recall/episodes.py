"""Turns of conversations among other passages. The layer that knows who said what when orders them among themselves;
where they stand among documents is not its business, so that documents keep their places and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memapp.recall.fuse import Fused
from memapp.types import LayerShare, Passage, Score

LAYER = "episodic"


def placed(
    ranked: Sequence[Fused],
    rankings: Mapping[str, Sequence[Score]],
    turns: Sequence[Score],
    passages: Mapping[int, Passage],
) -> list[Fused]:
    """The ranking with the places that turns have in it given to `turns`, best first; as it is when there are none.

    `rankings` are those that `ranked` was made of, and `passages` holds all that both name.
    """
    if not turns:
        return list(ranked)
    shares: dict[int, list[LayerShare]] = {}
    for layer, scores in sorted({**rankings, LAYER: turns}.items()):
        for rank, score in enumerate(scores, 1):
            shares.setdefault(score.passage, []).append(LayerShare(layer, rank, score.value, score.why))
    taken = {one.passage for one in ranked if passages[one.passage].said is None}
    order = [score.passage for score in turns if score.passage not in taken]
    order += [one.passage for one in ranked if one.passage not in taken and one.passage not in order]
    following = iter(order)
    value = {score.passage: score.value / max(turns[0].value, 1e-9) for score in turns}
    best = next((one.score for one in ranked if one.passage not in taken), 0.0)
    placed: list[Fused] = []
    for one in ranked:
        if one.passage in taken:
            placed.append(one)
            continue
        passage = next(following)
        # As far behind the best turn as it is by what is known of turns, but never before what stands above it.
        behind = max(one.score, min(best * value.get(passage, 0.0), placed[-1].score if placed else 1.0))
        placed.append(Fused(passage, behind, tuple(shares.get(passage, one.shares))))
    return placed
