"""The amortizer in torch, on a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'memapp[train]'")

from memapp.layers.amortized.pooling import Pooling  # noqa: E402
from memapp.train import ragged  # noqa: E402
from memapp.train.amortized.examples import Examples  # noqa: E402
from memapp.train.amortized.fit import Device, Plan, fit, held_out_rows, measure  # noqa: E402
from memapp.train.amortized.network import Amortizer, Reader, per_answer, rounded, stretches  # noqa: E402
from memapp.train.ragged import Ragged  # noqa: E402
from tests.train.test_llama_torch import tiny  # noqa: E402

HEADS = ([1, 2, 3], [1, 2], [5, 6])


def amortizer(seed: int = 0) -> Amortizer:
    model = Amortizer(tiny(), rank=2, alpha=4.0, begin=1)
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.salience.copy_(torch.randn(32, generator=chance))
        model.change.copy_(torch.randn(32, 32, generator=chance))
    return model


def examples(passages: int = 24) -> Examples:
    chance = np.random.default_rng(0)

    def tokens(low: int, high: int) -> list[int]:
        return chance.integers(7, 100, chance.integers(low, high)).tolist()

    held = np.arange(passages) % 3 == 0
    like = [[other for other in range(passages) if other != n and held[other] == held[n]][:3] for n in range(passages)]
    of = np.repeat(np.arange(passages), 2).astype(np.int32)
    nearest = np.array([[n, *like[n], *like[n], n][:8] if held[n] else [-1] * 8 for n in of], np.int32)
    return Examples(
        passages=Ragged.of([tokens(10, 30) for _ in range(passages)]),
        held=held,
        neighbours=np.array(like, np.int32),
        questions=Ragged.of([tokens(4, 9) for _ in of]),
        answers=Ragged.of([[*tokens(1, 4), 2] for _ in of]),
        of=of,
        kind=np.tile([0, 2], passages).astype(np.int8),
        nearest=nearest,
        heads=Ragged.of(HEADS),
        begin=1,
    )


def test_examples_come_back_from_their_file(tmp_path: Path) -> None:
    made = examples()
    ragged.save(tmp_path / "examples.npz", made)
    again = ragged.load(tmp_path / "examples.npz", Examples)
    np.testing.assert_array_equal(again.questions.values, made.questions.values)
    assert again.begin == made.begin == 1
    np.testing.assert_array_equal(again.nearest, made.nearest)
    assert again.begin == 1


def test_pools_as_the_part_without_torch_does() -> None:
    model = amortizer()
    ids = torch.randint(0, 100, (3, 20), generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([20, 13, 7])
    with torch.no_grad():
        found = model(ids, lengths, 6)
        states = model.encoder(torch.cat((torch.full((3, 1), 1), ids), 1))[:, 1:].numpy()
    pooling = Pooling(
        model.salience.detach().numpy(), model.change.detach().numpy(), float(model.size.detach()), float(model.unit)
    )
    for row, length in enumerate(lengths.tolist()):
        embeddings = model.encoder.embed(ids[row, :length]).numpy()
        np.testing.assert_allclose(found[row], pooling(embeddings, states[row, :length], 6), rtol=1e-3, atol=1e-5)


def test_a_short_passage_repeats_tokens() -> None:
    starts, ends = stretches(torch.tensor([3, 12]), 6)
    assert (ends > starts).all()
    assert ends[:, -1].tolist() == [3, 12]
    assert starts[1].tolist() == [0, 2, 4, 6, 8, 10]


def test_rounding_stays_within_half_a_step() -> None:
    soft = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(2))
    assert ((rounded(soft) - soft).abs() <= soft.abs().amax(-1, keepdim=True) / 127 * 0.501).all()


def test_losses_are_those_of_the_answer_s_tokens() -> None:
    model, frozen = amortizer(), tiny()
    reader = Reader(frozen, HEADS)
    tails = torch.tensor([[11, 12, 13, 14, 15, 16], [21, 22, 23, 24, 0, 0]])
    asked, lengths = torch.tensor([4, 2]), torch.tensor([6, 4])
    with torch.no_grad():
        soft = model(torch.randint(0, 100, (2, 12)), torch.tensor([12, 12]), 4)
        answer, question = reader.losses(soft, tails, asked, lengths)
        for row, (first, last) in enumerate(((4, 6), (2, 4))):
            read = torch.cat((frozen.embed(torch.tensor(HEADS[0])), soft[row], frozen.embed(tails[row, : last - 1])))
            said = frozen.head(frozen(read[None]))[0].log_softmax(-1)
            each = [-float(said[3 + 4 + place - 1, tails[row, place]]) for place in range(1, last)]
            assert answer[row, first - 1 : last - 1].tolist() == pytest.approx(each[first - 1 :], rel=1e-4)
            assert question[row, : first - 1].tolist() == pytest.approx(each[: first - 1], rel=1e-4)
            assert float(per_answer(answer, asked, lengths)[row]) == pytest.approx(np.mean(each[first - 1 :]), rel=1e-4)


def test_learns_to_tell_passages_apart_and_measures_the_held_out() -> None:
    data = Device(examples(), torch.device("cpu"))
    model, frozen = Amortizer(tiny(), 2, 4.0, begin=1), tiny()
    reader = Reader(frozen, HEADS)
    before = {name: tensor.clone() for name, tensor in model.state().items()}
    told = fit(model, reader, data, Plan(seconds=3.0, groups=2, counts=(6, 3)), lambda done, told: None)
    assert told["steps"] >= 2
    assert any(not torch.equal(before[name], tensor) for name, tensor in model.state().items() if "lora_b" in name)
    rows = held_out_rows(data.examples)
    assert data.examples.held[data.examples.of[rows]].all()
    found = measure(model, reader, data, rows, (6,))
    assert {"nothing", "reading", "own 6", "wrong 6", "among 6", "others 6", "rarest 6"} <= found.keys()
    assert all(values.shape == rows.shape and (values < 0).all() for values in found.values())


def test_weights_come_back_from_their_state() -> None:
    model, other = amortizer(1), amortizer(2)
    ids, lengths = torch.randint(0, 100, (1, 9)), torch.tensor([9])
    other.restore(model.state())
    torch.testing.assert_close(other(ids, lengths, 3), model(ids, lengths, 3))
