"""Data sets in every form, well made and not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from memapp.errors import Malformed, MemappError, UsageError
from memapp.evaluate import data

REAL = os.environ.get("MEMAPP_EVAL_DATA", "")


def _write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_questions_point_at_records_and_the_same_record_counts_once(tmp_path: Path) -> None:
    one, two = {"title": "A", "text": "first"}, {"title": "A", "text": "second"}
    corpus = _write(tmp_path / "x_corpus.json", [one, two, one])
    asked = {"id": 7, "question": "q?", "answers": ["1", 2], "gold": [["A", "second"], ["A", "first"]]}
    (collection,) = data.load(_write(tmp_path / "x.json", [asked]), corpus)
    assert [record.text for record in collection.records] == ["first", "second"]
    (question,) = collection.questions
    assert (question.id, question.text, question.answers) == ("7", "q?", ("1", "2"))
    assert set(question.gold) == {record.id for record in collection.records}


def test_a_conversation_becomes_a_record_a_turn(tmp_path: Path) -> None:
    turns = [
        {"id": "D1:1", "speaker": "Ada", "text": "I moved to Porto.", "caption": None},
        {"id": "D1:2", "speaker": "Bo", "text": "Look!", "caption": "a boat"},
    ]
    questions = [
        {"question": "Where does Ada live?", "answer": "Porto", "category": 4, "evidence": ["D1:1", "D9:9"]},
        {"question": "Where does Cy live?", "answer": "", "category": 5, "evidence": ["D1:1"]},
        {"question": "Nobody knows?", "answer": "x", "category": 1, "evidence": []},
    ]
    value = [{"id": "c", "sessions": [{"session": 1, "time": "noon", "turns": turns}], "questions": questions}]
    (collection,) = data.load(_write(tmp_path / "chat.json", value))
    assert [record.text for record in collection.records] == ["Ada: I moved to Porto.", "Bo: Look! [a boat]"]
    assert collection.records[0].metadata == {"session": "1", "time": "noon", "speaker": "Ada"}
    assert [(question.answers, dict(question.gold)) for question in collection.questions] == [
        (("Porto",), {"c:D1:1": 1})
    ]


def test_cranfield_numbers_queries_by_their_order(tmp_path: Path) -> None:
    entry = ".I {}\n.T\n{}\n.A\nx.\n.B\ny\n.W\n{}\n"
    documents = [
        entry.format(1, "wings .", "wings .\n lift grows ."),
        entry.format(2, "heat", ""),
        entry.format(3, "", ""),
    ]
    (tmp_path / "cran.all.1400").write_text("".join(documents))
    (tmp_path / "cran.qry").write_text(".I 001\n.W\nwhat lifts\n.I 004\n.W\nwhat warms\nmost .\n")
    (tmp_path / "cranqrel").write_text("1 1 1\n1 2 -1\n2 2 3 \n2 1 5\n\n")
    (collection,) = data.load(tmp_path)
    assert [(one.title, one.text) for one in collection.records] == [("wings", "lift grows ."), ("heat", "heat")]
    assert [(one.text, dict(one.gold)) for one in collection.questions] == [
        ("what lifts", {"1": 4}),
        ("what warms most .", {"2": 2}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]x",
        "[1]",
        '[{"question": "q"}]',
        '{"a": 1}',
        '[{"question": "q", "answers": [], "gold": [["?", "?"]]}]',
    ],
)
def test_other_forms_are_refused_with_a_hint(tmp_path: Path, text: str) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    corpus = _write(tmp_path / "corpus.json", [{"title": "A", "text": "t"}])
    with pytest.raises(Malformed) as caught:
        data.load(bad, corpus)
    assert caught.value.hint


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Malformed):
        data.load_corpus(bad)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        data.load(tmp_path / "nowhere.json")
    with pytest.raises(UsageError, match="corpus"):
        data.load(_write(tmp_path / "x.json", [{"question": "q", "answers": [], "gold": []}]))
    with pytest.raises(MemappError):
        data.load(tmp_path)


@pytest.mark.skipif(not REAL, reason="MEMAPP_EVAL_DATA names no folder of data sets")
def test_real_sets_are_whole() -> None:
    found = {
        path.stem: path for path in Path(REAL).rglob("*.json") if path.with_name(f"{path.stem}_corpus.json").exists()
    }
    assert found
    for path in found.values():
        (collection,) = data.load(path, path.with_name(f"{path.stem}_corpus.json"))
        assert all(question.gold for question in collection.questions)
