"""The extractor with the real embedder and the weights that are shipped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from memapp.errors import ModelDamaged, ModelMissing
from memapp.extract import open_extractor
from memapp.extract.extractor import NAME, PhraseExtractor
from memapp.extract.phrases import LONGEST, normal
from memapp.models.embedder import MiniLMEmbedder
from memapp.models.scripted import ScriptedEmbedder
from memapp.protocols import Embedder, Extractor
from memapp.settings import shipped
from memapp.types import Extraction, Passage

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def embedder() -> MiniLMEmbedder:
    made = MiniLMEmbedder()
    made.prepare()
    return made


@pytest.fixture(scope="module")
def extractor() -> PhraseExtractor:
    return PhraseExtractor()


def passage(text: str, title: str = "") -> Passage:
    return Passage(1, "d", title, text, 0, len(text))


def extract(embedder: Embedder, extractor: Extractor, *passages: Passage) -> list[Extraction]:
    return extractor.extract(passages, embedder.encode([each.content for each in passages])[1])


MILL = passage(
    "Alba Roth built the first tidal mill in Brest. She was trained as a clockmaker in Geneva, where she met "
    'Henri Dufour on 12 May 1884. Her book "Wheels and Water" was printed in 1891.',
    "Alba Roth (engineer)",
)


def test_names_titles_works_and_dates(embedder: Embedder, extractor: Extractor) -> None:
    (found,) = extract(embedder, extractor, MILL)
    assert found.phrases[:2] == ("Alba Roth (engineer)", "Alba Roth")
    assert {"Brest", "Geneva", "Henri Dufour", "12 May 1884", "Wheels and Water", "1891"} <= set(found.phrases)
    assert not {"She", "Her", "the", "built"} & set(found.phrases)


def test_a_phrase_that_occurs_again_stands_again_in_the_text_s_order(embedder: Embedder, extractor: Extractor) -> None:
    (found,) = extract(embedder, extractor, passage("Paris is large. Lyon is smaller than Paris. Paris has a river."))
    places = [phrase for phrase in found.phrases if phrase in ("Paris", "Lyon")]
    assert places == ["Paris", "Lyon", "Paris", "Paris"]


def test_company_and_order_change_nothing(embedder: Embedder, extractor: Extractor) -> None:
    others = [passage(f"Number {n} met Carla Venn in Oslo.", f"Letter {n}") for n in range(70)]
    states = embedder.encode([each.content for each in (MILL, *others)])[1]
    together = extractor.extract([MILL, *others], states)
    assert together[0] == extractor.extract([MILL], states[:1])[0]
    assert extractor.extract([*others, MILL], [*states[1:], states[0]]) == [*together[1:], together[0]]


@pytest.mark.parametrize("text", ["", " ", "\n\n", ".", "and then they went away again", "\x00\x1b[0m", "\udce9"])
def test_texts_without_a_phrase(embedder: Embedder, extractor: Extractor, text: str) -> None:
    assert extract(embedder, extractor, passage(text)) == [Extraction()]


def test_nothing(embedder: Embedder, extractor: Extractor) -> None:
    assert extractor.extract([], []) == []
    assert extract(embedder, extractor, passage("", "Paris")) == [Extraction(("Paris",))]


@pytest.mark.parametrize(
    "text",
    [
        "X" * 10_000,
        "Very Long Name " * 700,
        '"' + "Quoted " * 2000 + '"',
        "‏عبد القادر الجزائري ولد في معسكر‏",
        "हिन्दी भाषा भारत में बोली जाती है।",
        "東京は日本の首都です。「吾輩は猫である」は夏目漱石の小説。",
        "e\u0301\u0301\u0301 Zu\u0308rich A\u030a",
        "👩‍👩‍👧 🎉🎉 🇫🇷",
        "\u202eABC\u202c \u200b\u200d\ufeff",
        "(" * 3000 + "``" * 500,
        "1984 " * 3000,
    ],
)
def test_whatever_is_written_gives_phrases_of_the_passage(embedder: Embedder, extractor: Extractor, text: str) -> None:
    for title in ("", text[:300]):
        (found,) = extract(embedder, extractor, passage(text, title))
        words = " ".join(passage(text, title).content.split())
        for phrase in found.phrases:
            assert normal(phrase)
            assert len(phrase) <= LONGEST
            assert " ".join(phrase.split()) in words


def test_names_in_brackets_of_japanese_and_in_arabic_stay_whole(embedder: Embedder, extractor: Extractor) -> None:
    (found,) = extract(embedder, extractor, passage("「吾輩は猫である」は夏目漱石の小説。"))
    assert "吾輩は猫である" in found.phrases


def test_a_text_beyond_the_encoder_s_window_is_read_by_the_rules(embedder: Embedder, extractor: Extractor) -> None:
    (found,) = extract(embedder, extractor, passage("water " * 600 + "until 12 May 1984."))
    assert found.phrases[-1] == "12 May 1984"


def test_a_question_typed_without_capitals(embedder: Embedder, extractor: PhraseExtractor) -> None:
    for question in ("Who wrote War and Peace?", "which river flows through geneva and lyon"):
        assert extractor.phrases(question, embedder.encode([question])[1][0])


def test_spans_are_places_in_the_text(embedder: Embedder, extractor: PhraseExtractor) -> None:
    texts = [MILL.content, "", "and nothing more of it"]
    found = extractor.spans(texts, embedder.encode(texts)[1])
    assert "Henri Dufour" in [texts[0][start:end] for start, end in found[0]]
    assert found[1:] == [[], []]


def test_identity_is_that_of_the_weights(extractor: PhraseExtractor) -> None:
    weights = shipped("weights/tagger.safetensors")
    assert extractor.identity == f"{NAME}/{hashlib.sha256(weights.read_bytes()).hexdigest()}"
    manifest = json.loads(weights.with_suffix(".json").read_text())
    assert manifest["sha256"] in extractor.identity
    assert weights.stat().st_size < 2_000_000


def test_damaged_weights_are_refused_with_a_remedy(tmp_path: Path) -> None:
    weights = shipped("weights/tagger.safetensors")
    copy = tmp_path / weights.name
    copy.with_suffix(".json").write_bytes(weights.with_suffix(".json").read_bytes())
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    for content in (changed, changed[:100], b""):
        copy.write_bytes(content)
        with pytest.raises(ModelDamaged) as caught:
            PhraseExtractor(copy).extract([], [])
        assert caught.value.hint
    with pytest.raises(ModelDamaged):
        PhraseExtractor(tmp_path / "none.safetensors").extract([], [])


def test_an_embedder_that_the_tagger_was_not_trained_on_gets_rules(embedder: Embedder) -> None:
    stranger = ScriptedEmbedder()
    by_rules = open_extractor(stranger.identity)
    (found,) = extract(stranger, by_rules, MILL)
    assert {"Alba Roth (engineer)", "Brest", "Henri Dufour", "12 May 1884", "Wheels and Water"} <= set(found.phrases)
    assert not {"She", "Her"} & set(found.phrases)
    assert extract(stranger, by_rules, passage(""), passage("x" * 10_000)) == [Extraction(), Extraction()]
    assert open_extractor(embedder.identity).identity == PhraseExtractor().identity != by_rules.identity


def test_what_is_not_shipped() -> None:
    with pytest.raises(ModelMissing, match=r"weights/none\.safetensors"):
        shipped("weights/none.safetensors")


def test_making_one_reads_nothing(tmp_path: Path) -> None:
    PhraseExtractor(tmp_path / "none.safetensors")


def test_states_do_not_change(embedder: Embedder, extractor: Extractor) -> None:
    states = embedder.encode([MILL.content])[1]
    before = states[0].states.copy()
    extractor.extract([MILL], states)
    np.testing.assert_array_equal(states[0].states, before)
