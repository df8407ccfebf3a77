from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from memapp.errors import StatesMismatch
from memapp.store import bank as bank_module
from memapp.store.bank import Bank, Entry, Form, coded

FORM = Form("model-a", tokens=4, width=8)


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_module, "ROWS", 5)


def key(passage: int) -> np.ndarray:
    vector = np.random.default_rng(passage).normal(size=6)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def keys(passages: Sequence[int]) -> np.ndarray:
    return np.array([key(passage) for passage in passages]).reshape(-1, 6)


def opened(folder: Path, form: Form = FORM) -> Bank:
    return Bank(folder, form, keys)


def entries(*passages: int, tokens: int = 4) -> list[Entry]:
    return [
        Entry(passage, np.random.default_rng(passage).normal(size=(tokens, 8)).astype(np.float32))
        for passage in passages
    ]


def test_gives_back_what_was_put_within_half_a_step(tmp_path: Path) -> None:
    bank = opened(tmp_path)
    put = entries(3, 1, 2, tokens=3)
    bank.put(put)
    for entry, found in zip(put, bank.get([3, 1, 2]), strict=True):
        assert found.shape == (3, 8)
        assert np.all(np.abs(found - entry.soft) <= np.abs(entry.soft).max(axis=1, keepdims=True) / 127 * 0.51)


def test_is_the_same_after_opening_it_again(tmp_path: Path) -> None:
    bank = opened(tmp_path)
    bank.put(entries(*range(12)))
    bank.forget([4, 7])
    bank.flush()
    again = opened(tmp_path)
    assert sorted(again.passages) == sorted(bank.passages)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    for passage in again.passages:
        np.testing.assert_array_equal(again.get([passage])[0], bank.get([passage])[0])


def test_its_files_are_safetensors(tmp_path: Path) -> None:
    bank = opened(tmp_path)
    bank.put(entries(9))
    bank.flush()
    arrays = load_file(tmp_path / "bank-00000.safetensors")
    row = int(np.flatnonzero(arrays["passages"] == 9)[0])
    np.testing.assert_allclose(
        arrays["codes"][row] * arrays["steps"][row][:, None].astype(np.float32), bank.get([9])[0], rtol=1e-6
    )


def test_nothing_of_a_forgotten_entry_is_left_in_the_file(tmp_path: Path) -> None:
    bank = opened(tmp_path)
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
    assert steps.tobytes() not in after
    assert 9 not in bank
    with pytest.raises(KeyError):
        bank.get([9])


def test_a_freed_row_is_used_again(tmp_path: Path) -> None:
    bank = opened(tmp_path)
    bank.put(entries(*range(5)))
    bank.forget([2])
    bank.put(entries(8))
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert sorted(bank.passages) == [0, 1, 3, 4, 8]


def test_put_again_replaces(tmp_path: Path) -> None:
    bank = opened(tmp_path)
    bank.put(entries(1, tokens=4))
    (new,) = entries(2, tokens=2)
    bank.put([Entry(1, new.soft)])
    assert len(bank) == 1
    assert bank.get([1])[0].shape == (2, 8)
    assert bank.nearest(key(1), 1) == [(1, pytest.approx(1))]


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=40))
def test_holds_what_a_dictionary_would(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int]]) -> None:
    folder = tmp_path_factory.mktemp("bank")
    bank, held = opened(folder), set()
    for put, passage in steps:
        if put:
            bank.put(entries(passage))
            held.add(passage)
        else:
            assert bank.forget([passage]) == (passage in held)
            held.discard(passage)
    assert set(bank.passages) == held == set(opened(folder).passages)
    found = bank.nearest(key(5), 30)
    assert {passage for passage, _ in found} == held
    if 5 in held:
        assert found[0][0] == 5


def test_nearest_orders_as_all_cosines_do(tmp_path: Path) -> None:
    bank = opened(tmp_path)
    bank.put(entries(*range(13)))
    exact = sorted(range(13), key=lambda passage: -float(key(passage) @ key(99)))
    assert [passage for passage, _ in bank.nearest(key(99), 4)] == exact[:4]
    bank.forget(exact[:1])
    bank.put(entries(20))
    exact = sorted([*exact[1:], 20], key=lambda passage: -float(key(passage) @ key(99)))
    assert [passage for passage, _ in bank.nearest(key(99), 30)] == exact
    assert opened(tmp_path / "none").nearest(key(99), 4) == []


def test_a_damaged_entry_is_noticed(tmp_path: Path) -> None:
    bank = opened(tmp_path)
    bank.put(entries(1, 2))
    bank.flush()
    path = tmp_path / "bank-00000.safetensors"
    codes = coded(entries(2)[0].soft)[1].tobytes()
    data = path.read_bytes()
    path.write_bytes(data.replace(codes, bytes([codes[0] ^ 1]) + codes[1:]))
    again = opened(tmp_path)
    assert again.get([1])[0].shape == (4, 8)
    with pytest.raises(StatesMismatch, match="passage 2"):
        again.get([2])


@pytest.mark.parametrize("other", [Form("model-b", 4, 8), Form("model-a", 5, 8)])
def test_another_model_s_bank_is_refused(tmp_path: Path, other: Form) -> None:
    opened(tmp_path).put(entries(1))
    with pytest.raises(StatesMismatch, match="rebuild"):
        opened(tmp_path, other)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).put(entries(1))
    path = tmp_path / "bank-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(StatesMismatch):
        opened(tmp_path)


def test_an_entry_of_the_default_model_stays_below_thirty_kilobytes() -> None:
    assert Form("x", tokens=48, width=576).entry_bytes <= 30_000


def test_two_that_hold_one_folder_do_not_write_over_each_other(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
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
