"""Keys and values that are kept and joined are those that one pass with a mask would have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'memapp[train]'")

from memapp.train import llama_torch  # noqa: E402
from memapp.train.llama_torch import Llama  # noqa: E402
from memapp.train.reader.states import States, merged  # noqa: E402
from tests.train.test_llama_torch import SHAPE, tiny  # noqa: E402

HEAD, PASSAGES, TAIL = [7, 8, 9], ([11, 12, 13, 14, 15], [21, 22, 23]), [31, 32]


def states(model: Llama | None = None) -> States:
    kept = States(model or tiny(), np.array(HEAD, np.int32))
    kept.read({n: np.array(ids, np.int32) for n, ids in enumerate(PASSAGES)})
    return kept


def test_one_passage_is_seen_as_in_one_pass() -> None:
    found = states().joined([0]).follow(tiny(), torch.tensor([TAIL]))
    at_once = tiny()(torch.tensor([[*HEAD, *PASSAGES[0], *TAIL]]))
    torch.testing.assert_close(found, at_once[:, -len(TAIL) :], atol=5e-3, rtol=0)


def test_each_passage_stands_behind_the_one_before_it() -> None:
    # With one layer, keys and values depend on tokens and places alone, so one pass has the same.
    model = Llama(tiny().tensors, replace(SHAPE, layers=1))
    for order in ([0, 1], [1, 0]):
        found = states(model).joined(order).follow(model, torch.tensor([TAIL]))
        read = [token for n in order for token in PASSAGES[n]]
        at_once = model(torch.tensor([[*HEAD, *read, *TAIL]]))
        torch.testing.assert_close(found, at_once[:, -len(TAIL) :], atol=5e-3, rtol=0)


def test_sequences_that_go_on_do_not_see_each_other() -> None:
    alone = states().joined([0, 1]).follow(tiny(), torch.tensor([TAIL]))
    beside = states().joined([0, 1]).follow(tiny(), torch.tensor([[41, 42], TAIL]))
    torch.testing.assert_close(beside[1:], alone)


def test_what_is_written_is_seen_by_what_follows() -> None:
    model, joined = tiny(), states().joined([0, 1])
    written = joined.write(model, TAIL, 4, end=-1)
    ids = list(TAIL)
    for token in written:
        with torch.no_grad():
            seen = states().joined([0, 1]).follow(model, torch.tensor([ids]))[:, -1]
        assert int(model.head(seen).argmax()) == token
        ids.append(token)


def test_a_merged_adapter_computes_the_same() -> None:
    model, ids = tiny(), torch.tensor([[3, 1, 4]])
    llama_torch.add_lora(model, 2, 4.0)
    with torch.no_grad():
        for layer in model.layers:
            layer.ffn_up.b.normal_()
    before = model(ids)
    merged(model)
    torch.testing.assert_close(model(ids), before)
    assert not list(model.parameters())
    torch.testing.assert_close(tiny()(ids), tiny()(ids))
    assert not torch.allclose(tiny()(ids), before)
