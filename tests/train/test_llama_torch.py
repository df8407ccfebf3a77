from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'memapp[train]'")

from memapp.models.catalog import bundled_path  # noqa: E402
from memapp.train import llama_torch  # noqa: E402
from memapp.train.llama_torch import Llama, Shape  # noqa: E402

SHAPE = Shape(layers=2, width=32, heads=4, kv_heads=2, head_width=8, theta=10_000.0, epsilon=1e-5)
SIZES = {
    "attn_q": (32, 32),
    "attn_k": (16, 32),
    "attn_v": (16, 32),
    "attn_output": (32, 32),
    "ffn_gate": (64, 32),
    "ffn_up": (64, 32),
    "ffn_down": (32, 64),
}


def tiny(seed: int = 0) -> Llama:
    chance = torch.Generator().manual_seed(seed)
    tensors: dict[str, Any] = {
        "token_embd.weight": torch.randn(100, 32, generator=chance) * 0.1,
        "output_norm.weight": torch.ones(32),
    }
    for n in range(SHAPE.layers):
        tensors |= {f"blk.{n}.{name}.weight": torch.randn(size, generator=chance) * 0.2 for name, size in SIZES.items()}
        tensors |= {f"blk.{n}.{name}.weight": torch.ones(32) for name in ("attn_norm", "ffn_norm")}
    return Llama(tensors, SHAPE)


def test_an_adapter_starts_as_nothing_and_comes_back_from_its_state() -> None:
    model, ids = tiny(), torch.tensor([[3, 1, 4, 1, 5]])
    before = model(ids)
    for parameter in llama_torch.add_lora(model, 2, 4.0):
        torch.testing.assert_close(model(ids), before) if not parameter.any() else None
    with torch.no_grad():
        for layer in model.layers:
            layer.attn_q.b.normal_()
    changed = model(ids)
    assert not torch.allclose(changed, before)
    other = tiny()
    llama_torch.load_lora(other, llama_torch.lora_state(model), 4.0)
    torch.testing.assert_close(other(ids), changed)
    torch.testing.assert_close(model.twin()(ids), before)


def test_only_the_adapter_gets_gradients() -> None:
    model = tiny()
    parameters = llama_torch.add_lora(model, 2, 4.0)
    model.head(model(torch.tensor([[3, 1, 4]]))).sum().backward()
    assert len(list(model.parameters())) == len(parameters)
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in parameters)


def test_padding_on_the_right_changes_nothing() -> None:
    model = tiny()
    torch.testing.assert_close(model(torch.tensor([[3, 1, 4, 99, 99]]))[:, :3], model(torch.tensor([[3, 1, 4]])))


def test_writes_the_likeliest_tokens_whatever_else_is_in_the_batch() -> None:
    model = tiny()
    prompts = [[3, 1, 4, 1, 5, 9, 2, 6], [7], [2, 7, 1]]
    expected = []
    for prompt in prompts:
        ids = list(prompt)
        for _ in range(6):
            ids.append(int(model.head(model(torch.tensor([ids]))[0, -1]).argmax()))
        expected.append(ids[len(prompt) :])
    assert llama_torch.generate(model, prompts, 6, stop=[]) == expected
    stop = expected[0][2]
    found = llama_torch.generate(model, prompts, 6, stop=[stop])
    assert found == [row[: row.index(stop)] if stop in row else row for row in expected]


@pytest.mark.models
def test_the_default_model_says_what_llama_cpp_says() -> None:
    from contextlib import closing

    from memapp.models.native import Model, Options

    path = bundled_path()
    assert path is not None
    with closing(Model(path, Options())) as model, closing(model.context(Options(context_tokens=256))) as context:
        ids = model.tokenize("The first Nobel Prize in Physics was awarded in 1901 to Wilhelm Röntgen.", special=False)
        wanted = np.array(context.every_logits(ids))
    with torch.no_grad():
        net = llama_torch.load(path)
        found = net.head(net(torch.tensor([ids])))[0].numpy()
    said, meant = (
        x - np.log(np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True)) - x.max(1, keepdims=True)
        for x in (found, wanted)
    )
    # llama.cpp rounds activations to 8 bits before it multiplies them with quantised weights.
    assert np.abs(said - meant).mean() < 0.3
    assert (said.argmax(1) == meant.argmax(1)).mean() > 0.8
