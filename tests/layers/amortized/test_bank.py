from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from memapp.errors import StatesMismatch
from memapp.layers.amortized import bank as bank_module
from memapp.layers.amortized.bank import Bank, Entry, Form, coded

FORM = Form("model-a", tokens=4, width=8, key=6)


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_module, "ROWS", 5)


def entries(*passages: int, tokens: int = 4) -> list[Entry]:
    found = []
    for passage in passages:
        chance = np.random.default_rng(passage)
        key = chance.normal(size=6)
        soft = chance.normal(size=(tokens, 8)).astype(np.float32)
        found.append(Entry(passage, soft, (key / np.linalg.norm(key)).astype(np.float32)))
    return found


def test_gives_back_what_was_put_within_half_a_step(tmp_path: Path) -> None:
    bank = Bank(tmp_path, FORM)
    put = entries(3, 1, 2, tokens=3)
    bank.put(put)
    for entry, found in zip(put, bank.get([3, 1, 2]), strict=True):
        assert found.shape == (3, 8)
        assert np.all(np.abs(found - entry.soft) <= np.abs(entry.soft).max(axis=1, keepdims=True) / 127 * 0.51)


def test_is_the_same_after_opening_it_again(tmp_path: Path) -> None:
    bank = Bank(tmp_path, FORM)
    bank.put(entries(*range(12)))
    bank.forget([4, 7])
    bank.flush()
    again = Bank(tmp_path, FORM)
    assert sorted(again.passages) == sorted(bank.passages)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    for passage in again.passages:
        np.testing.assert_array_equal(again.get([passage])[0], bank.get([passage])[0])


def test_its_files_are_safetensors(tmp_path: Path) -> None:
    bank = Bank(tmp_path, FORM)
    bank.put(entries(9))
    bank.flush()
    arrays = load_file(tmp_path / "bank-00000.safetensors")
    row = int(np.flatnonzero(arrays["passages"] == 9)[0])
    np.testing.assert_allclose(
        arrays["codes"][row] * arrays["steps"][row][:, None].astype(np.float32), bank.get([9])[0], rtol=1e-6
    )


def test_nothing_of_a_forgotten_entry_is_left_in_the_file(tmp_path: Path) -> None:
    bank = Bank(tmp_path, FORM)
    (entry,) = entries(9)
    bank.put([entry, *entries(10)])
    steps, codes = coded(entry.soft)
    written = codes.tobytes()
    bank.flush()
    assert written in (tmp_path / "bank-00000.safetensors").read_bytes()
    assert bank.forget([9, 77]) == 1
    bank.flush()
    after = (tmp_path / "bank-00000.safetensors").read_bytes()
    assert written not in after
    assert entry.key.astype(np.float16).tobytes() not in after
    assert steps.tobytes() not in after
    assert 9 not in bank
    with pytest.raises(KeyError):
        bank.get([9])


def test_a_freed_row_is_used_again(tmp_path: Path) -> None:
    bank = Bank(tmp_path, FORM)
    bank.put(entries(*range(5)))
    bank.forget([2])
    bank.put(entries(8))
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert sorted(bank.passages) == [0, 1, 3, 4, 8]


def test_put_again_replaces(tmp_path: Path) -> None:
    bank = Bank(tmp_path, FORM)
    bank.put(entries(1, tokens=4))
    (new,) = entries(2, tokens=2)
    bank.put([Entry(1, new.soft, new.key)])
    assert len(bank) == 1
    assert bank.get([1])[0].shape == (2, 8)
    assert bank.nearest(new.key, 1)[0][1] == pytest.approx(1, abs=1e-3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=40))
def test_holds_what_a_dictionary_would(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int]]) -> None:
    folder = tmp_path_factory.mktemp("bank")
    bank, held = Bank(folder, FORM), set()
    for put, passage in steps:
        if put:
            bank.put(entries(passage))
            held.add(passage)
        else:
            assert bank.forget([passage]) == (passage in held)
            held.discard(passage)
    assert set(bank.passages) == held == set(Bank(folder, FORM).passages)
    found = bank.nearest(entries(5)[0].key, 30)
    assert {passage for passage, _ in found} == held
    if 5 in held:
        assert found[0][0] == 5


def test_nearest_orders_as_all_cosines_do(tmp_path: Path) -> None:
    bank = Bank(tmp_path, FORM)
    put = entries(*range(13))
    bank.put(put)
    (question,) = entries(99)
    exact = sorted(put, key=lambda entry: -float(entry.key.astype(np.float16).astype(np.float32) @ question.key))
    assert [passage for passage, _ in bank.nearest(question.key, 4)] == [entry.passage for entry in exact[:4]]
    assert Bank(tmp_path / "none", FORM).nearest(question.key, 4) == []


@pytest.mark.parametrize("other", [Form("model-b", 4, 8, 6), Form("model-a", 5, 8, 6)])
def test_another_model_s_bank_is_refused(tmp_path: Path, other: Form) -> None:
    Bank(tmp_path, FORM).put(entries(1))
    with pytest.raises(StatesMismatch, match="rebuild"):
        Bank(tmp_path, other)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    Bank(tmp_path, FORM).put(entries(1))
    path = tmp_path / "bank-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(StatesMismatch):
        Bank(tmp_path, FORM)


def test_an_entry_of_the_default_model_stays_below_thirty_kilobytes() -> None:
    assert Form("x", tokens=48, width=576, key=384).entry_bytes <= 30_000


def test_two_that_hold_one_folder_do_not_write_over_each_other(tmp_path: Path) -> None:
    one, other = Bank(tmp_path, FORM), Bank(tmp_path, FORM)
    one.put(entries(1, 2))
    other.put(entries(3))
    one.forget([2])
    other.put(entries(4, 1))
    assert one.forget([3]) == 1
    one.refresh()
    other.refresh()
    assert sorted(one.passages) == sorted(other.passages) == [1, 4]
    for passage in (1, 4):
        np.testing.assert_array_equal(one.get([passage])[0], other.get([passage])[0])
    arrays = load_file(tmp_path / "bank-00000.safetensors")
    assert sorted(arrays["passages"].tolist()) == [-1, -1, -1, 1, 4]
    assert not arrays["codes"][arrays["passages"] == -1].any()
