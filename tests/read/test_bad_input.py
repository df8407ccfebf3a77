"""Bad input: each becomes a Failure that says what is wrong and what to do, and whatever else is good goes in."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docx
import pytest

from memapp.errors import TooLarge, UsageError
from memapp.read import find, read, source_of, spool
from memapp.settings import Settings
from memapp.types import Document, Failure

MB = 1 << 20


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def outcomes(path: Path, **options) -> list[Document | Failure]:
    return list(read(path, path.name, **options))


def reason(path: Path, **options) -> str:
    (failure,) = outcomes(path, **options)
    assert isinstance(failure, Failure)
    assert failure.source == path.name
    assert re.fullmatch(r"\S.*\.", failure.reason)
    return failure.reason


def split_outcomes(path: Path, **options) -> tuple[list[str], dict[str, str]]:
    """Texts of the documents, and reasons of the failures by source."""
    found = outcomes(path, **options)
    return (
        [item.text for item in found if isinstance(item, Document)],
        {item.source: item.reason for item in found if isinstance(item, Failure)},
    )


@contextmanager
def as_nobody() -> Iterator[None]:
    """The super-user may read everything, so tests on permissions step down for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that every user can reach."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


SUFFIXES = [".txt", ".md", ".html", ".pdf", ".docx", ".epub", ".jsonl", ".csv", ".eml", ".mbox", ".json", ""]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file(tmp_path, suffix):
    assert "empty" in reason(write(tmp_path / f"a{suffix}", b""))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"  \n\t\n", b"\xef\xbb\xbf", b"\x00", b"\xff\xfe"])
def test_a_file_without_words(tmp_path, suffix, content):
    assert reason(write(tmp_path / f"a{suffix}", content))


BINARY = bytes(range(256)) * 40 + zlib.compress(b"noise" * 1000)


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html", ".csv", ".json", "", ".bin", ".dat"])
def test_a_binary_file(tmp_path, suffix):
    assert "binary" in reason(write(tmp_path / f"a{suffix}", BINARY))


@pytest.mark.parametrize("suffix", [".pdf", ".docx", ".epub", ".eml", ".mbox"])
def test_a_file_that_is_not_what_its_name_says(tmp_path, suffix):
    assert reason(write(tmp_path / f"a{suffix}", BINARY))
    assert reason(write(tmp_path / f"b{suffix}", "just some words\n" * 50))


def test_a_jsonl_file_that_is_binary_reports_its_lines(tmp_path):
    texts, failures = split_outcomes(write(tmp_path / "a.jsonl", b'{"text": "good"}\n\xff\xfe\x00\n{"text": "\xff"}\n'))
    assert texts == ["good"]
    assert "not UTF-8" in failures["a.jsonl:3"]
    assert set(failures) == {"a.jsonl:2", "a.jsonl:3"}


@pytest.mark.parametrize("suffix", [".doc", ".xlsx", ".pptx", ".zip", ".gz"])
def test_a_format_that_can_be_converted_says_how(tmp_path, suffix):
    assert re.search(r"Save|Unpack", reason(write(tmp_path / f"a{suffix}", b"PK\x03\x04" + BINARY)))


def word_file(path: Path) -> Path:
    word = docx.Document()
    word.add_paragraph("Words. " * 500)
    word.save(path)
    return path


def flagged_encrypted(data: bytes) -> bytes:
    """The archive with the encryption bit of every member set."""
    data = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(mark)
        while start >= 0:
            data[start + offset] |= 1
            start = data.find(mark, start + 1)
    return bytes(data)


