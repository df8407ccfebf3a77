"""A chat export from ingest to answer: times, facts that changed, export and import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memapp import Memory
from memapp.models.scripted import ScriptedEmbedder, ScriptedEngine
from memapp.records import hit_record
from memapp.settings import Settings

TURNS = [
    {"speaker": "Ann", "time": "2023-03-01T10:00", "session": "a", "text": "I live in Lyon, close to the river."},
    {"speaker": "Bo", "time": "2023-03-01T10:01", "session": "a", "text": "Rivers are calm."},
    {"speaker": "Ann", "time": "2025-05-05T18:30", "session": "b", "text": "I moved to Oslo last week."},
]


def opened(path: Path, name: str = "m.db") -> Memory:
    engine = ScriptedEngine(lambda _: "I cannot say.")
    return Memory.open(path / name, embedder=ScriptedEmbedder(), engine=engine, settings=Settings(extract=False))


def talked(path: Path) -> Memory:
    (path / "talk.json").write_text(json.dumps(TURNS))
    memory = opened(path)
    memory.ingest([path / "talk.json"])
    return memory


def test_a_fact_that_changed_is_shown_newest_first_with_both_dates(tmp_path: Path) -> None:
    with talked(tmp_path) as memory:
        hits = [hit for hit in memory.recall("Where does Ann live, in Lyon or Oslo?", 3) if hit.standing]
        assert [hit.passage.text for hit in hits] == [
            "Ann (5 May 2025, 18:30): I moved to Oslo last week [28 April–4 May 2025].",
            "Ann (1 March 2023, 10:00): I live in Lyon, close to the river.",
        ]
        assert hits[0].standing == "newest, of 5 May 2025; told otherwise on 1 March 2023"
        newest, outdated = map(hit_record, hits)
        assert (newest["outdated"], outdated["outdated"]) == (False, True)
        assert newest["said"] == {"speaker": "Ann", "session": "b", "time": "2025-05-05T18:30"}


def test_the_outdated_is_not_quoted_as_the_answer(tmp_path: Path) -> None:
    with talked(tmp_path) as memory:
        answer = memory.ask("Where does Ann live, in Lyon or Oslo?", 3)
        assert "Lyon" not in answer.text


def test_turns_survive_export_and_import(tmp_path: Path) -> None:
    with talked(tmp_path) as memory, opened(tmp_path, "other.db") as other:
        memory.export(tmp_path / "all.jsonl")
        other.import_(tmp_path / "all.jsonl")
        for one in (memory, other):
            passages = [passage for info in one.documents() for passage in one.passages(info.id)]
            assert [passage.said.speaker for passage in passages if passage.said] == ["Ann", "Bo", "Ann"]
            assert all(check.ok for check in one.verify())


@pytest.mark.models
def test_the_reader_tells_what_holds_now_and_what_held_then(tmp_path: Path) -> None:
    (tmp_path / "talk.json").write_text(json.dumps(TURNS))
    with Memory.open(tmp_path / "m.db", settings=Settings(extract=False)) as memory:
        memory.ingest([tmp_path / "talk.json"])
        now, then = memory.ask("Where does Ann live now?", 3), memory.ask("Where did Ann live in 2023?", 3)
    assert "Oslo" in now.text
    assert [hit.rank in now.dropped for hit in now.hits if hit.outdated] == [True]
    assert "Lyon" in then.text


@pytest.mark.parametrize("layers", [["lexical"], ["lexical", "dense", "episodic"]])
def test_another_speakers_words_are_not_quoted_either_whatever_layers_are_asked(
    tmp_path: Path, layers: list[str]
) -> None:
    with talked(tmp_path) as memory:
        hers = memory.ask("Did Ann live close to the river?", 1, layers=layers)
        his = memory.ask("Did Bo live close to the river, in Lyon, close?", 1, layers=layers)
    assert "river" in hers.text
    assert [hit.passage.said.speaker for hit in his.hits if hit.passage.said] == ["Ann"]
    assert his.text == "Memory does not hold that of Bo. What comes nearest was said by Ann."


@pytest.mark.models
def test_what_one_speaker_told_of_herself_is_not_answered_of_another(tmp_path: Path) -> None:
    turns = [
        {"speaker": "Jon", "time": "2023-05-27T19:18", "session": "a", "text": "Hey Gina! How have you been?"},
        {
            "speaker": "Gina",
            "time": "2023-05-27T19:19",
            "session": "a",
            "text": "I started my internship in Lisbon yesterday, in the fashion department of Brava.",
        },
        {"speaker": "Jon", "time": "2023-05-27T19:20", "session": "a", "text": "I am happy for you!"},
    ]
    (tmp_path / "talk.json").write_text(json.dumps(turns))
    with Memory.open(tmp_path / "m.db", embedder=ScriptedEmbedder(), settings=Settings(extract=False)) as memory:
        memory.ingest([tmp_path / "talk.json"])
        hers, his = (memory.ask(f"Where did {name} start the internship?", 3) for name in ("Gina", "Jon"))
        when = memory.ask("When did Gina start the internship?", 3)
    assert "Lisbon" in hers.text
    assert not hers.abstained
    assert his.abstained
    assert his.confidence == 0
    assert his.text == "Memory does not hold that of Jon. What comes nearest was said by Gina."
    assert "26 May 2023" in when.text
    assert "internship" in when.citations[0].text
