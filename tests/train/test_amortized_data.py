from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from memapp.evaluate.split import held_out
from memapp.models.catalog import bundled_path
from memapp.train import ragged
from memapp.train.amortized import prepare
from memapp.train.amortized.examples import KINDS, SETS, Examples
from memapp.train.ragged import Ragged


def test_a_title_is_held_out_by_the_first_byte_of_its_hash() -> None:
    # Their hashes begin with ca and 3e.
    assert not held_out("a")
    assert not held_out("b")
    assert {held_out(f"title {n}") for n in range(20)} == {True, False}


def test_lists_of_tokens_come_back() -> None:
    lists = [[1, 2, 3], [], [65_535]]
    made = Ragged.of(lists)
    assert [made[row].tolist() for row in range(len(made))] == lists
    assert made.lengths.tolist() == [3, 0, 1]
    assert len(Ragged.of([])) == 0


def test_wikitext_reads_as_a_plain_text() -> None:
    spaced = ' = Heading = \n It cost 3 @.@ 5 million , the " old " mill \'s wheel ( red @-@ tipped ) . \n'
    assert prepare._detokenised(spaced).split("\n")[1].strip() == (
        'It cost 3.5 million, the "old" mill\'s wheel (red-tipped).'
    )


def test_questions_are_made_of_what_a_sentence_says() -> None:
    text = "The old mill was bought by Ida Kestrel in 1913. She ground barley there until the great flood came at last."
    made = list(prepare._made(text, 7, np.random.default_rng(0)))
    assert {each.kind for each in made} == {"blank", "rest"}
    for each in made:
        assert each.passage == 7
        begun = each.question.partition(": ")[2]
        if each.kind == "blank":
            assert begun.replace("___", each.answer) in text
        else:
            assert f"{begun} {each.answer}" in text


def folder(path: Path) -> Path:
    titles = [f"Place {n}" for n in range(16)]
    records = [
        {"title": title, "text": f"{title} was founded by Ada Quill in {1800 + n}."} for n, title in enumerate(titles)
    ]
    questions = [
        {
            "id": str(n),
            "question": f"When was {one['title']} founded?",
            "answers": [str(1800 + n)],
            "gold": [[one["title"], one["text"]]],
        }
        for n, one in enumerate(records)
    ]
    (path / "singlehop").mkdir()
    (path / "text").mkdir()
    for name in SETS:
        (path / "singlehop" / f"{name}.json").write_text(json.dumps(questions))
        (path / "singlehop" / f"{name}_corpus.json").write_text(json.dumps(records))
    sentence = "Then Marlow walked along the grey river towards the Central Station for 200 miles."
    (path / "text" / "novel.txt").write_text(" ".join([sentence] * 60))
    return path


@pytest.mark.models
def test_held_out_documents_are_only_measured_on(tmp_path: Path) -> None:
    model = bundled_path()
    assert model is not None
    ragged.save(tmp_path / "examples.npz", prepare.prepare(folder(tmp_path), model))
    found = ragged.load(tmp_path / "examples.npz", Examples)
    of_set = found.kind < len(SETS)
    assert of_set.sum() == 32
    assert not found.held[found.of[~of_set]].any()
    measured = found.nearest[:, 0] >= 0
    np.testing.assert_array_equal(measured, found.held[found.of])
    for row in np.flatnonzero(measured):
        near = found.nearest[row][found.nearest[row] >= 0]
        assert found.of[row] in near
        assert found.held[near].all()
    inside = found.neighbours >= 0
    rows = np.broadcast_to(np.arange(len(found.held))[:, None], inside.shape)
    np.testing.assert_array_equal(found.held[found.neighbours[inside]], found.held[rows[inside]])
    assert not (found.neighbours == rows).any()
    assert {KINDS[kind] for kind in found.kind.tolist()} == {*SETS, "blank", "rest"}
