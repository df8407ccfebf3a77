from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memapp.errors import GenerationFailed, ModelDamaged
from memapp.models import lora, states
from memapp.models.catalog import bundled_path
from memapp.models.native import Aborted, Context, Model, Options
from memapp.models.soft import forced, read_soft

pytestmark = pytest.mark.models

TEXT = "The keeper of the lighthouse wrote down the wind and the tide every evening."
OPTIONS = Options(context_tokens=256, extra_buffers=False)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    path = bundled_path()
    assert path is not None
    with closing(Model(path, OPTIONS)) as opened:
        yield opened


@pytest.fixture
def context(model: Model) -> Iterator[Context]:
    with closing(model.context(OPTIONS)) as opened:
        yield opened


def never() -> bool:
    return False


def adapter(path: Path, model: Model, size: float, out: int = 576) -> Path:
    chance = np.random.default_rng(0)
    a = chance.normal(size=(4, model.dimension)).astype(np.float32)
    lora.write(
        path, {"blk.0.attn_q.weight.lora_a": a, "blk.0.attn_q.weight.lora_b": np.full((out, 4), size, np.float32)}, 4.0
    )
    return path


def logits(context: Context, ids: list[int]) -> np.ndarray:
    context.keep(0)
    context.extend(ids, never)
    return np.array(context.logits())


def test_embeddings_of_tokens_read_as_the_tokens(model: Model, context: Context) -> None:
    ids = model.tokenize(TEXT, special=False)
    wanted = logits(context, ids)
    context.keep(0)
    context.extend(ids[:3], never)
    read_soft(context, states.embeddings(model, np.array(ids[3:], np.int32)))
    np.testing.assert_allclose(np.array(context.logits()), wanted, atol=1e-3)


def test_a_prompt_never_begins_with_soft_tokens(model: Model, context: Context) -> None:
    read_soft(context, states.embeddings(model, np.array([5, 6], np.int32)))
    assert all(token < 0 for token in context.held)


def test_forced_is_the_mean_log_probability(model: Model, context: Context) -> None:
    ids = model.tokenize(TEXT, special=False)
    prompt, answer = ids[:8], ids[8:11]
    total = 0.0
    for place, token in enumerate(answer):
        found = logits(context, prompt + answer[:place])
        total += float(found[token] - np.log(np.exp(found - found.max()).sum()) - found.max())
    soft = states.embeddings(model, np.array(prompt[4:], np.int32))
    assert forced(context, [prompt[:4], soft], answer) == pytest.approx(total / 3, abs=1e-3)


@pytest.mark.parametrize("shape", [(2, 575), (576,)])
def test_vectors_of_another_width_are_refused(context: Context, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="soft tokens have the shape"):
        read_soft(context, np.zeros(shape, np.float32))


def test_more_than_the_window_holds_is_refused(context: Context) -> None:
    with pytest.raises(GenerationFailed, match="full"):
        read_soft(context, np.zeros((257, 576), np.float32))
    assert context.held == []


def test_stops_when_asked_to(context: Context) -> None:
    with pytest.raises(Aborted):
        read_soft(context, np.zeros((4, 576), np.float32), lambda: True)


def test_an_adapter_changes_what_its_context_computes(model: Model, tmp_path: Path) -> None:
    ids = model.tokenize(TEXT, special=False)
    with closing(model.context(replace(OPTIONS))) as plain, closing(model.context(OPTIONS)) as changed:
        changed.adapt(model.adapter(adapter(tmp_path / "zero.gguf", model, 0.0)))
        np.testing.assert_allclose(logits(changed, ids), logits(plain, ids), atol=1e-4)
        changed.adapt(model.adapter(adapter(tmp_path / "some.gguf", model, 0.05)))
        assert np.abs(logits(changed, ids) - logits(plain, ids)).max() > 0.1


def test_an_adapter_of_another_model_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="cannot load the adapter"):
        model.adapter(adapter(tmp_path / "other.gguf", model, 0.1, out=64))
    (tmp_path / "text.gguf").write_text("no adapter at all")
    with pytest.raises(ModelDamaged):
        model.adapter(tmp_path / "text.gguf")
