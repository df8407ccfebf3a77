"""Answers that the bank of soft tokens takes part in: what is read as what, and what forgetting leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memapp.errors import ModelError, UsageError
from memapp.layers.amortized.encoder import SoftEncoder, open_encoder
from memapp.memory import Memory
from memapp.models.catalog import Catalog
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.records import answer_record
from memapp.settings import Settings
from memapp.store import bank
from memapp.types import Answer

NOTES = {
    "keeper": "Tove Lindqvist kept the light on Sullen Point until 1998. Her dog was called Biscuit.",
    "mill": "The mill at Brae grinds rye on Mondays. Its miller is Ingrid Moe, who keeps a dog.",
    "ferry": "The ferry to Sullen Point leaves at nine and takes two cars. Its captain is Olaf Brandt.",
}
ASKED = "Who kept the light on Sullen Point?"
ON = Settings(bank=2, soft_tokens=16, k=1, answer_tokens=12, layers=("lexical", "dense"), extract=False)

Open = Callable[[Settings], Memory]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the same store, with the default model."""
    memories: list[Memory] = []

    def open_(settings: Settings = ON) -> Memory:
        memories.append(Memory.open(tmp_path / "m.db", settings=settings, embedder=ScriptedEmbedder()))
        return memories[-1]

    yield open_
    for memory in memories:
        memory.close()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the encoder read."""
    read: list[str] = []
    real = SoftEncoder.encode

    def counted(self: SoftEncoder, texts: list[str], count: int) -> list[np.ndarray]:
        read.extend(texts)
        return real(self, texts, count)

    monkeypatch.setattr(SoftEncoder, "encode", counted)
    return read


def fed(memory: Memory) -> Memory:
    for name, text in NOTES.items():
        memory.add(text, id=name)
    return memory


def documents_of(memory: Memory, answer: Answer) -> set[str]:
    names = {passage.id: info.id for info in memory.documents() for passage in memory.passages(info.id)}
    return {names[id] for id in answer.reminded}


def held(memory: Memory) -> set[int]:
    """The passages that the bank's files have an entry of, read as another program would."""
    from safetensors.numpy import load_file

    place = memory._store.database.derived(memory._store.number())
    rows = [load_file(path)["passages"] for path in place.glob("bank-*.safetensors")]
    return {int(id) for each in rows for id in each if id != -1}


@pytest.mark.models
def test_what_is_not_read_as_text_is_read_as_soft_tokens(opened: Open, encoded: list[str]) -> None:
    memory = fed(opened(ON))
    assert sorted(encoded) == sorted(NOTES.values())
    answer = memory.ask(ASKED)
    assert documents_of(memory, answer) == {"mill", "ferry"}
    assert {citation.document for citation in answer.citations} <= {"keeper"}
    assert answer.reading is not None
    assert answer.reading.soft == 32
    told = answer_record(answer)
    assert told["reminded"] == list(answer.reminded)
    assert told["reading"]["tokens"]["soft"] == 32
    assert told["reading"]["ms"]["soft"] > 0
    assert told["budget"]["soft"] == 32
    assert told["budget"]["left"] > 0
    # Nothing of it is left for the next question, and nothing is read twice.
    again = memory.ask(ASKED)
    assert (again.text, again.reminded) == (answer.text, answer.reminded)
    assert len(encoded) == 3


@pytest.mark.models
def test_of_those_after_the_third_only_an_outline_is_read(opened: Open) -> None:
    memory = fed(opened(replace(ON, bank=5)))
    for name in ("Harn", "Ostwick", "Pell"):
        memory.add(f"The light of {name} has a keeper too, who lives in {name} and paints its tower in June.", id=name)
    answer = memory.ask(ASKED)
    assert len(answer.reminded) == 5
    assert answer.reading is not None
    assert answer.reading.soft == 3 * 16 + 2 * 6


