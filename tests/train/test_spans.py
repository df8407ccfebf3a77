"""What the span reader learns from: questions made of statements, and those of the data, as tokens."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from memapp.evaluate.split import held_out
from memapp.models import minilm
from memapp.models.embedder import MiniLMEmbedder
from memapp.models.minilm_runtime import load_tokenizer
from memapp.train import ragged
from memapp.train.reader.prepare import SETS, SPARE
from memapp.train.spans import cloze
from memapp.train.spans.prepare import ARTICLES, ASKED, KEPT, MADE, Readings, prepare

pytestmark = pytest.mark.models

PASSAGES = {
    f"Place_{n}": f"Town {n} lies on the river Ulm. Its mayor is Ada Quill the {n}th, and it was founded in {1400 + n}."
    for n in range(16)
}
TEXTS = [
    ("Ulm", "The river Ulm rises near Tolb and feeds the mill of Bo Vane. It was first mapped in 1712 by a monk."),
    ("Mill", "Bo Vane bought the old mill by the river in 1850. Its wheel was driven by the melting snow of spring."),
]


def names(text: str) -> list[tuple[int, int]]:
    found = []
    for name in ("Ulm", "Tolb", "Bo Vane"):
        at = text.find(name)
        found += [(at, at + len(name))] if at >= 0 else []
    return sorted(found)


def made(seed: int) -> list[cloze.Made]:
    return list(cloze.questions(TEXTS, [names(text) for _, text in TEXTS], random.Random(seed)))


def test_a_made_question_is_answered_by_its_passage_and_does_not_say_the_answer() -> None:
    found = [one for seed in range(40) for one in made(seed)]
    assert {"Bo Vane", "1712", "1850", "monk", "old mill"} <= {one.answer for one in found}
    for one in found:
        assert one.answer in one.text
        assert one.answer.casefold() not in one.question.casefold()
        assert len(one.question.split()) >= 3
    asked = {one.question for one in found if one.answer == "1712"}
    assert any(question.casefold().startswith("when") for question in asked)
    assert not any(question.casefold().startswith("who") for question in asked)


def test_a_sentence_elsewhere_asks_for_what_it_says_too() -> None:
    asked = [one.question for seed in range(40) for one in made(seed) if (one.title, one.answer) == ("Mill", "Bo Vane")]
    assert any("rises" in question or "feeds" in question for question in asked)
    assert any("bought" in question for question in asked)


def test_the_same_seed_makes_the_same_questions() -> None:
    assert made(3) == made(3)
    assert made(3) != made(4)


def test_nothing_is_made_of_nothing() -> None:
    assert list(cloze.questions([], [], random.Random(0))) == []
    assert list(cloze.questions([("", ""), ("T", "Yes. No.")], [[], []], random.Random(0))) == []


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in (*SETS, *SPARE, *ARTICLES):
        (folder / name).parent.mkdir(exist_ok=True)
    for name in (*SETS, *SPARE):
        corpus = [{"title": title, "text": f"{text} {name}"} for title, text in PASSAGES.items()]
        (folder / f"{name}_corpus.json").write_text(json.dumps(corpus))
        asked = [
            {"id": f"{name}{n}", "question": f"When was Town {n} founded?", "answers": [str(1400 + n)], "gold": [gold]}
            for n, gold in enumerate([[one["title"], one["text"]] for one in corpus])
        ]
        (folder / f"{name}.json").write_text(json.dumps(asked))
    for name in ARTICLES:
        article = f" = Lobster =\n\n The lobster , of {name} , weighs 7 @.@ 2 kg and lives in the Black Sea . " * 2
        (folder / f"{name}.txt").write_text(f'{article}It is " blue " until it is cooked by a cook of the town .\n')
    return folder


@pytest.fixture(scope="module")
def readings(data: Path) -> Readings:
    return prepare(data, load_tokenizer(minilm.locate().tokenizer), MiniLMEmbedder(threads=1))


def text(readings: Readings, row: int) -> str:
    tokenizer = load_tokenizer(minilm.locate().tokenizer)
    said: str = tokenizer.decode(readings.ids[row].tolist(), skip_special_tokens=False)
    return said


def test_every_place_is_the_answer(readings: Readings) -> None:
    for row in np.flatnonzero(readings.kind != MADE):
        shown = text(readings, int(row))
        number = shown.split("town ")[1].split()[0]
        for first, last in readings.places[int(row)].reshape(-1, 2):
            answer = load_tokenizer(minilm.locate().tokenizer).decode(readings.ids[int(row)][first : last + 1].tolist())
            assert answer == str(1400 + int(number))


def test_what_is_held_out_trains_nothing(readings: Readings) -> None:
    hidden = {title.replace("_", " ").casefold() for title in PASSAGES if held_out(title)}
    shown = {title.replace("_", " ").casefold() for title in PASSAGES} - hidden
    assert hidden
    assert shown
    for row in range(len(readings)):
        passage = text(readings, row).split("[SEP]")[1].strip().replace(" _ ", " ")
        of_hidden = any(passage.startswith(f"{title} ") for title in hidden)
        assert of_hidden == (readings.kind[row] == KEPT)


def test_some_passages_of_both_kinds_do_not_tell(readings: Readings) -> None:
    untold = np.array([len(readings.places[row]) == 0 for row in range(len(readings))])
    assert untold[readings.kind == ASKED].any()
    assert not untold[readings.kind == KEPT].any()
    assert not untold[readings.kind == MADE].all()


def test_readings_survive_their_file(readings: Readings, tmp_path: Path) -> None:
    ragged.save(tmp_path / "r.npz", readings)
    again = ragged.load(tmp_path / "r.npz", Readings)
    np.testing.assert_array_equal(again.ids.values, readings.ids.values)
    np.testing.assert_array_equal(again.places.ends, readings.places.ends)
