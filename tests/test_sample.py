"""The sample collection is complete, readable, small, and its questions can be answered from it."""

from __future__ import annotations

import csv
import email
import email.policy
import json
import mailbox
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from memapp.memory import Memory

DATA = Path(__file__).parents[1] / "data"
SAMPLE = DATA / "sample"
FILES = sorted(path for path in SAMPLE.rglob("*") if path.is_file())
PLAIN = {".md", ".txt", ".html", ".csv", ".jsonl", ".eml", ".mbox", ".json"}
BINARY = {".docx", ".epub", ".pdf"}


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def docx_text(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return re.sub(r"<[^>]+>", " ", archive.read("word/document.xml").decode())


def epub_text(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        chapters = [archive.read(name) for name in archive.namelist() if name.endswith(".xhtml")]
    return "\n".join(html.fromstring(chapter).text_content() for chapter in chapters)


def pdf_text(path: Path) -> str:
    from pypdfium2 import PdfDocument

    with PdfDocument(path) as pdf:
        return "\n".join(page.get_textpage().get_text_range() for page in pdf)


def texts() -> dict[str, str]:
    """Text of every file by its path below data/sample, and of every JSONL record by its id."""
    found: dict[str, str] = {}
    binary = {".docx": docx_text, ".epub": epub_text, ".pdf": pdf_text}
    for path in FILES:
        read = binary.get(path.suffix)
        found[path.relative_to(SAMPLE).as_posix()] = read(path) if read else path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            found |= {record["id"]: record["text"] for record in records(path)}
    return {name: " ".join(text.split()) for name, text in found.items()}


TEXTS = texts()
QUESTIONS = records(DATA / "sample_questions.jsonl")
ANSWERABLE = [question for question in QUESTIONS if question["kind"] != "none"]


def test_has_at_least_thirty_documents_in_every_format() -> None:
    suffixes = Counter(path.suffix for path in FILES)
    assert len(FILES) >= 36
    assert set(suffixes) == PLAIN | BINARY
    assert suffixes.most_common(1)[0][0] == ".md"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_small_and_holds_text(path: Path) -> None:
    limit = 40_000 if path.suffix in BINARY else 60_000
    assert path.stat().st_size <= limit
    assert len(TEXTS[path.relative_to(SAMPLE).as_posix()]) > 200


@pytest.mark.models
def test_the_questions_of_the_demo_are_answered_rightly_and_cited(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m.db") as memory:
        memory.ingest([SAMPLE])
        for question in QUESTIONS[:5]:
            answer = memory.ask(question["question"])
            assert any(right in answer.text for right in question["answers"]), (question["question"], answer.text)
            assert answer.citations[0].document.endswith(question["documents"][0].rpartition("/")[2])


def test_json_is_valid_and_record_ids_are_unique() -> None:
    lines = [record for path in FILES if path.suffix == ".jsonl" for record in records(path)]
    assert all(set(record) == {"id", "title", "text", "metadata"} for record in lines)
    assert len({record["id"] for record in lines}) == len(lines)


def test_chats_are_lists_of_turns() -> None:
    shapes = []
    for path in (path for path in FILES if path.suffix == ".json"):
        turns = json.loads(path.read_text(encoding="utf-8"))
        assert len({tuple(sorted(turn)) for turn in turns}) == 1
        shapes.append(sorted(turns[0]))
    assert sorted(shapes) == [["content", "role"], ["speaker", "text", "time"]]


def test_rows_of_each_table_have_the_same_length() -> None:
    for path in (path for path in FILES if path.suffix == ".csv"):
        with path.open(encoding="utf-8", newline="") as lines:
            assert len({len(row) for row in csv.reader(lines)}) == 1, path


def test_mail_parses_without_defects() -> None:
    raw = [path.read_bytes() for path in FILES if path.suffix == ".eml"]
    box = mailbox.mbox(SAMPLE / "choir/rehearsals.mbox", create=False)
    raw += [message.as_bytes() for message in box]
    box.close()
    messages = [email.message_from_bytes(data, policy=email.policy.default) for data in raw]
    assert len(messages) == 5
    assert all(message["subject"] and message["date"].datetime and not message.defects for message in messages)
    assert any("Zdeňka Řezáčová" in message["from"] for message in messages)


def test_one_document_is_long_and_has_headings() -> None:
    long = [name for name, text in TEXTS.items() if name.endswith(".md") and len(text.split()) >= 1_000]
    assert long == ["observatory/history.md"]
    assert (SAMPLE / long[0]).read_text(encoding="utf-8").count("\n## ") >= 5


def test_the_mail_that_gives_orders_names_none_of_the_answers() -> None:
    spam = TEXTS["mail/prize-draw.eml"]
    assert "ignore all previous instructions" in spam
    assert not [answer for question in QUESTIONS for answer in question["answers"] if answer in spam]


def test_questions_are_twenty_of_five_kinds_with_unique_ids() -> None:
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS) == 20
    kinds = Counter(question["kind"] for question in QUESTIONS)
    assert set(kinds) == {"single", "two-hop", "date", "contradiction", "none"}
    assert kinds["none"] == 2
    assert all(question["kind"] == "single" for question in QUESTIONS[:5])


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_every_answer_stands_in_the_documents_named(question: dict[str, Any]) -> None:
    named = [TEXTS[name] for name in question["documents"]]
    assert question["answers"]
    for answer in question["answers"]:
        assert any(answer in text for text in named)


@pytest.mark.parametrize(
    "question",
    [question for question in QUESTIONS if question["kind"] == "two-hop"],
    ids=lambda question: question["id"],
)
def test_two_hop_answers_stand_in_the_second_document_only(question: dict[str, Any]) -> None:
    first, second = (TEXTS[name] for name in question["documents"])
    assert not [answer for answer in question["answers"] if answer in first]
    assert all(answer in second for answer in question["answers"])


@pytest.mark.parametrize(
    "question",
    [question for question in QUESTIONS if question["kind"] == "contradiction"],
    ids=lambda question: question["id"],
)
def test_the_first_document_of_a_contradiction_holds_the_answer_and_the_other_does_not(
    question: dict[str, Any],
) -> None:
    newer, older = (TEXTS[name] for name in question["documents"])
    assert question["answers"][0] in newer
    assert question["answers"][0] not in older


def test_questions_without_an_answer_name_no_document() -> None:
    assert all(not q["answers"] and not q["documents"] for q in QUESTIONS if q["kind"] == "none")
    assert not [name for name, text in TEXTS.items() if "regatta" in text.lower() or "knots" in text.lower()]
