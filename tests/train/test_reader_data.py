"""What the reader learns from is put together as it will be asked."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from memapp.answer import reading
from memapp.evaluate.split import held_out
from memapp.models.catalog import bundled_path
from memapp.models.embedder import MiniLMEmbedder
from memapp.models.native import Model, Options
from memapp.models.template import Template
from memapp.train import ragged
from memapp.train.reader import examples
from memapp.train.reader.pieces import Pieces
from memapp.train.reader.prepare import NOVELS, SETS, SPARE, prepare
from memapp.types import Passage

pytestmark = pytest.mark.models

PASSAGES = {
    f"Place_{n}": f"Town {n} lies on the river Ulm. Its mayor is Ada Quill the {n}th, and it was founded in {1400 + n}."
    for n in range(16)
}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    path = bundled_path()
    assert path is not None
    opened = Model(path, Options(extra_buffers=False))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in (*SETS, *SPARE):
        corpus = [{"title": title, "text": f"{text} {name}"} for title, text in PASSAGES.items()]
        path = folder / f"{name}_corpus.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(corpus))
        asked = [
            {
                "id": f"{name}{n}",
                "question": f"When was  Town {n}\nfounded?",
                "answers": [str(1400 + n)],
                "gold": [gold],
            }
            for n, gold in enumerate([[one["title"], one["text"]] for one in corpus])
        ]
        (folder / f"{name}.json").write_text(json.dumps(asked))
    (folder / "text").mkdir()
    for name in NOVELS.split(","):
        (folder / "text" / f"{name}.txt").write_text(f"{name} began. " * 60 + "\n\n" + "It ended there. " * 60)
    return folder


@pytest.fixture(scope="module")
def made(model: Model, data: Path) -> Pieces:
    return prepare(data, model, MiniLMEmbedder(threads=1))


@pytest.mark.parametrize("before", [True, False])
def test_a_prompt_has_the_very_tokens_that_an_answer_is_asked_with(made: Pieces, model: Model, before: bool) -> None:
    name = SETS[0]
    passages = [Passage(n, "d", title, f"{text} {name}", 0, 1) for n, (title, text) in enumerate(PASSAGES.items())][:3]
    asked = reading.messages("When was  Town 0\nfounded?", passages, before)
    found = examples.prompt(made, made.questions[0], [0, 1, 2], before)
    assert found.tolist() == Template(model).tokens(asked)


def test_an_answer_ends_as_it_is_read(made: Pieces) -> None:
    chance = random.Random(0)
    for pair in examples.known(made, held_out=False):
        one = examples.reading(made, pair, chance)
        told = reading.written(made.text(one.ids[one.start : -1]))
        assert one.ids[-1] == made.part("end")[0]
        if told.number:
            assert told.text == made.text(pair.answer).strip()
            assert f"\n[{told.number}]{made.text(made.passages[pair.passage])}" in made.text(one.ids[: one.start])
        else:
            assert told.text == ""
            assert made.text(made.passages[pair.passage]) not in made.text(one.ids[: one.start])


def test_what_is_held_out_trains_nothing(made: Pieces) -> None:
    for pair in examples.known(made, held_out=False):
        assert all(
            not held_out(made.text(made.passages[n]).partition("\n")[0].strip()) for n in [pair.passage, *pair.others]
        )
    articles = {title.replace("_", " ") for title in PASSAGES if held_out(title)}
    for n in made.spare:
        assert made.text(made.passages[int(n)]).partition("\n")[0].strip().replace("_", " ") not in articles
    hidden = {int(n) for n in made.gold[made.held_out]}
    assert hidden
    assert not hidden & set(made.spare.tolist())
    assert not hidden & set(made.alike[made.spare].reshape(-1).tolist())


def test_pieces_survive_their_file(made: Pieces, tmp_path: Path) -> None:
    ragged.save(tmp_path / "p.npz", made)
    again = ragged.load(tmp_path / "p.npz", Pieces)
    np.testing.assert_array_equal(again.passages.values, made.passages.values)
    np.testing.assert_array_equal(again.near, made.near)
    assert again.right(3) == made.right(3) == ("1403",)


def test_a_made_question_must_be_whole_and_answered_by_its_passage(made: Pieces, model: Model) -> None:
    def written(text: str) -> list[int]:
        return model.tokenize(text, special=False)

    good = examples.made(made, 0, written(" Ada Quill\nQuestion: who is the mayor of the town"))
    assert good is not None
    assert made.text(good.answer) == " Ada Quill"
    assert made.text(good.question) == " who is the mayor of the town"
    for bad in (
        " Bo Vane\nQuestion: who is the mayor of the town",
        " Ada Quill\nQuestion: who is Ada Quill of the town",
        " Ada Quill",
        "\nQuestion: who is the mayor of the town",
        " Ada Quill\nQuestion: who",
    ):
        assert examples.made(made, 0, written(bad)) is None


def test_batches_hold_every_example_once_and_keep_to_their_size() -> None:
    lengths = [random.Random(n).randint(5, 400) for n in range(300)]
    found = list(examples.batches(lengths, 2000, random.Random(1)))
    assert sorted(index for batch in found for index in batch) == list(range(300))
    assert all(max(lengths[index] for index in batch) * len(batch) <= 2000 for batch in found)
