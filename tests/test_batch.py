"""Many questions from a file: the same output however often it was broken off, and no bad line stops it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memapp import batch
from memapp.errors import GenerationFailed, ModelMissing, StoreBusy, UsageError
from memapp.types import Progress


def echo(question: str) -> dict[str, Any]:
    """Answers with the question."""
    if "fail" in question:
        raise GenerationFailed("It broke off.", "Again.")
    return {"question": question, "answer": question.upper()}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Questions and answers."""
    return tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"


def asked(path: Path, *questions: object) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in questions), "utf-8")
    return path


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


THREE = ({"id": 1, "question": "a"}, {"id": "x", "question": "b"}, {"question": "c"})


def test_one_record_in_one_out_in_order(files: tuple[Path, Path]) -> None:
    seen: list[Progress] = []
    report = batch.run(asked(files[0], *THREE), files[1], echo, progress=seen.append)
    assert (report.done, report.failed, report.skipped, report.interrupted) == (3, 0, 0, False)
    assert [(record["id"], record["answer"]) for record in records(files[1])] == [(1, "A"), ("x", "B"), (None, "C")]
    assert [(one.stage, one.done, one.total, one.item) for one in seen] == [
        ("answer", 1, 3, "1"),
        ("answer", 2, 3, "x"),
        ("answer", 3, 3, "None"),
    ]


@pytest.mark.parametrize(
    ("line", "id"),
    [
        (b"not json", None),
        (b"[1]", None),
        (b'"text"', None),
        (b"\xff\xfe\x00", None),
        (b'{"id": 7}', 7),
        (b'{"id": 7, "question": 5}', 7),
        (b'{"id": 7, "question": "  "}', 7),
        (b'{"id": NaN, "question": "a"}', None),
        (b'{"id": 7, "question": "please fail"}', 7),
        (b'{"id": 7, "question": ' + b"[" * 100_000, None),
        (b"{" * 2_000_000, None),
    ],
)
def test_a_bad_line_becomes_a_record(files: tuple[Path, Path], line: bytes, id: Any) -> None:
    files[0].write_bytes(b'{"id": 0, "question": "a"}\n' + line + b'\n\n  \n{"id": 2, "question": "b"}')
    report = batch.run(files[0], files[1], echo)
    first, bad, last = records(files[1])
    assert (first["answer"], last["answer"], bad["id"]) == ("A", "B", id)
    assert bad["error"]
    assert (report.done, report.failed) == (3, 1)
    assert batch.run(files[0], files[1], echo, resume=True).skipped == 3


@pytest.mark.parametrize("error", [StoreBusy("Busy.", "Wait."), ModelMissing("No model.", "Get it.")])
def test_what_every_question_would_meet_ends_it(files: tuple[Path, Path], error: Exception) -> None:
    def breaks(question: str) -> dict[str, Any]:
        if question == "b":
            raise error
        return echo(question)

    with pytest.raises(type(error)):
        batch.run(asked(files[0], *THREE), files[1], breaks)
    assert len(records(files[1])) == 1
    assert batch.run(files[0], files[1], echo, resume=True).skipped == 1
    assert [record["answer"] for record in records(files[1])] == ["A", "B", "C"]


def test_ctrl_c_and_cancel_end_it_between_two_records(files: tuple[Path, Path]) -> None:
    cancel = threading.Event()

    def cancels(question: str) -> dict[str, Any]:
        if question == "b":
            cancel.set()
        return echo(question)

    report = batch.run(asked(files[0], *THREE), files[1], cancels, cancel=cancel)
    assert (report.done, report.interrupted) == (2, True)

    def interrupted(question: str) -> dict[str, Any]:
        raise KeyboardInterrupt

    report = batch.run(files[0], files[1], interrupted, resume=True)
    assert (report.done, report.skipped, report.interrupted) == (0, 2, True)
    report = batch.run(files[0], files[1], echo, resume=True)
    assert (report.done, report.skipped, report.interrupted) == (1, 2, False)
    assert [record["answer"] for record in records(files[1])] == ["A", "B", "C"]


