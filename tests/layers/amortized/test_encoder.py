import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from memapp.layers.amortized.encoder import LONGEST, SoftEncoder
from memapp.layers.amortized.pooling import Weights, read_weights
from memapp.models import states
from memapp.models.catalog import bundled_path
from memapp.models.native import Model, Options
from memapp.models.tap import FINAL, Tap

OPTIONS = Options(context_tokens=512, extra_buffers=False)
TEXT = "The keeper of the lighthouse wrote down the wind and the tide every evening."


def written(folder: Path, adapter: float) -> Path:
    chance = np.random.default_rng(0)
    arrays = {
        "salience": chance.normal(size=576),
        "change": 0.05 * chance.normal(size=(576, 576)),
        "size": np.array([0.1]),
        "unit": np.array([0.12]),
        "blk.3.ffn_up.weight.lora_a": chance.normal(size=(2, 576)),
        "blk.3.ffn_up.weight.lora_b": adapter * np.ones((1536, 2)),
    }
    path = folder / "amortizer.safetensors"
    save_file({name: value.astype(np.float16) for name, value in arrays.items()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest, "alpha": 4.0, "soft_tokens": [4, 16]}))
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    return read_weights(written(tmp_path, 0.0))


@pytest.fixture
def encoder(weights: Weights, tmp_path: Path) -> Iterator[SoftEncoder]:
    path = bundled_path()
    assert path is not None
    with closing(SoftEncoder(lambda: (path, OPTIONS), weights, tmp_path)) as opened:
        yield opened


@pytest.mark.models
def test_pools_what_the_model_makes_of_a_passage(encoder: SoftEncoder, weights: Weights) -> None:
    path = bundled_path()
    assert path is not None
    plain = replace(OPTIONS, context_tokens=512)
    with closing(Model(path, OPTIONS)) as model, closing(model.context(plain, Tap(FINAL))) as context:
        ids = np.array(model.tokenize(TEXT, special=False), np.int32)
        # The state after a token is that before the next one.
        seen = states.states(context, [*ids.tolist(), 0])[1:]
        wanted = weights.pooling(states.embeddings(model, ids), seen, 4)
    (found,) = encoder.encode([TEXT], 4)
    np.testing.assert_allclose(found, wanted, rtol=0.02, atol=0.002)


@pytest.mark.models
def test_does_not_depend_on_what_was_encoded_before(encoder: SoftEncoder) -> None:
    (alone,) = encoder.encode([TEXT], 4)
    _, after = encoder.encode(["Something else, and quite a lot of it.", TEXT], 4)
    np.testing.assert_array_equal(alone, after)


@pytest.mark.models
def test_the_adapter_counts(encoder: SoftEncoder, tmp_path: Path) -> None:
    path = bundled_path()
    assert path is not None
    changed = read_weights(written(tmp_path, 0.02))
    with closing(SoftEncoder(lambda: (path, OPTIONS), changed, tmp_path)) as other:
        assert np.abs(other.encode([TEXT], 4)[0] - encoder.encode([TEXT], 4)[0]).max() > 0.01


@pytest.mark.models
def test_empty_short_and_long_texts(encoder: SoftEncoder) -> None:
    empty, short, long, cut = encoder.encode(["", "Yes", "word " * 3000, "word " * (LONGEST + 9)], 16)
    assert empty.shape == (0, 576)
    assert short.shape == (1, 576)
    assert long.shape == (16, 576)
    np.testing.assert_array_equal(long, cut)


def test_weights_that_are_not_what_the_manifest_says_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, 0.0)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ValueError, match="manifest"):
        read_weights(path)


def test_numbers_of_soft_tokens_are_told(weights: Weights, tmp_path: Path) -> None:
    assert SoftEncoder(lambda: (tmp_path / "none.gguf", replace(OPTIONS)), weights, tmp_path).counts == (4, 16)