def test_truncated_files(tmp_path):
    whole = word_file(tmp_path / "a.docx").read_bytes()
    for share in (0.1, 0.5, 0.99):
        assert "damaged" in reason(write(tmp_path / "cut.docx", whole[: int(len(whole) * share)]))
        assert "damaged" in reason(write(tmp_path / "cut.epub", whole[: int(len(whole) * share)]))
    assert "damaged" in reason(write(tmp_path / "cut.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Cata"))
    damaged = bytearray(whole)
    damaged[len(whole) // 3 : len(whole) // 3 + 200] = b"\x55" * 200
    assert reason(write(tmp_path / "hurt.docx", bytes(damaged)))


def test_encrypted_files(tmp_path):
    whole = word_file(tmp_path / "a.docx").read_bytes()
    assert "encrypted" in reason(write(tmp_path / "locked.docx", flagged_encrypted(whole)))
    assert "encrypted" in reason(write(tmp_path / "locked.epub", flagged_encrypted(whole)))
    assert "encrypted" in reason(write(tmp_path / "ole.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)))
    mail = "From: a@b.c\nSubject: x\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\nx\n--b--\n"
    assert "encrypted" in reason(write(tmp_path / "a.eml", mail))
    assert "password" in reason(write(tmp_path / "a.pdf", LOCKED_PDF))


LOCKED_PDF = (
    b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    b"2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"
    b"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>\nendobj\n"
    b"4 0 obj\n<< /Filter /Standard /V 1 /R 2 /P -4 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> >>\nendobj\n"
    b"trailer\n<< /Root 1 0 R /Size 5 /Encrypt 4 0 R /ID [<00><00>] >>\n%%EOF\n"
)


def test_a_protected_book(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as book:
        book.writestr("META-INF/container.xml", "<c><rootfile full-path='b.opf'/></c>")
        book.writestr(
            "b.opf",
            "<p><item id='c' href='c.xhtml' media-type='application/xhtml+xml'/><itemref idref='c'/></p>",
        )
        book.writestr("c.xhtml", "x")
        book.writestr("META-INF/encryption.xml", "<e><CipherReference URI='c.xhtml'/></e>")
    assert "protected" in reason(tmp_path / "a.epub")


def test_a_scanned_pdf(tmp_path):
    page = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    page += b"2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"
    page += b"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] >>\nendobj\n"
    page += b"trailer\n<< /Root 1 0 R /Size 4 >>\n%%EOF\n"
    assert "no text layer" in reason(write(tmp_path / "a.pdf", page))


def bomb(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("suffix", [".docx", ".epub"])
def test_zip_bombs(tmp_path, suffix):
    names = ["word/document.xml", "META-INF/container.xml"]
    one_part = bomb(tmp_path / f"one{suffix}", dict.fromkeys(names, b"<a/>" * (6 * MB)))
    assert "unpacks" in reason(one_part)
    parts = {f"part{n}": bytes(MB) for n in range(12)} | dict.fromkeys(names, b"<a/>")
    assert "unpacks" in reason(bomb(tmp_path / f"sum{suffix}", parts), settings=Settings(max_expanded_mb=10))
    crowd = {f"{n}": b"" for n in range(20_001)} | dict.fromkeys(names, b"<a/>")
    assert "unpacks" in reason(bomb(tmp_path / f"crowd{suffix}", crowd))


def test_a_zip_bomb_that_lies_about_its_size(tmp_path):
    data = bytearray(bomb(tmp_path / "a.docx", {"word/document.xml": b"<a/>" * (6 * MB)}).read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.find(mark) + offset, 100)
    assert "damaged" in reason(write(tmp_path / "a.docx", bytes(data)))


def test_entities_are_not_expanded(tmp_path):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    declared = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'
    bomb(tmp_path / "a.epub", {"META-INF/container.xml": f"{declared}<c>&l11;</c>".encode()})
    assert reason(tmp_path / "a.epub")
    page = write(tmp_path / "a.xhtml", f"{declared}<html><body><p>words &l11;</p></body></html>")
    assert len(outcomes(page)[0].text) < 100


def test_deep_nesting(tmp_path):
    deep = "[" * 200_000
    assert "nested" in reason(write(tmp_path / "a.json", deep))
    assert "nested" in reason(write(tmp_path / "b.json", '{"a":' * 100_000 + "1" + "}" * 100_000))
    texts, failures = split_outcomes(write(tmp_path / "a.jsonl", f'{{"text": "one"}}\n{deep}\n{{"text": "two"}}\n'))
    assert texts == ["one", "two"]
    assert "nested" in failures["a.jsonl:2"]
    assert "nested" in reason(write(tmp_path / "a.html", "<div>" * 100_000 + "x"))
    inner = {"text": "x", "metadata": json.loads("[" * 40 + "]" * 40)}
    assert "object" in split_outcomes(write(tmp_path / "m.jsonl", json.dumps(inner)))[1]["m.jsonl:1"]
    inner["metadata"] = {"a": inner["metadata"]}
    assert "nested" in split_outcomes(write(tmp_path / "m.jsonl", json.dumps(inner)))[1]["m.jsonl:1"]


def test_a_mail_of_nested_parts(tmp_path):
    parts = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(3000))
    assert "nested" in reason(write(tmp_path / "a.eml", f"From: a@b.c\n{parts}"))


def test_a_binary_file_named_jsonl(tmp_path):
    assert "binary" in reason(write(tmp_path / "a.jsonl", BINARY))


BAD_RECORDS = {
    "not json": "not JSON",
    "[1]": "not a JSON object",
    "{}": 'no "text"',
    '{"text": 1}': "not a string",
    '{"text": " "}': "empty",
    '{"text": "a", "title": []}': '"title"',
    '{"text": "a", "metadata": 3}': '"metadata"',
    '{"text": "a", "id": [1]}': '"id"',
    '{"text": "a", "id": true}': '"id"',
    '{"text": "a", "id": "a\\u0000"}': "control characters",
    '{"text": "a", "id": "a\\ud800"}': "control characters",
    '{"text": "a", "metadata": {"n": NaN}}': "NaN",
    '{"text": "a", "n": ' + "9" * 5000 + "}": "not JSON",
    '{"text": "a"': "not JSON",
}


@pytest.mark.parametrize(("row", "said"), BAD_RECORDS.items())
def test_a_bad_record_does_not_stop_the_rest(tmp_path, row, said):
    path = write(tmp_path / "a.jsonl", f'{{"text": "one"}}\n{row}\n{{"text": "two"}}')
    texts, failures = split_outcomes(path)
    assert texts == ["one", "two"]
    assert list(failures) == ["a.jsonl:2"]
    assert said in failures["a.jsonl:2"]


def test_lone_surrogates_and_control_characters_are_removed(tmp_path):
    row = '{"metadata": {"k\\u0001": "v\\u001b\\ud801"}, '
    row += '"title": "a\\u0007b\\ud800\\nc", "text": "x\\u0000y\\udfffz\\r\\n"}'
    (document,) = outcomes(write(tmp_path / "a.jsonl", row))
    assert (document.title, document.text, document.metadata) == ("ab c", "xyz", {"k": "v"})
    document.text.encode()


def test_bad_rows_of_a_table(tmp_path):
    path = write(tmp_path / "a.csv", "id,text\n1,one\n2,two,three,four\n3,\n4,four\n")
    texts, failures = split_outcomes(path)
    assert texts == ["one", "four"]
    assert set(failures) == {"a.csv:3", "a.csv:4"}


def test_bad_messages_of_a_mailbox(tmp_path):
    good = "From a Mon\nFrom: a@b.c\nSubject: S{}\n\nBody.\n\n"
    path = write(tmp_path / "a.mbox", good.format(1) + "From x\nno headers here\n\n" + good.format(2))
    found = outcomes(path)
    assert [getattr(item, "title", None) for item in found] == ["S1", None, "S2"]
    assert found[1].source == "a.mbox:7"
    hurt = b"From a\nFrom: =?x?q?=ff?=\nDate: never\nContent-Type: text/plain; charset=nope\n\nW\xf6rter.\n"
    (document,) = outcomes(write(tmp_path / "b.mbox", hurt))
    assert document.text.endswith("Wörter.")


LONG_LINE = """
import resource, sys
from pathlib import Path
from memapp.read import read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for item in read(Path(sys.argv[1]), "f"):
    print(type(item).__name__, item.source, getattr(item, "text", "")[:20], getattr(item, "reason", ""), sep="|")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("name", "first", "last", "documents"),
    [
        ("a.jsonl", b'{"text": "one"}\n', b'\n{"text": "two"}\n', 2),
        ("a.csv", b"id,text\n1,one\n", b"\n2,two\n", 2),
        ("a.mbox", b"From x\nSubject: a\n\none\n\nFrom x\nSubject: b\n\n", b"\n\nFrom x\nSubject: c\n\ntwo\n", 2),
        ("a.txt", b"one\n", b"\ntwo", 0),
        ("a.md", b"one\n", b"\ntwo", 0),
        ("a.json", b'[{"text": "', b'"}]', 0),
        ("a.html", b"<p>", b"</p>", 0),
        ("a.eml", b"Subject: x\n\n", b"\n", 0),
    ],
)
def test_a_line_of_200_mb_is_passed_over_without_loading_it(tmp_path, name, first, last, documents):
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(first)
        for _ in range(200):
            file.write(b"x" * MB)
        file.write(last)
    done = subprocess.run([sys.executable, "-c", LONG_LINE, str(path)], capture_output=True, text=True, check=True)
    *items, grown = done.stdout.splitlines()
    assert [item.split("|")[0] for item in items].count("Document") == documents
    (failure,) = (item for item in items if item.startswith("Failure"))
    assert "MB" in failure
    # The subprocess says how many megabytes it grew by.
    assert int(grown) < 150 + 64


def test_a_file_over_the_limit(tmp_path):
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(3 * MB)
    assert "more than the limit of 2" in reason(path, settings=Settings(max_file_mb=2))


def test_a_file_that_changes_while_it_is_read(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "one"}\n{"text": "two"}\n')
    reading = read(path, "a.jsonl")
    assert next(reading).text == "one"
    with path.open("a") as file:
        file.write('{"text": "three"}\n')
    (failure,) = reading
    assert "Ingest it again" in failure.reason
    path.unlink()
    assert "does not exist" in reason(path)


def test_a_file_that_changes_under_a_whole_file_reader(tmp_path):
    class Slow:
        name = "slow"
        suffixes = frozenset({".slow"})

        def read(self, path, source):
            text = path.read_text()
            path.write_text(text + " and more")
            yield Document(source, "", text, source)

    path = write(tmp_path / "a.slow", "old")
    assert "Ingest it again" in reason(path, extra=[Slow()])


def test_pipes_sockets_devices_and_folders(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "pipe" in reason(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        assert "socket" in reason(tmp_path / "sock")
    assert "device" in reason(Path("/dev/zero"))
    assert "folder" in reason(tmp_path)


def test_unreadable_files_and_folders(open_folder):
    write(open_folder / "good.txt", "x")
    write(open_folder / "locked.txt", "x").chmod(0)
    (open_folder / "shut").mkdir(mode=0)
    with as_nobody():
        found = list(find([open_folder]))
        (failure,) = (item for item in found if isinstance(item, Failure))
        assert failure.source == str(open_folder / "shut")
        assert "Permission" in failure.reason
        assert "Permission" in reason(open_folder / "locked.txt")
    assert len(found) == 3


def test_a_reader_that_breaks_is_a_failure(tmp_path):
    class Broken:
        name = "broken"
        suffixes = frozenset({".txt"})

        def read(self, path, source):
            raise ZeroDivisionError("oops")
            yield

    assert "ZeroDivisionError: oops" in reason(write(tmp_path / "a.txt", "x"), extra=[Broken()])


def test_an_unknown_format_is_a_wrong_call(tmp_path):
    with pytest.raises(UsageError, match="markdown"):
        read(tmp_path / "a.txt", "a.txt", format="nope")


def test_standard_input_is_spooled():
    with spool(io.BytesIO(b'{"text": "one"}\n'), Settings()) as path:
        (document,) = read(path, "-", format="jsonl")
        assert (document.text, document.source) == ("one", "-")
    assert not path.exists()
    with pytest.raises(TooLarge), spool(io.BytesIO(bytes(2 * MB)), Settings(max_file_mb=1)):
        pass


def sources(*paths: Path) -> list[str]:
    return [item.source for item in find(paths)]


def test_find_walks_in_order_and_takes_each_file_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b/z.md", "b/a.md", "a.md", "c.md", ".hidden/x.md", "b/.secret.md"):
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    assert sources(Path()) == ["a.md", "c.md", "b/a.md", "b/z.md"]
    assert sources(Path("./b/z.md"), Path("b"), Path("b/.secret.md")) == ["b/z.md", "b/a.md", "b/.secret.md"]
    assert sources(Path("nowhere"), Path("a.md")) == ["nowhere", "a.md"]
    assert [type(item) for item in find([""])] == [Failure]


def test_find_is_safe_from_links(tmp_path):
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    write(tmp_path / "outside.md", "secret")
    write(inside / "a.md", "x")
    for name, target in {
        "loop": "loop",
        "up": "..",
        "sub/back": "..",
        "out.md": "../outside.md",
        "same.md": "a.md",
        "gone.md": "nothing",
    }.items():
        (inside / name).symlink_to(target)
    found = {item.source.removeprefix(f"{inside}/"): item for item in find([inside])}
    assert [name for name, item in found.items() if not isinstance(item, Failure)] == ["a.md"]
    assert set(found) == {"a.md", "loop", "up", "sub/back", "out.md", "gone.md"}
    assert "leads back" in found["sub/back"].reason
    assert "out of the folder" in found["out.md"].reason
    assert sources(inside / "out.md") == [str(inside / "out.md")]


def test_names_that_cannot_be_printed(tmp_path):
    for name in (b"bell\x07.txt", b"latin\xe9.txt", b"back\\x07.txt", "naïve 漢.txt".encode(), b"esc\x1b[2J\nx.txt"):
        write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)), "words")
    found = list(find([tmp_path]))
    names = [Path(item.source).name for item in found]
    assert names == [
        "back\\\\x07.txt",
        "bell\\u0007.txt",
        "esc\\u001b[2J\\u000ax.txt",
        "latin\\xe9.txt",
        "naïve 漢.txt",
    ]
    assert all(item.source.isprintable() for item in found)
    assert [document.text for item in found for document in read(item.path, item.source)] == ["words"] * 5
    assert all(source_of(item.path) == item.source for item in found)
