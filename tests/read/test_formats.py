"""Every format: text, title, sections, pages and metadata of small files that real programs' libraries write."""

from __future__ import annotations

import datetime
import email.message
import hashlib
import json
import mailbox
import zipfile
from pathlib import Path

import docx
import docx.oxml
import pytest

from memapp.read import read, readers
from memapp.types import Document, Failure


def documents(path: Path, **options) -> list[Document]:
    outcomes = list(read(path, path.name, **options))
    assert [outcome for outcome in outcomes if isinstance(outcome, Failure)] == []
    return outcomes


def one(path: Path, **options) -> Document:
    (document,) = documents(path, **options)
    return document


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def headed(document: Document) -> list[tuple[str, str]]:
    """Each section's heading and the first line that it points at."""
    return [(section.heading, document.text[section.start :].split("\n")[0]) for section in document.sections]


def pdf(pages: list[list[str]], title: str = "", trailer: str = "") -> bytes:
    """A PDF with the given lines on each page, made by hand."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, rows in enumerate(pages):
        show = "\n".join(f"({row}) Tj T*" for row in rows)
        stream = f"BT /F1 12 Tf 14 TL 72 720 Td\n{show}\nET" if rows else ""
        resources = "/Resources << /Font << /F1 3 0 R >> >> /MediaBox [0 0 612 792]"
        objects.append(f"<< /Type /Page /Parent 2 0 R {resources} /Contents {5 + 2 * number} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects.append(f"<< /Title ({title}) /Author (Ann Lee) /CreationDate (D:20210304050607) >>")
    built, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(built))
        built += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    built += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    built += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R {trailer} >>\n"
    built += f"startxref\n{built.index('xref')}\n%%EOF\n"
    return built.encode("latin-1")


def epub(path: Path, chapters: dict[str, str], encryption: str = "") -> Path:
    items = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        )
        book.writestr(
            "OEBPS/book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
            "<dc:title>The Long Walk</dc:title><dc:creator>Ann Lee</dc:creator><dc:language>en</dc:language>"
            '</metadata><manifest><item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
            f"{items}</manifest><spine>{spine}</spine></package>",
        )
        book.writestr("OEBPS/nav.xhtml", "<html><body><p>Contents</p></body></html>")
        for name, body in chapters.items():
            page = f'<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">{body}</html>'
            book.writestr(f"OEBPS/{name.replace('%20', ' ')}", page)
        if encryption:
            book.writestr("META-INF/encryption.xml", encryption)
    return path


def test_every_reader_is_known_by_its_name():
    names = {"text", "markdown", "html", "pdf", "docx", "epub", "jsonl", "csv", "eml", "mbox", "chat"}
    assert {reader.name for reader in readers().values()} == set(readers()) == names


def test_text(tmp_path):
    document = one(
        write(tmp_path / "my_travel-notes 2021-05.txt", "\ufeff\r\nOne.\r\nTwo\x00\x1b[31m\u2028three.\f \r")
    )
    assert document.text == "One.\nTwo[31m\nthree."
    assert document.title == "my travel notes 2021-05"
    assert (document.id, document.source) == (document.id, "my_travel-notes 2021-05.txt")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8"])
@pytest.mark.parametrize("text", ["Grüße aus Köln.\nZeile zwei, mit mehr Text.", "漢字と仮名。\n二行目です。", "plain"])
def test_unicode_encodings(tmp_path, encoding, text):
    if encoding.startswith("utf-16-") and text == "plain":
        text = "plain text, long enough"
    assert one(write(tmp_path / "a.txt", text.encode(encoding))).text == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Le café est très agréable à Noël, déjà vu.", "latin-1"),
        ("Übergröße für Käse", "cp1252"),
        ("“Smart quotes” – and a dash…", "cp1252"),
        ("Привет, как дела сегодня? Это текст о погоде.", "cp1251"),
        ("日本語のテキストです。今日は晴れです。", "shift_jis"),
        ("汉字文本测试，这是一段话。", "gb18030"),
        ("Zażółć gęślą jaźń, proszę bardzo. Łódź leży w Polsce.", "cp1250"),
    ],
)
def test_older_encodings_are_told(tmp_path, text, encoding):
    assert one(write(tmp_path / "a.txt", text.encode(encoding))).text == text


def test_one_stray_byte_does_not_spoil_the_rest(tmp_path):
    data = ("Grüße, Käse, Öl. " * 20).encode() + b"\xff end"
    assert one(write(tmp_path / "a.txt", data)).text.startswith("Grüße, Käse, Öl.")


def test_markdown(tmp_path):
    text = (
        '---\ntitle: "The Plan"\nauthor: Ann Lee\ntags:\n  - sea\n  - ice\n---\n\nIntro.\n\n# Top *one*\n\nText.\n\n'
        "```sh\n# no heading\n```\n\nSecond\n------\n\nA | B\n--- | ---\n\n### [Link](http://x) ###\n\n- item\n---"
        "\n#no\n"
    )
    document = one(write(tmp_path / "plan.md", text))
    assert document.title == "The Plan"
    assert document.metadata == {"author": "Ann Lee", "tags": ["sea", "ice"]}
    assert document.text.startswith("Intro.\n\n# Top *one*")
    assert headed(document) == [("Top one", "# Top *one*"), ("Second", "Second"), ("Link", "### [Link](http://x) ###")]


def test_markdown_titles(tmp_path):
    assert one(write(tmp_path / "a.md", "## Small\n\n# Big\n\nx")).title == "Big"
    assert one(write(tmp_path / "some_notes.md", "just words")).title == "some notes"
    assert one(write(tmp_path / "b.md", "---\n\nA rule, not front matter.\n\n---\n")).text.startswith("---")


HTML = """<!doctype html><html lang=en><head><title> The  Page </title><meta charset=utf-8>
<meta name=author content="Ann Lee"><style>p{}</style></head><body><nav><a href=x>Home</a></nav>
<h1>Big <em>head</em></h1><p>First&nbsp;para
wrapped.<br>New line.</p><script>alert(1)</script><div>Loose <b>bold</b><p>Inner</p>tail</div>
<ul><li>one<li><p>two</p><ul><li>deep</li></ul></li></ul><ol><li>a</li><li>b</li></ol>
<table><tr><th>Name<th>Age<tr><td>Bo<td>7</table><p hidden>secret</p><h2>Code</h2>
<pre>  def f():
    return 1</pre><!-- comment --><p>End &amp; out</p></body></html>"""


def test_html(tmp_path):
    document = one(write(tmp_path / "a.html", HTML))
    assert document.title == "The Page"
    assert document.metadata == {"author": "Ann Lee", "language": "en"}
    assert document.text == (
        "Big head\n\nFirst para wrapped.\nNew line.\n\nLoose bold\n\nInner\n\ntail\n\n- one\n- two\n- deep\n\n1. a\n"
        "2. b\n\nName | Age\nBo | 7\n\nCode\n\n  def f():\n    return 1\n\nEnd & out"
    )
    assert headed(document) == [("Big head", "Big head"), ("Code", "Code")]


def test_html_declares_its_encoding(tmp_path):
    page = "<html><head><meta charset='windows-1251'></head><body><p>Привет</p></body></html>"
    assert one(write(tmp_path / "a.html", page.encode("cp1251"))).text == "Привет"


def test_html_that_calls_itself_latin_1_is_written_in_its_superset(tmp_path):
    page = "<meta charset=iso-8859-1><p>“Zoë” was here – Привет".encode("cp1252", errors="ignore")
    assert one(write(tmp_path / "a.html", page)).text == "“Zoë” was here –"


def test_html_of_a_layout_table_keeps_its_blocks(tmp_path):
    page = "<table><tr><td><h1>Head</h1><p>One.</p><p>Two.</p></td><td>Side</td></tr></table>"
    document = one(write(tmp_path / "a.html", page))
    assert document.text == "Head\n\nOne.\n\nTwo.\n\nSide"
    assert document.title == "Head"


def test_html_fetches_and_expands_nothing(tmp_path):
    write(tmp_path / "secret.txt", "secret words")
    page = (
        f'<!DOCTYPE html [<!ENTITY x SYSTEM "file://{tmp_path}/secret.txt">]><html><body><p>a &x; b</p></body></html>'
    )
    assert "secret words" not in one(write(tmp_path / "a.xhtml", page)).text


def test_pdf(tmp_path):
    pages = [
        [
            "Report of the year",
            "The weather in the valley was mild, and the har-",
            "vest came early. A well-known farmer",
            "said that he had not seen such a long sum-",
            "mer. It ended.",
            "In autumn the rain came and stayed, and the well-",
            "known roads were closed.",
            "1",
        ],
        ["Second page words.", "2"],
        [],
        ["Last page.", "4"],
    ]
    document = one(write(tmp_path / "a.pdf", pdf(pages, "Year Report")))
    assert document.title == "Year Report"
    assert document.metadata == {"author": "Ann Lee", "date": "2021-03-04", "pages": 4}
    assert document.text == (
        "Report of the year\n\nThe weather in the valley was mild, and the harvest came early. A well-known farmer "
        "said that he had not seen such a long summer. It ended.\n\nIn autumn the rain came and stayed, and the "
        "well-known roads were closed.\n\nSecond page words.\n\nLast page."
    )
    assert [(s.page, document.text[s.start :].split("\n")[0][:6]) for s in document.sections] == [
        (1, "Report"),
        (2, "Second"),
        (4, "Last p"),
    ]


def test_pdf_outline_gives_the_headings(tmp_path):
    marks = [
        "<< /First 11 0 R /Last 12 0 R /Count 2 >>",
        "<< /Title (Start) /Parent 10 0 R /Next 12 0 R /Dest [4 0 R /Fit] >>",
        "<< /Title (Middle) /Parent 10 0 R /Prev 11 0 R /Dest [8 0 R /Fit] >>",
    ]
    data = pdf([["One."], ["Two."], ["Three."]]).split(b"xref")[0]
    data = data.replace(b"/Catalog", b"/Catalog /Outlines 11 0 R").replace(b"10 0 obj", b"99 0 obj")
    for number, mark in enumerate(marks, 11):
        for old, new in ((12, 13), (11, 12), (10, 11)):
            mark = mark.replace(f"{old} 0 R", f"{new} 0 R")
        data += f"{number} 0 obj\n{mark}\nendobj\n".encode()
    document = one(write(tmp_path / "a.pdf", data + b"trailer\n<< /Root 1 0 R /Size 14 >>\n%%EOF\n"))
    assert [(s.page, s.heading) for s in document.sections] == [(1, "Start"), (2, "Start"), (3, "Middle")]


def test_pdf_running_heads_go(tmp_path):
    pages = [["The Yearbook", f"Words of page {word}.", "more of them"] for word in ("one", "two", "three", "four")]
    assert "Yearbook" not in one(write(tmp_path / "a.pdf", pdf(pages))).text


def test_docx(tmp_path):
    word = docx.Document()
    word.core_properties.title = "The Minutes"
    word.core_properties.author = "Ann Lee"
    word.core_properties.created = datetime.datetime(2020, 2, 3)
    word.add_heading("First item", 1)
    word.add_paragraph("We met.")
    word.add_paragraph("milk", style="List Bullet")
    word.add_paragraph("eggs", style="List Bullet")
    table = word.add_table(2, 3)
    for cell, text in zip(table._cells, ["Name", "Age", "", "Bo", "7", "x"], strict=True):
        cell.text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    word.add_heading("Second item", 2)
    word.add_paragraph("Bye.")
    word.save(tmp_path / "a.docx")
    document = one(tmp_path / "a.docx")
    assert document.title == "The Minutes"
    assert {key: document.metadata[key] for key in ("author", "date")} == {"author": "Ann Lee", "date": "2020-02-03"}
    assert document.text == ("First item\n\nWe met.\n\n- milk\n- eggs\n\nName | Age\nBo | 7 | x\n\nSecond item\n\nBye.")
    assert headed(document) == [("First item", "First item"), ("Second item", "Second item")]


def test_docx_keeps_links_insertions_and_content_controls(tmp_path):
    word = docx.Document()
    paragraph = word.add_paragraph("Plain, ")._p
    word_ns = f'xmlns:w="{paragraph.nsmap["w"]}"'
    for inner in (
        "<w:ins {0}><w:r><w:t>inserted, </w:t></w:r></w:ins>",
        "<w:del {0}><w:r><w:delText>struck, </w:delText></w:r></w:del>",
        "<w:hyperlink {0}><w:r><w:t>linked.</w:t></w:r></w:hyperlink>",
    ):
        paragraph.append(docx.oxml.parse_xml(inner.format(word_ns)))
    controlled = "<w:p><w:r><w:t>Controlled</w:t><w:tab/><w:t>text.</w:t></w:r></w:p>"
    control = f"<w:sdt {{0}}><w:sdtContent>{controlled}</w:sdtContent></w:sdt>"
    paragraph.addnext(docx.oxml.parse_xml(control.format(word_ns)))
    word.save(tmp_path / "a.docx")
    assert one(tmp_path / "a.docx").text == "Plain, inserted, linked.\n\nControlled\ttext."


def test_docx_titles(tmp_path):
    word = docx.Document()
    word.core_properties.title = ""
    word.add_heading("The Title", 0)
    word.add_paragraph("Words.")
    word.save(tmp_path / "a.docx")
    assert one(tmp_path / "a.docx").title == "The Title"


def test_epub(tmp_path):
    chapters = {
        "one.xhtml": "<head><title>x</title></head><body><h1>Chapter One</h1><p>It began.</p></body>",
        "two%20b.xhtml": "<body><h1>Chapter Two</h1><p>It ended &#8212; well.</p></body>",
    }
    document = one(epub(tmp_path / "a.epub", chapters))
    assert document.title == "The Long Walk"
    assert document.metadata == {"author": "Ann Lee", "language": "en"}
    assert document.text == "Chapter One\n\nIt began.\n\nChapter Two\n\nIt ended — well."
    assert headed(document) == [("Chapter One", "Chapter One"), ("Chapter Two", "Chapter Two")]


def test_jsonl(tmp_path):
    rows = [
        {
            "id": "a/1",
            "title": "T",
            "text": " Hello\r\nyou ",
            "metadata": {"time": "2020", "speaker": "Bo", "n": {"x": 1}},
        },
        {"text": "No id"},
        {"id": 7, "text": "Number"},
    ]
    path = write(tmp_path / "a.jsonl", "\ufeff" + "\n\n".join(json.dumps(row) for row in rows))
    first, second, third = documents(path)
    assert (first.id, first.title, first.text, first.source) == ("a/1", "T", "Hello\nyou", "a.jsonl")
    assert first.metadata == {"time": "2020", "speaker": "Bo", "n": {"x": 1}}
    assert second.id == "sha256:" + hashlib.sha256(b"\nNo id").hexdigest()[:16]
    assert (second.title, third.id) == ("", "7")


def test_csv_with_a_text_column(tmp_path):
    path = write(tmp_path / "a.csv", 'id;Title;Text;lang\n1;Mist;"A ""wet"" day;\nand more";en\n2;Sun;Dry;\n')
    first, second = documents(path)
    assert (first.id, first.title, first.text) == ("a.csv#1", "Mist", 'A "wet" day;\nand more')
    assert (first.metadata, second.metadata) == ({"lang": "en"}, {})


def test_csv_of_other_columns(tmp_path):
    first, second = documents(write(tmp_path / "a.csv", "Name,Born,Town\nBo,1970,Oslo\nAl,,Rome\n"))
    assert (first.title, first.text) == ("Bo", "Name: Bo\nBorn: 1970\nTown: Oslo")
    assert second.text == "Name: Al\nTown: Rome"
    assert first.id.startswith("sha256:")
    assert first.id != second.id


def test_csv_without_a_header(tmp_path):
    (document,) = documents(write(tmp_path / "a.tsv", "Bo\t1970\n"))
    assert document.text == "column 1: Bo\ncolumn 2: 1970"
    assert documents(write(tmp_path / "b.csv", "text\nOne column only\n"))[0].text == "One column only"


def test_csv_of_any_line_ends(tmp_path):
    for ends in ("\r", "\r\n", "\n"):
        path = write(tmp_path / "a.csv", f"id,text{ends}1,one{ends}2,two{ends}")
        assert [document.text for document in documents(path)] == ["one", "two"]


def test_csv_takes_long_cells(tmp_path):
    path = write(tmp_path / "a.csv", "text\n" + "word " * 100_000 + "\n")
    assert len(documents(path)[0].text) == 499_999


def message(subject: str, body: str, html: str = "") -> email.message.EmailMessage:
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Zoë <zoe@example.org>", "bo@example.org", subject
    mail["Date"] = "Tue, 02 Mar 2021 10:00:00 +0100"
    mail["Message-ID"] = f"<{abs(len(subject))}@example.org>"
    mail.set_content(body, cte="quoted-printable")
    if html:
        mail.add_alternative(html, subtype="html")
    return mail


def test_eml(tmp_path):
    mail = message("Grüße", "Dear Bo,\n\ncome to Köln.\n", "<p>ignored</p>")
    mail.add_attachment(b"\x00\x01", maintype="application", subtype="zip", filename="plan.zip")
    document = one(write(tmp_path / "a.eml", bytes(mail)))
    assert (document.id, document.title) == ("a.eml", "Grüße")
    assert document.text == (
        "From: Zoë <zoe@example.org>\nTo: bo@example.org\nDate: Tue, 02 Mar 2021 10:00:00 +0100\nSubject: Grüße\n\n"
        "Dear Bo,\n\ncome to Köln."
    )
    assert document.metadata == {
        "author": "Zoë <zoe@example.org>",
        "to": "bo@example.org",
        "time": "2021-03-02T10:00:00+01:00",
        "attachments": ["plan.zip"],
    }


def test_eml_of_html_alone(tmp_path):
    mail = email.message.EmailMessage()
    mail["From"] = "a@example.org"
    mail.set_content("<html><body><style>x</style><p>Hello</p></body></html>", subtype="html")
    assert one(write(tmp_path / "a.eml", bytes(mail))).text == "From: a@example.org\n\nHello"


def test_eml_in_a_seven_bit_encoding(tmp_path):
    head = b"From: a@example.org\nContent-Type: text/plain; charset=iso-2022-jp\n\n"
    document = one(write(tmp_path / "a.eml", head + "今日は晴れです。".encode("iso-2022-jp")))
    assert document.text.endswith("今日は晴れです。")


def test_mbox(tmp_path):
    box = mailbox.mbox(tmp_path / "a.mbox")
    box.add(message("One", "First.\n\nFrom here on it is quoted.\n"))
    box.add(message("Three", "Second."))
    box.close()
    first, second = documents(tmp_path / "a.mbox")
    assert (first.id, first.title) == ("3@example.org", "One")
    assert first.text.endswith("First.\n\nFrom here on it is quoted.")
    assert (second.id, second.text.split("\n\n")[-1]) == ("5@example.org", "Second.")


def test_chat(tmp_path):
    turns = [
        {"role": "user", "content": "Hi\nthere"},
        {"role": "assistant", "content": [{"type": "text", "text": "Hey"}]},
    ]
    document = one(write(tmp_path / "my_chat.json", json.dumps(turns)))
    assert (document.id, document.title) == ("my_chat.json", "my chat")
    assert document.text == "user: Hi\nthere\n\nassistant: Hey"
    assert document.metadata == {"speakers": ["user", "assistant"]}


def test_chat_with_speakers_times_and_sessions(tmp_path):
    turns = [
        {"speaker": "Ann", "text": "I moved to Oslo.", "time": "2021-03-02 10:00", "session": 1},
        {"author": "Bo", "text": "When?", "timestamp": 1614675600, "session": 1},
        {"speaker": "Ann", "text": "In May.", "session": 2},
    ]
    first, second = documents(write(tmp_path / "a.json", json.dumps(turns)))
    assert first.text == "Ann (2 March 2021, 10:00): I moved to Oslo.\n\nBo (2 March 2021, 09:00): When?"
    assert [section.heading for section in first.sections] == ["Ann · 2021-03-02T10:00", "Bo · 2021-03-02T09:00"]
    assert first.metadata == {"session": "1", "time": "2021-03-02 10:00", "speakers": ["Ann", "Bo"]}
    assert (first.id, second.id, second.metadata["speaker"]) == ("a.json#1", "a.json#2", "Ann")


def test_json_of_conversations_records_and_anything(tmp_path):
    chats = [{"title": t, "messages": [{"role": "user", "content": t * 2}]} for t in ("A", "B")]
    assert [d.title for d in documents(write(tmp_path / "a.json", json.dumps(chats)))] == ["A", "B"]
    records = [{"id": "x", "text": "one"}, {"text": "two"}]
    assert [d.text for d in documents(write(tmp_path / "b.json", json.dumps(records)))] == ["one", "two"]
    lines = '{"text": "one"}\n{"text": "two"}\n'
    assert [d.text for d in documents(write(tmp_path / "d.json", lines))] == ["one", "two"]
    assert one(write(tmp_path / "c.json", '{"title": "Conf", "port": 80}')).text == '{"title": "Conf", "port": 80}'


def test_formats_are_told_by_content_and_by_name(tmp_path):
    samples = {
        "application/pdf": pdf([["Words here."]]),
        "text/html": b"<!DOCTYPE html><p>x",
        "application/json": b'{"text": "a"}\n{"text": "b"}\n',
        "message/rfc822": bytes(message("S", "Body.")),
        "text/markdown": b"# Head\n\ntext",
        "text/plain": b"only words",
    }
    for number, (media_type, data) in enumerate(samples.items()):
        assert documents(write(tmp_path / f"file{number}", data))[0].media_type == media_type
    book = epub(tmp_path / "book.bin", {"a.xhtml": "<body><p>x</p></body>"})
    assert one(book).media_type == "application/epub+zip"
    assert one(write(tmp_path / "x.html", "<p>raw"), format="text").text == "<p>raw"
