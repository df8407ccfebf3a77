"""The log: all of a document or nothing, ids that are never given twice, text that comes back as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memapp.errors import EmbedderMismatch
from memapp.memory import Memory
from memapp.protocols import EmbedderIdentity
from memapp.read.split import split
from memapp.store import check, content, fulltext, log
from memapp.store.log import Entry, Store
from memapp.types import Change, Document, Section, Span

NOISE = EmbedderIdentity("noise", 16, "0" * 64)

SCRIPTS = {
    "latin": "Zürich, Ærø, naïve façade – “quoted”.",
    "greek": "Ἡ ἀλήθεια ἐλευθερώσει ὑμᾶς.",
    "cyrillic": "Съешь же ещё этих мягких французских булок.",
    "hebrew": "שָׁלוֹם עוֹלָם",
    "arabic": "الذاكرة الطويلة مفيدة جدًا",
    "devanagari": "स्मृति लंबी है।",
    "tamil": "நினைவகம் நீண்டது",
    "thai": "ความทรงจำยาวนาน",
    "han": "長い記憶は役に立つ。记忆很长。",
    "hangul": "긴 기억은 쓸모 있다.",
    "emoji": "👩‍👩‍👧‍👦 🇫🇮 ☕️",
    "astral": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 \U0010fffd",
    "combining": "e\u0301 a\u0323\u0308 \u200d\u200c\u2060 z",
}

Put = Callable[..., list[str]]


@pytest.fixture
def put(store: Store, entry: Callable[..., Entry]) -> Put:
    def kept(*documents: Document) -> list[str]:
        return list(store.put([entry(document) for document in documents], NOISE))

    return kept


def text_of(store: Store, id: str) -> str | None:
    found = content.document(store, id)
    return found.text if found else None


def test_states(store: Store, put: Put) -> None:
    a, b = Document("a", "T", "one"), Document("b", "", "two")
    assert put(a, b) == ["added", "added"]
    assert put(a, Document("b", "", "three"), Document("c", "", "four")) == ["unchanged", "updated", "added"]
    assert put(replace(a, title="U")) == ["updated"]
    assert put(replace(a, title="U", metadata={"k": [1]})) == ["updated"]
    assert put(replace(a, title="U", metadata={"k": [1]})) == ["unchanged"]
    assert put() == []
    assert {info.id: (info.title, info.metadata) for info in content.infos(store)} == {
        "a": ("U", {"k": [1]}),
        "b": ("", {}),
        "c": ("", {}),
    }


def test_the_last_of_the_same_id_counts_wherever_a_batch_ends(store: Store, put: Put) -> None:
    one, two = Document("a", "", "one"), Document("a", "", "two")
    assert put(one, two, two) == ["added", "updated", "unchanged"]
    assert text_of(store, "a") == "two"
    assert put(two, one, Document("b", "", "x"), two) == ["unchanged", "updated", "added", "updated"]
    assert text_of(store, "a") == "two"
    assert all(each.ok for each in check.verify(store))


@pytest.mark.parametrize("fails", ["fulltext", "log"])
def test_a_failure_in_the_middle_leaves_nothing(
    store: Store, put: Put, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(Document("a", "", "one"), Document("b", "", "two"))
    before = store.changes(), content.totals(store)

    def breaks(*_: Any) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(fulltext, "insert", breaks) if fails == "fulltext" else patch.setattr(log, "_change_row", breaks)
        with pytest.raises(RuntimeError, match="broken"):
            put(Document("c", "", "new"), Document("a", "", "changed"))
    with monkeypatch.context() as patch:
        patch.setattr(log.chats, "erase", breaks)
        with pytest.raises(RuntimeError, match="broken"):
            store.forget(["a"])
    assert (store.changes(), content.totals(store)) == before
    assert text_of(store, "a") == "one"
    assert text_of(store, "c") is None
    assert all(each.ok for each in check.verify(store))


def test_ids_and_positions_are_never_given_twice(store: Store, put: Put, path: Path) -> None:
    seen: list[Change] = []
    for n in range(4):
        put(*(Document(f"{n}{i}", "", "text") for i in range(3)))
        store.forget([f"{n}{i}" for i in range(3)])
        other = Store(path, f"n{n}")
        other.forget(["nothing"])
        other.close()
    seen = store.changes()
    assert [change.position for change in seen] == list(range(1, 25))
    inserted = [change.first for change in seen if change.kind == "insert"]
    assert inserted == sorted(set(inserted)) == list(range(1, 13))


def test_the_log_keeps_that_it_was_but_not_what(store: Store, put: Put) -> None:
    put(Document("a", "", "one"), Document("b", "", "two"))
    store.forget(["a", "unknown"])
    entries = store.entries()
    assert [(entry.position, entry.kind, entry.document) for entry in entries] == [
        (3, "forget", ""),
        (2, "insert", "b"),
        (1, "insert", ""),
    ]
    assert store.entries(1) == entries[:1]
    assert store.changes(2) == [Change(3, "forget", 1, 1)]
    assert (store.head(), store.mark(3) != store.mark(2), store.mark(4)) == (3, True, "")


def test_a_forget_tells_what_it_took(store: Store, entry: Callable[..., Entry]) -> None:
    spans = [Span(0, 3), Span(4, 7)]
    store.put([entry(Document("a", "", "one two"), spans), entry(Document("b", "", "three"))], NOISE)
    gone = store.forget(["a", "a", "no"])
    assert (gone.documents, gone.passages, gone.turns, sorted(gone.texts)) == (("a",), 2, 0, ["one", "two"])
    assert store.forget(["a"]) == log.Forgotten((), 0, 0, ())
    assert content.totals(store)[:2] == (1, 1)


text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=300)
prose = st.lists(st.sampled_from([*SCRIPTS.values(), "\n\n", " ", "One sentence. ", "A,b;c "]), max_size=40).map(
    "".join
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=text | prose, title=text, edges=st.lists(st.integers(0, 300), max_size=5), data=st.data())
def test_text_comes_back_as_it_was(
    store: Store, entry: Callable[..., Entry], body: str, title: str, edges: list[int], data: Any
) -> None:
    body = body.strip()
    if not body:
        return
    sections = tuple(Section(start, f"h{start}", start + 1) for start in sorted({*edges}) if start < len(body))
    document = Document("a", title, body, "s", "text/x", {"m": title}, sections)
    spans = split(document, data.draw(st.integers(1, 20)), lambda texts: [len(t.split()) or 1 for t in texts])
    store.forget(["a"])
    store.put([entry(document, spans)], NOISE)
    assert content.document(store, "a") == document
    kept = content.passages_of(store, "a")
    assert [(p.start, p.end) for p in kept] == [(span.start, span.end) for span in spans]
    assert [p.ordinal for p in kept] == list(range(len(spans)))
    for passage in kept:
        assert passage.text == body[passage.start : passage.end]
        within = [section for section in sections if section.start <= passage.start]
        assert passage.heading == (within[-1].heading if within else "")
        assert passage.page == (within[-1].page if within else None)
    assert all(each.ok for each in check.verify(store))


def test_every_script_is_kept_found_and_forgotten(memory: Memory) -> None:
    for name, said in SCRIPTS.items():
        memory.add(said, id=name, title=said, source=said, metadata={said: said})
    for name, said in SCRIPTS.items():
        document = memory.document(name)
        assert (document.text, document.title, document.source, document.metadata) == (said, said, said, {said: said})
        assert name in {info.id for info in memory.matching(said)}
        if name != "emoji":
            assert memory.recall(said, 1, layers=["lexical"])[0].passage.document == name
    memory.forget(*SCRIPTS)
    assert all(each.ok for each in memory.verify())


def test_passages_by_id_are_of_this_namespace_only(store: Store, put: Put, path: Path) -> None:
    put(Document("a", "", "one"), Document("b", "", "two"))
    other = Store(path, "other")
    assert content.passages_by_id(other, [1, 2]) == {}
    assert sorted(content.passages_by_id(store, [2, 1, 99])) == [1, 2]
    assert content.document(other, "a") is None
    assert content.passages_of(other, "a") == []
    assert other.hashes(["a"]) == {}
    assert other.forget(["a"]).documents == ()
    assert (other.changes(), other.entries(), other.head(), other.mark(1)) == ([], [], 0, "")
    assert content.totals(other) == (0, 0, 0, 0)
    other.close()


def test_more_ids_than_a_statement_may_hold(store: Store, put: Put) -> None:
    names = [f"d{i}" for i in range(1200)]
    put(*(Document(name, "", "text") for name in names))
    assert len(store.hashes(names)) == 1200
    assert len(content.passages_by_id(store, list(range(1, 1201)))) == 1200
    assert len(store.forget(names).documents) == 1200


def test_every_document_is_read_in_portions(store: Store, put: Put) -> None:
    names = [f"d{i}" for i in range(600)]
    put(*(Document(name, "", name) for name in names))
    documents = list(content.every_document(store))
    assert [document.id for document in documents] == names
    assert [document.text for document in documents] == names


def test_sources_are_files_or_folders(store: Store, put: Put) -> None:
    sources = ["/a/b.txt", "/a/b/c.txt", "/a/bc.txt", "/a/b/d/e.txt", "/A/b/x", "/a%b/x", "/a_b/x"]
    put(*(Document(source, "", source, source) for source in sources))

    def within(source: str) -> list[str]:
        return [info.id for info in content.infos(store, source)]

    assert within("/a/b") == within("/a/b/") == ["/a/b/c.txt", "/a/b/d/e.txt"]
    assert within("/a/b.txt") == ["/a/b.txt"]
    assert within("/a%b") == ["/a%b/x"]
    assert within("/a_b") == ["/a_b/x"]
    assert within("/a") == ["/a/b.txt", "/a/b/c.txt", "/a/bc.txt", "/a/b/d/e.txt"]
    assert within("") == []
    assert len(content.infos(store, limit=2)) == 2


def test_containing_takes_signs_as_they_are(store: Store, put: Put) -> None:
    put(Document("a", "", "100% sure_thing"), Document("b", "", "100 sure thing"), Document("c", "100%", "x"))
    assert [info.id for info in content.containing(store, "100%")] == ["a", "c"]
    assert [info.id for info in content.containing(store, "E_T")] == ["a"]


def test_containing_minds_no_case_of_any_script(store: Store, put: Put) -> None:
    put(Document("a", "", "Ärzte in Łódź"), Document("b", "ΑΘΗΝΑ", "x"), Document("c", "", "МОСКВА"))
    for asked, id in (("ärzte", "a"), ("łÓDŹ", "a"), ("αθηνα", "b"), ("москва", "c")):
        assert [info.id for info in content.containing(store, asked)] == [id]


def test_vectors_of_another_embedder_are_refused(store: Store, put: Put, entry: Callable[..., Entry]) -> None:
    assert store.embedder() is None
    put(Document("a", "", "one"))
    assert store.embedder() == NOISE
    other = EmbedderIdentity("other", 16, "1" * 64)
    with pytest.raises(EmbedderMismatch, match=r"noise.*other.*memapp rebuild dense"):
        store.put([entry(Document("b", "", "two"))], other)
    with pytest.raises(EmbedderMismatch):
        store.require(other)
    store.require(NOISE)
    assert content.totals(store)[0] == 1


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        ("UPDATE passages SET text = substr(text, 2) WHERE id = 1", "documents"),
        ("DELETE FROM vectors WHERE passage = 1", "vectors"),
        ("DELETE FROM changes WHERE position = 1", "log"),
        ("INSERT INTO fulltext_1(fulltext_1, rowid, title, text) VALUES ('delete', 1, '', 'one')", "full text"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM passages WHERE id = 1", "documents"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM documents WHERE id = 1", "file"),
    ],
)
def test_verify_notices(store: Store, put: Put, damage: str, name: str) -> None:
    put(Document("a", "", "one"), Document("b", "", "two"))
    assert all(each.ok for each in check.verify(store))
    with store.database.unbound() as connection:
        for statement in damage.split("; "):
            connection.execute(statement)
        connection.execute("PRAGMA foreign_keys = ON")
    wrong = {each.name: each for each in check.verify(store) if not each.ok}
    assert name in wrong
    assert wrong[name].remedy


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE fulltext_1_data SET block = x'00000000ff7f01' WHERE id = 10",
        "DELETE FROM fulltext_1_data WHERE id = 10",
        "UPDATE fulltext_1_data SET block = zeroblob(length(block)) WHERE id > 10",
        "DELETE FROM fulltext_1_data WHERE id > 10",
    ],
)
def test_a_damaged_index_is_noticed_and_made_anew(memory: Memory, damage: str) -> None:
    for i in range(20):
        memory.add(f"a heron and its {i} friends", id=str(i))
    with memory._store.database.unbound() as connection:
        connection.execute(damage)
    memory._store.database.close()
    assert [each.name for each in check.verify(memory._store) if not each.ok] == ["full text"]
    memory.rebuild(["lexical"])
    assert all(each.ok for each in memory.verify())
    assert len(memory.recall("heron", 30, layers=["lexical"])) == 20


def test_passages_tile_the_log(store: Store, put: Put) -> None:
    put(*(Document(f"d{i}", "", "text") for i in range(5)))
    changes = store.changes()
    assert all(a.last + 1 == b.first for a, b in pairwise(changes))
    with store.database.reading() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM passages")).scalar() == 5
