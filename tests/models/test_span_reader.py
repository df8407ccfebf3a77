"""The span reader that ships: what it points at, what it is made of, and what it does with a damaged file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memapp import device
from memapp.answer import pointing
from memapp.errors import ModelDamaged
from memapp.models import minilm, span_reader, weights
from memapp.models.span_reader import MiniLMSpanReader
from memapp.protocols import Spans
from memapp.settings import shipped

pytestmark = pytest.mark.models

F32 = device.EmbedderChoice("openvino", "f32", "the test says so")
BF16 = device.EmbedderChoice("openvino", "bf16", "the test says so")
NOTE = (
    "Boat shed\nTove Aalberg overhauled the dinghy in April 2021 and charged 640 crowns. The new sails came from a "
    "loft in Skagen; they were sewn by Piet Brouwer. The shed has been leased until 2030."
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spans")


@pytest.fixture(scope="module")
def reader(folder: Path) -> MiniLMSpanReader:
    made = MiniLMSpanReader(folder=folder, choice=F32, threads=1)
    made.prepare()
    return made


def best(found: Spans, passage: str) -> str:
    """What it points at first."""
    sums = found.starts[:, None] + found.ends[None]
    sums[np.tril_indices(len(sums), -1)] = -np.inf
    first, last = np.unravel_index(sums.argmax(), sums.shape)
    return passage[found.offsets[first, 0] : found.offsets[last, 1]]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who overhauled the dinghy?", "Tove Aalberg"),
        ("Who sewed the sails?", "Piet Brouwer"),
        ("When was the dinghy overhauled?", "April 2021"),
        ("Until when is the shed leased?", "2030"),
    ],
)
def test_it_points_at_what_is_asked_for(reader: MiniLMSpanReader, question: str, answer: str) -> None:
    (found,) = reader.spans(question, [NOTE])
    assert best(found, NOTE).strip(".") == answer


def test_a_passage_about_something_else_tells_nothing(reader: MiniLMSpanReader) -> None:
    other = "Gardening\nCompost should be turned every second week, and kept from drying out in summer."
    own, strange = reader.spans("Who sewed the sails?", [NOTE, other])
    assert strange.nothing > own.nothing
    assert pointing.logprob(own, NOTE, "Piet Brouwer") > own.nothing


def test_beginnings_and_ends_share_out_what_is_not_nothing(reader: MiniLMSpanReader) -> None:
    (found,) = reader.spans("Who sewed the sails?", [NOTE])
    begun, ended = np.exp(found.starts).sum(), np.exp(found.ends).sum()
    assert (1 - begun) * (1 - ended) == pytest.approx(np.exp(found.nothing), rel=1e-3, abs=1e-6)
    assert found.starts.shape == found.ends.shape == (len(found.offsets),)


def test_a_passage_is_read_the_same_alone_and_among_others(reader: MiniLMSpanReader) -> None:
    (alone,) = reader.spans("Who sewed the sails?", [NOTE])
    among = reader.spans("Who sewed the sails?", ["Short.", NOTE, "boat " * 900])
    np.testing.assert_allclose(among[1].starts, alone.starts, atol=1e-4)
    assert len(among[2].offsets) < minilm.MAX_TOKENS


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_read(reader: MiniLMSpanReader, question: str, passage: str) -> None:
    (found,) = reader.spans(question, [passage])
    assert np.isfinite(found.starts).all()
    assert np.isfinite(found.nothing)
    assert all(0 <= start <= end <= len(passage) for start, end in found.offsets)


def test_what_cannot_be_encoded_and_what_is_too_long_is_read_as_far_as_it_goes(reader: MiniLMSpanReader) -> None:
    for found in reader.spans("why \udcff " * 3000, ["\udcff", "", "word " * 5000]):
        assert np.isfinite(found.nothing)
    assert reader.spans("Who?", []) == []


def test_numpy_and_both_precisions_agree(reader: MiniLMSpanReader, folder: Path) -> None:
    files = minilm.locate()
    learned = weights.read(shipped(span_reader.WEIGHTS), span_reader.TRAINING).tensors
    whole = span_reader.merged(minilm.read_weights(files.weights), learned)
    (found,) = reader.spans("Who sewed the sails?", [NOTE])
    read = span_reader.pair(reader._ready().tokenizer, "Who sewed the sails?", NOTE)
    states = minilm.encode_one(whole, np.array(read.ids))[1]
    expected = span_reader._spans(read, states @ learned["head.weight"].T + learned["head.bias"])
    np.testing.assert_allclose(found.starts, expected.starts, atol=1e-2)
    (rough,) = MiniLMSpanReader(folder=folder, choice=BF16, threads=1).spans("Who sewed the sails?", [NOTE])
    assert best(rough, NOTE) == "Piet Brouwer"
    assert abs(rough.starts.max() - found.starts.max()) < 0.5


@pytest.mark.gpu
def test_cuda_agrees(reader: MiniLMSpanReader, folder: Path) -> None:
    if device.gpu() is None:
        pytest.skip("there is no GPU")
    runtime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        pytest.skip("onnxruntime-gpu is not installed")
    cuda = MiniLMSpanReader(folder=folder, choice=device.EmbedderChoice("cuda", "f32", "the test says so"))
    (one,), (other,) = (each.spans("Who sewed the sails?", [NOTE]) for each in (reader, cuda))
    np.testing.assert_allclose(one.starts, other.starts, atol=0.05)


def test_differences_in_8_bits_come_back_within_half_a_step() -> None:
    chance = np.random.default_rng(0)
    name, bias = "encoder.layer.0.output.dense.weight", "encoder.layer.0.output.dense.bias"
    base = {name: chance.normal(size=(8, 16)).astype(np.float32), bias: np.zeros(8, np.float32)}
    change = chance.normal(size=(8, 16)).astype(np.float32) * np.logspace(-6, 0, 8, dtype=np.float32)[:, None]
    change[3] = 0
    learned = {name: base[name] + change, bias: np.arange(8, dtype=np.float32), "head.weight": np.ones((2, 8))}
    small = span_reader.reduced(base, learned)
    assert small[name].dtype == np.int8
    again = span_reader.merged(base, small)
    step = np.abs(change).max(axis=1, keepdims=True) / 127
    assert (np.abs(again[name] - learned[name]) <= step / 2 + 1e-6).all()
    np.testing.assert_array_equal(again[bias], learned[bias])
    assert set(again) == set(base)


def test_the_graph_is_written_anew_for_other_weights(reader: MiniLMSpanReader, folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    before = (kept / span_reader.GRAPH_FILE).stat().st_mtime_ns
    same = MiniLMSpanReader(folder=kept, choice=F32, threads=1)
    assert same.identity == reader.identity
    assert (kept / span_reader.GRAPH_FILE).stat().st_mtime_ns == before
    path = tmp_path / "spans.safetensors"
    content = shipped(span_reader.WEIGHTS).read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    digest = minilm._sha256(path)
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest}))
    other = MiniLMSpanReader(path, kept, F32, 1)
    assert other.identity.endswith(digest)
    assert (kept / span_reader.GRAPH_FILE).stat().st_mtime_ns != before


def test_a_damaged_file_is_an_error_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "spans.safetensors"
    content = shipped(span_reader.WEIGHTS).read_bytes()
    manifest = shipped(span_reader.WEIGHTS).with_suffix(".json").read_bytes()
    for damaged, told in ((content[:-1], manifest), (content, b"{}"), (content, b"[]"), (b"", manifest)):
        path.write_bytes(damaged)
        path.with_suffix(".json").write_bytes(told)
        with pytest.raises(ModelDamaged, match=r"spans\.safetensors") as caught:
            MiniLMSpanReader(path, tmp_path / "kept").spans("Who?", ["Ann."])
        assert "Reinstall" in caught.value.hint
