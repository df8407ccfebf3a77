"""The embedder's promises: the right vectors, whatever runs them and whatever they are batched with."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memapp import device
from memapp.errors import ModelError
from memapp.models import embedder as module
from memapp.models import minilm, minilm_runtime
from memapp.models.embedder import MiniLMEmbedder
from memapp.types import Vectors

pytestmark = pytest.mark.models

F32 = device.EmbedderChoice("openvino", "f32", "the test says so")
BF16 = device.EmbedderChoice("openvino", "bf16", "the test says so")
TEXTS = [
    "Who built the lighthouse of Alexandria?",
    "",
    "日本語のテキストと العربية и кириллица",
    "Naïve café, résumé; ÉCOLE!",
    "x",
    "The harbour master kept a diary of every ship that came in during the storm. " * 12,
    "boat " * 700,
    "Copper melts at 1,085 degrees Celsius, which a charcoal fire with bellows can reach.",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("minilm")


@pytest.fixture(scope="module")
def embed(folder: Path) -> MiniLMEmbedder:
    made = MiniLMEmbedder(folder)
    made.prepare()
    return made


@pytest.fixture(scope="module")
def reference(embed: MiniLMEmbedder) -> Vectors:
    """What plain NumPy makes of TEXTS."""
    weights = minilm.read_weights(minilm.locate().weights)
    tokens = [module._cut(encoding.ids) for encoding in embed._encode(TEXTS, special=True)]
    return np.stack([minilm.encode_one(weights, np.array(ids))[0] for ids in tokens])


def cosines(left: Vectors, right: Vectors) -> Vectors:
    products: Vectors = (left * right).sum(axis=1)
    return products


@pytest.mark.parametrize(("choice", "least"), [(F32, 0.99999), (BF16, 0.9995)], ids=["f32", "bf16"])
def test_openvino_agrees_with_numpy(
    folder: Path, reference: Vectors, choice: device.EmbedderChoice, least: float
) -> None:
    vectors = MiniLMEmbedder(folder, choice).embed(TEXTS)
    assert cosines(vectors, reference).min() > least


def test_onnx_runtime_agrees_with_numpy_in_both_outputs(
    folder: Path, embed: MiniLMEmbedder, reference: Vectors
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(folder / minilm.GRAPH_FILE), providers=["CPUExecutionProvider"])
    tokens = [module._cut(encoding.ids) for encoding in embed._encode(TEXTS, special=True)]
    ids, mask = minilm_runtime.padded(tokens)
    vectors, states = session.run(["embedding", "tokens"], {"ids": ids, "mask": mask})
    assert cosines(vectors, reference).min() > 0.99999
    expected = minilm.encode_one(minilm.read_weights(minilm.locate().weights), np.array(tokens[0]))[1]
    np.testing.assert_allclose(states[0, : len(tokens[0])], expected, atol=1e-4)


@pytest.mark.gpu
def test_cuda_agrees_with_numpy(folder: Path, reference: Vectors) -> None:
    if device.gpu() is None:
        pytest.skip("there is no GPU")
    runtime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        pytest.skip("onnxruntime-gpu is not installed")
    vectors = MiniLMEmbedder(folder, device.EmbedderChoice("cuda", "f32", "the test says so")).embed(TEXTS)
    assert cosines(vectors, reference).min() > 0.9995


def test_vectors_are_unit_length_float32_and_in_order(embed: MiniLMEmbedder) -> None:
    vectors = embed.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    backwards = embed.embed(TEXTS[::-1])[::-1]
    assert cosines(vectors, backwards).min() > 0.9999


def test_nothing_gives_no_rows(embed: MiniLMEmbedder, tmp_path: Path) -> None:
    assert embed.embed([]).shape == (0, 384)
    assert embed.count([]) == []
    fresh = MiniLMEmbedder(tmp_path)
    for _ in range(module.FEW_CALLS + 1):
        fresh.embed([])
    assert not (tmp_path / minilm.GRAPH_FILE).exists()


def test_company_in_a_batch_does_not_change_a_vector(embed: MiniLMEmbedder) -> None:
    together = embed.embed(TEXTS)
    alone = np.concatenate([embed.embed([text]) for text in TEXTS])
    assert cosines(together, alone).min() > 0.9999


def test_known_similarities(embed: MiniLMEmbedder) -> None:
    pair = embed.embed(["This is an example sentence", "Each sentence is converted"])
    assert pair[0] @ pair[1] == pytest.approx(0.4046, abs=0.003)


def test_the_nearest_text_is_the_one_on_the_subject(embed: MiniLMEmbedder) -> None:
    stored = [
        "Bread rises because yeast makes gas.",
        "The court fined the shipping company.",
        "Saturn's rings are made of ice and rock.",
        "The violinist tuned her instrument before the concert.",
    ]
    asked = [
        "Why does dough get bigger?",
        "legal penalty for a carrier",
        "planet with a disc",
        "musician and her fiddle",
    ]
    assert (embed.embed(asked) @ embed.embed(stored).T).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_case_is_ignored_as_the_model_was_trained(embed: MiniLMEmbedder) -> None:
    upper, lower = embed.embed(["MOUNT ETNA", "mount etna"])
    assert upper @ lower > 0.9999


def test_count_leaves_out_special_tokens_and_never_truncates(embed: MiniLMEmbedder) -> None:
    assert embed.count(["", "hello world", "boat " * 700]) == [0, 2, 700]


def test_a_text_counts_up_to_its_512th_token(embed: MiniLMEmbedder) -> None:
    longest, longer = embed.embed(["boat " * 510, "boat " * 510 + "tax law " * 300])
    shorter = embed.embed(["boat " * 510 + "tax law " * 300])[0]
    assert longest @ longer > 0.9999
    assert longest @ shorter > 0.9999


def test_undecodable_bytes_of_a_command_line_are_embedded(embed: MiniLMEmbedder) -> None:
    vectors = embed.embed(["caf\udce9 au lait"])
    assert np.isfinite(vectors).all()
    assert embed.count(["caf\udce9"])[0] > 0


def test_threads_do_not_mix_their_vectors(embed: MiniLMEmbedder) -> None:
    expected = embed.embed(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(embed.embed, [TEXTS] * 8):
            assert cosines(vectors, expected).min() > 0.9999


def test_identity_is_that_of_the_weights(embed: MiniLMEmbedder) -> None:
    assert (embed.identity.name, embed.identity.dimension) == ("all-MiniLM-L6-v2", 384)
    assert embed.identity.sha256 == minilm._sha256(minilm.locate().weights)


def test_a_runtime_is_loaded_only_when_it_pays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []

    def load(graph: Path, precision: str, threads: int) -> minilm_runtime.Forward:
        loaded.append(graph)
        return lambda ids, mask, wanted: [np.ones((len(ids), 384), np.float32)]

    monkeypatch.setattr(minilm_runtime, "_load_openvino", load)
    lasting = MiniLMEmbedder(folder, F32)
    for _ in range(module.FEW_CALLS):
        lasting.embed(["short"])
    assert loaded == []
    lasting.embed(["short"])
    lasting.embed(["short"])
    assert loaded == [folder / minilm.GRAPH_FILE]
    MiniLMEmbedder(folder, F32).embed(["long " * (module.FEW_TOKENS + 1)])
    assert len(loaded) == 2


def test_encode_gives_the_vectors_of_embed(embed: MiniLMEmbedder) -> None:
    vectors, states = embed.encode(TEXTS)
    np.testing.assert_array_equal(vectors, embed.embed(TEXTS))
    assert [each.states.shape for each in states] == [(len(each.offsets), 384) for each in states]
    assert all(each.states.dtype == np.float32 and each.offsets.dtype == np.int32 for each in states)


def test_states_are_those_of_numpy_whoever_computes_them(folder: Path, embed: MiniLMEmbedder) -> None:
    weights = minilm.read_weights(minilm.locate().weights)
    for text in (TEXTS[0], TEXTS[2]):
        ids = embed._encode([text], special=True)[0].ids
        expected = minilm.encode_one(weights, np.array(ids))[1][1:-1]
        (in_passing,) = MiniLMEmbedder(folder, F32).encode([text])[1]
        np.testing.assert_allclose(in_passing.states, expected, atol=1e-5)
        exact = MiniLMEmbedder(folder, F32)
        exact.prepare()
        np.testing.assert_allclose(exact.encode([text])[1][0].states, expected, atol=1e-3)


def test_the_mean_of_all_states_is_the_vector(embed: MiniLMEmbedder) -> None:
    """Only the two special tokens, which encode leaves out, stand between the mean and the vector."""
    vectors, states = embed.encode(TEXTS[4:])
    for vector, each in zip(vectors[1:], states[1:], strict=True):
        mean = each.states.mean(axis=0)
        assert mean @ vector / np.linalg.norm(mean) > 0.97


def test_offsets_are_characters_of_the_text_as_given(embed: MiniLMEmbedder) -> None:
    text = "😀 Ægir caf\udce9, e\u0301cole 東京!"
    (states,) = embed.encode([text])[1]
    words = [text[start:end] for start, end in states.offsets]
    assert words[0] == "😀"
    assert "東" in words
    assert "京" in words
    assert words[-1] == "!"
    assert "".join(words).replace("\u0301", "") == text.replace(" ", "").replace("\u0301", "")


def test_a_text_has_states_up_to_where_it_is_cut(embed: MiniLMEmbedder) -> None:
    whole, cut, none = embed.encode(["boat " * 510, "boat " * 600, ""])[1]
    assert len(whole.states) == len(cut.states) == 510
    assert cut.offsets[-1].tolist() == [509 * 5, 509 * 5 + 4]
    assert none.states.shape == (0, 384)
    assert none.offsets.shape == (0, 2)
    assert embed.encode([])[1] == []


def test_a_graph_that_the_runtime_refuses_is_an_error_with_a_hint(tmp_path: Path) -> None:
    graph = tmp_path / "broken.onnx"
    graph.write_bytes(b"no graph")
    with pytest.raises(ModelError, match="OpenVINO cannot run") as caught:
        minilm_runtime._load_openvino(graph, "f32", 0)
    assert caught.value.hint


def test_the_first_short_question_loads_no_runtime(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from memapp.models.embedder import MiniLMEmbedder\n"
        "heavy = {'openvino', 'onnx', 'onnxruntime', 'tokenizers', 'torch', 'sentence_transformers'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert MiniLMEmbedder(Path(sys.argv[1])).embed(['Where is the key?']).shape == (1, 384)\n"
        "assert heavy & set(sys.modules) == {'tokenizers'}, heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)


def test_ctrl_c_can_be_caught_after_embedders_are_gone(folder: Path) -> None:
    program = (
        "import gc, signal, sys; from pathlib import Path\n"
        "from memapp.models.embedder import MiniLMEmbedder\n"
        "made = [MiniLMEmbedder(Path(sys.argv[1]), threads=1) for _ in range(2)]\n"
        "for one in made: one.prepare()\n"
        "del one; made.pop(0); gc.collect(); made.pop(0); gc.collect()\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try: signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt: sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(folder)]).returncode == 7


@given(st.lists(st.integers(2, 512), max_size=200))
def test_batches_hold_every_row_once_within_the_budget(lengths: list[int]) -> None:
    batches = list(module._batches(lengths))
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    for rows in batches:
        width = minilm_runtime.width(max(lengths[row] for row in rows))
        assert width * len(rows) <= module.BATCH_TOKENS
        assert width % minilm_runtime.BUCKET == 0