ids = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.floats(allow_nan=False), st.booleans())
good = st.fixed_dictionaries({"id": ids, "question": st.text(min_size=1, max_size=12)}).map(
    lambda record: json.dumps(record).encode()
)
lines = st.one_of(good, st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")), st.sampled_from([b"", b" \t"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(lines, max_size=8), st.lists(st.floats(0, 1), min_size=1, max_size=3), st.booleans())
def test_a_run_that_is_cut_anywhere_and_resumed_is_the_same(
    files: tuple[Path, Path], questions: list[bytes], cuts: list[float], ends: bool
) -> None:
    files[0].write_bytes(b"\n".join(questions) + (b"\n" if ends else b""))
    files[1].unlink(missing_ok=True)
    batch.run(files[0], files[1], echo)
    whole = files[1].read_bytes()
    for cut in cuts:
        files[1].write_bytes(whole[: int(cut * len(whole))])
        kept = files[1].read_bytes().count(b"\n")
        report = batch.run(files[0], files[1], echo, resume=True)
        assert files[1].read_bytes() == whole
        assert report.skipped == kept
        assert report.done == whole.count(b"\n") - kept


def test_an_output_is_not_written_over(files: tuple[Path, Path]) -> None:
    files[1].write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        batch.run(asked(files[0], *THREE), files[1], echo)
    assert files[1].read_text() == "precious"


@pytest.mark.parametrize(
    "changed",
    [
        ({"id": 1, "question": "a"}, {"id": "y", "question": "b"}, {"question": "c"}),
        ({"id": "x", "question": "b"}, {"id": 1, "question": "a"}),
        ({"id": 1, "question": "a"},),
        ({"id": True, "question": "a"}, {"id": "x", "question": "b"}),
        (),
    ],
)
def test_other_questions_than_the_answered_ones_are_refused(files: tuple[Path, Path], changed: Any) -> None:
    batch.run(asked(files[0], *THREE[:2]), files[1], echo)
    before = files[1].read_bytes()
    with pytest.raises(UsageError, match="other questions"):
        batch.run(asked(files[0], *changed), files[1], echo, resume=True)
    assert files[1].read_bytes() == before


def test_more_answers_than_questions(files: tuple[Path, Path]) -> None:
    batch.run(asked(files[0], *THREE), files[1], echo)
    with pytest.raises(UsageError, match="Line 3"):
        batch.run(asked(files[0], *THREE[:2]), files[1], echo, resume=True)
    assert len(records(files[1])) == 3


@pytest.mark.parametrize(
    "content",
    [b"precious", b"precious\n", b'{"id": 1}\nprecious', b"[1]\n", b'{"other": 1}\n', b"\xff\n", b'{"id": 1}\n\n{"id"'],
)
def test_a_file_that_is_no_output_stays_as_it_is(files: tuple[Path, Path], content: bytes) -> None:
    files[1].write_bytes(content)
    with pytest.raises(UsageError):
        batch.run(asked(files[0], *THREE), files[1], echo, resume=True)
    assert files[1].read_bytes() == content


def test_the_questions_are_no_output(files: tuple[Path, Path]) -> None:
    files[0].write_text('{"id": 1, "question": "a"}')
    for resume in (True, False):
        with pytest.raises(UsageError):
            batch.run(files[0], files[0], echo, resume=resume)
    assert files[0].read_text() == '{"id": 1, "question": "a"}'


@pytest.mark.parametrize("resume", [True, False])
def test_files_that_cannot_be_used(tmp_path: Path, resume: bool) -> None:
    questions = asked(tmp_path / "questions", *THREE)
    use: Callable[[Path, Path], Any] = lambda one, two: batch.run(one, two, echo, resume=resume)  # noqa: E731
    for one, two in (
        (tmp_path / "absent", tmp_path / "out"),
        (tmp_path, tmp_path / "out"),
        (questions, tmp_path),
        (questions, tmp_path / "absent" / "out"),
    ):
        with pytest.raises(UsageError) as error:
            use(one, two)
        assert error.value.hint
    assert not (tmp_path / "out").exists()


def test_resuming_what_never_began_begins_it(files: tuple[Path, Path]) -> None:
    report = batch.run(asked(files[0], *THREE), files[1], echo, resume=True)
    assert (report.done, report.skipped) == (3, 0)


def test_text_that_is_no_utf8_keeps_its_id(files: tuple[Path, Path]) -> None:
    files[0].write_text('{"id": "\\ud800", "question": "a\\udfff"}\n{"id": "é", "question": "ö"}\n', "utf-8")
    batch.run(files[0], files[1], echo)
    assert [record["id"] for record in records(files[1])] == ["\ud800", "é"]
    assert '"é"' in files[1].read_text("utf-8")
    assert batch.run(files[0], files[1], echo, resume=True).skipped == 2