@pytest.mark.models
def test_the_next_process_finds_the_entries_and_makes_those_that_are_missing(opened: Open, encoded: list[str]) -> None:
    with fed(opened(ON)):
        pass
    with opened(Settings(layers=ON.layers, extract=False)) as without:
        without.add("The harbour bell rings twice when a ship comes in.", id="bell")
    memory = opened(ON)
    memory.add("The quarry was closed when the rail came.", id="quarry")
    assert sorted(encoded[3:]) == [
        "The harbour bell rings twice when a ship comes in.",
        "The quarry was closed when the rail came.",
    ]
    assert memory.stats().layers[-1].name == "amortized"
    assert memory.stats().layers[-1].passages == 5
    assert all(check.ok for check in memory.verify())


@pytest.mark.models
@pytest.mark.parametrize("on", [True, False], ids=["bank on", "bank off"])
def test_forgetting_wipes_an_entry_and_keeps_the_others(opened: Open, encoded: list[str], on: bool) -> None:
    with fed(opened(ON)) as memory:
        (mill,) = (passage.id for passage in memory.passages("mill"))
        assert len(held(memory)) == 3
    with opened(ON if on else Settings(layers=ON.layers, extract=False)) as memory:
        report = memory.forget("mill", verify=True)
        assert all(check.ok for check in report.checks), report.checks
        assert len(held(memory)) == 2
        assert mill not in held(memory)
    memory = opened(ON)
    assert documents_of(memory, memory.ask(ASKED)) == {"ferry"}
    assert len(encoded) == 3


@pytest.mark.models
def test_another_number_of_soft_tokens_makes_the_bank_anew(opened: Open, encoded: list[str]) -> None:
    with fed(opened(ON)):
        pass
    memory = opened(replace(ON, soft_tokens=48))
    stats = {layer.name: layer for layer in memory.stats().layers}
    assert stats["amortized"].passages == 0
    assert not all(check.ok for check in memory.verify())
    rebuilt = memory.rebuild(["amortized"])
    assert rebuilt[0].passages == 3
    assert len(encoded) == 6
    assert all(check.ok for check in memory.verify())


@pytest.mark.models
def test_what_stands_in_the_way_is_told(opened: Open) -> None:
    memory = fed(opened(replace(ON, bank=0)))
    assert memory.ask(ASKED).reminded == ()
    memory.close()
    memory = opened(ON)
    answer = memory.ask(ASKED)
    assert answer.reminded == ()
    assert answer.reading is not None
    assert "none were made yet" in answer.reading.note
    memory.close()
    memory = opened(replace(ON, reading="set"))
    memory.rebuild(["amortized"])
    answer = memory.ask(ASKED)
    assert answer.reading is not None
    assert (answer.reminded, answer.reading.kind) == ((), "set")
    assert "read apart" in answer.reading.note


def test_a_model_without_an_encoder_and_a_number_that_was_not_trained_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="soft_tokens is 7"):
        open_encoder(Settings(soft_tokens=7))
    file = tmp_path / "other.gguf"
    catalog = Catalog(tmp_path / "models")
    file.write_bytes(catalog.resolve("").path.read_bytes())
    catalog.add(file, "other")
    with pytest.raises(ModelError, match="other"):
        open_encoder(Settings(model="other"), catalog)


def test_soft_tokens_of_one_model_are_not_read_by_another(tmp_path: Path) -> None:
    engine = ScriptedEngine(["An answer."])
    memory = Memory.open(tmp_path / "m.db", settings=ON, embedder=ScriptedEmbedder(), engine=engine)
    with memory, pytest.raises(ModelError, match="not for scripted"):
        memory.ask(ASKED)


def test_damaged_bank_files_go_when_something_is_forgotten(tmp_path: Path) -> None:
    with Memory.open(
        tmp_path / "m.db",
        settings=Settings(layers=("lexical",), extract=False),
        embedder=ScriptedEmbedder(),
        engine=ScriptedEngine(["An answer."]),
    ) as memory:
        fed(memory)
        place = memory._store.database.derived(memory._store.number())
        place.mkdir(parents=True, exist_ok=True)
        (place / "bank-00000.safetensors").write_bytes(b"\x10" + bytes(7) + b'{"codes": {}}   ')
        assert bank.of_living(place, lambda: pytest.fail("asked")) == set()
        memory.forget("mill")
        assert not list(place.glob("bank-*"))
