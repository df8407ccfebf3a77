"""The bench on conversations, on a small one, with the real embedder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memapp.answer import cite
from memapp.errors import MemappError
from memapp.evaluate import bench, chat
from memapp.types import Answer

TALK = [
    [
        ("Ann", "Which instrument did you learn as a child?"),
        ("Bo", "The cello, my uncle gave me his old one."),
        ("Ann", "I adopted a greyhound last week, she is called Pixel."),
    ],
    [
        ("Bo", "We went camping by the lake and saw a heron."),
        ("Ann", "Lovely! I painted the kitchen yellow yesterday."),
        ("Bo", "Yellow suits it."),
    ],
]
ASKED = [
    ("Which instrument does Bo play?", "cello", 4, ["D1:2"]),
    ("When did Ann paint the kitchen?", "2 June 2024", 2, ["D2:2"]),
    ("What is the name of Ann's dog?", "Pixel", 1, ["D1:3"]),
    ("Would Bo like birds?", "yes", 3, ["D2:1"]),
    ("What colour is Bo's car?", "red", 5, ["D2:2"]),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    sessions = [
        {
            "session": n,
            "time": f"9:00 am on {n + 1} June, 2024",
            "turns": [{"id": f"D{n}:{m}", "speaker": who, "text": said} for m, (who, said) in enumerate(turns, 1)],
        }
        for n, turns in enumerate(TALK, 1)
    ]
    questions = [
        {"question": text, "answer": answer, "category": category, "evidence": [*evidence, "D9:9"]}
        for text, answer, category, evidence in ASKED
    ]
    path = tmp_path / "talks.json"
    path.write_text(json.dumps([{"id": name, "sessions": sessions, "questions": questions} for name in ("one", "two")]))
    return path


def test_conversations_are_read(data: Path) -> None:
    first, _ = chat.load(data)
    assert [len(session) for session in first.turns] == [3, 3]
    assert [one.category for one in first.questions] == [4, 2, 1, 3, 5]
    assert first.questions[0].gold == {"D1:2": 1}
    data.write_text("{}")
    with pytest.raises(MemappError):
        chat.load(data)


@pytest.mark.models
def test_recall_with_and_without_each_ingredient(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = data.with_name("out.json")
    assert bench.run("chat", ["--set", str(data), "--held-out", "--json", str(out)]) == 0
    report = json.loads(out.read_text())
    rows = {row[0]: row for row in report["rows"]}
    assert len(rows) == 4 + len(chat.WITHOUT) + 1
    assert rows[chat.ALL][1:4] == [1.0, 1.0, 1.0]
    assert set(report["figures"][chat.ALL]["conversations"]) == {"one", "two"}
    assert report["figures"][chat.ALL]["categories"]["temporal"]["5"] == 1.0
    assert "8 questions" in capsys.readouterr().out


def test_answers_are_counted_by_kind() -> None:
    def asked(category: int, text: str = "q") -> chat.Asked:
        return chat.Asked(text, "the cello", category, {})

    answers = [
        (asked(4), "cello", False, 0.9),
        (asked(4, "What instruments does she play?"), "", True, 0.2),
        (asked(5), "red", False, 0.5),
        (asked(5), "", True, 0.1),
    ]
    told, figures = chat._judged(answers)
    assert figures["single-hop"] == {"questions": 2, "F1": 0.5}
    assert figures["several asked for"] == {"questions": 1, "F1": 0.0}
    assert chat._report("talk", {}, answers).rows == (("single-hop", 2, 0.5), ("several asked for", 1, 0.0))
    assert (figures["withheld"], figures["withheld, never said"]) == (0.5, 0.5)
    assert figures["AUROC of confidence"] == 0.75
    assert "AUROC 0.750" in told[0]


def test_numbers_of_citations_are_no_part_of_an_answer() -> None:
    class Memory:
        def ask(self, text: str) -> Answer:
            return Answer(text, "the cello [1]", confidence=0.9)

    asked = chat.Asked("q", "the cello", 4, {})
    assert chat._answered(Memory(), [asked]) == [(asked, "the cello", False, 0.9)]  # type: ignore[arg-type]
    assert cite.unmarked("Ann [1] moved [2, 3] in [year] 4 [5].") == "Ann moved in [year] 4."


def test_questions_are_drawn_as_they_come_and_half_as_many_on_what_was_never_said() -> None:
    asked = tuple(chat.Asked(str(n), "a", 4 if n < 90 else 5, {}) for n in range(120))
    conversation = chat.Conversation("one", {}, (), asked)
    drawn = chat._drawn(conversation, 20)
    assert [one.category for one in drawn] == [4] * 20 + [5] * 10
    assert drawn == chat._drawn(conversation, 20)
    assert len(chat._drawn(conversation, 1000)) == 120
