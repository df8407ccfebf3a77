"""Kept chats: what is quoted goes with what is forgotten, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memapp.protocols import EmbedderIdentity
from memapp.store import chats, content
from memapp.store.log import Entry, Store
from memapp.types import Answer, Citation, Document, Hit

NOISE = EmbedderIdentity("noise", 16, "0" * 64)
SAID = "The harbour of Turku froze over in the winter of 1878 and no ship came in."


@pytest.fixture
def put(store: Store, entry: Callable[..., Entry]) -> Callable[..., Any]:
    return lambda *documents: store.put([entry(document) for document in documents], NOISE)


def answered(store: Store, id: str, text: str = "It froze.", question: str = "What?") -> Answer:
    passage = content.passages_of(store, id)[0]
    cited = Citation(1, id, passage.title, passage.text[4:11], 4, 11, passage.id, passage.source, passage.page)
    return Answer(question, text, (cited,), hits=(Hit(1, 1.0, passage),))


def test_turns_are_kept_in_order_with_their_citations(store: Store, put: Any) -> None:
    put(Document("a", "Turku", SAID, "file"))
    chats.keep(store, "s", answered(store, "a"), "2026-01-01")
    chats.keep(store, "s", Answer("Else?", "No."), "2026-01-02")
    chats.keep(store, "t", Answer("Other?", "Yes."), "2026-01-03")
    first, second = chats.of_session(store, "s")
    assert first.citations == answered(store, "a").citations
    assert (first.question, first.answer, second.question, second.citations) == ("What?", "It froze.", "Else?", ())
    assert [(info.name, info.turns, info.started, info.last) for info in chats.sessions(store)] == [
        ("t", 1, "2026-01-03", "2026-01-03"),
        ("s", 2, "2026-01-01", "2026-01-02"),
    ]


def test_turns_are_searched_as_they_are_written(store: Store) -> None:
    for question, answer in (("50% or 50_?", "ÄRGER"), ("50 or so", "none")):
        chats.keep(store, "s", Answer(question, answer), "now")
    assert [turn.question for turn in chats.search(store, "50", 9)] == ["50 or so", "50% or 50_?"]
    assert [turn.question for turn in chats.search(store, "50%", 9)] == ["50% or 50_?"]
    assert [turn.question for turn in chats.search(store, "ärger", 9)] == ["50% or 50_?"]
    assert len(chats.search(store, "50", 1)) == 1


def test_a_session_is_deleted_alone(store: Store, put: Any, path: Path) -> None:
    put(Document("a", "", SAID))
    for session in ("s", "s", "t"):
        chats.keep(store, session, answered(store, "a"), "now")
    other = Store(path, "other")
    assert chats.delete(other, "s") == 0
    other.close()
    assert chats.delete(store, "s") == 2
    assert chats.of_session(store, "s") == []
    assert len(chats.of_session(store, "t")) == 1
    assert store.forget(["a"]).turns == 1


@pytest.mark.parametrize(
    "text",
    [
        "It says the harbour of turku FROZE over in the winter.",
        "Harbour of Turku froze over in",
        SAID,
    ],
)
def test_an_answer_that_quotes_without_citing_goes_too(store: Store, put: Any, text: str) -> None:
    put(Document("a", "", SAID), Document("b", "", "Of something else altogether, and long enough to be quoted."))
    chats.keep(store, "s", Answer("Q?", text), "now")
    chats.keep(store, "s", Answer(text, "A."), "now")
    chats.keep(store, "s", Answer("The harbour of Turku?", "It froze over."), "now")
    assert store.forget(["b"]).turns == 0
    assert store.forget(["a"]).turns == 2
    turns = chats.of_session(store, "s")
    assert [(turn.erased, turn.answer) for turn in turns] == [(True, ""), (True, ""), (False, "It froze over.")]


def test_chats_of_another_namespace_stay(store: Store, put: Any, path: Path, entry: Callable[..., Entry]) -> None:
    put(Document("a", "", SAID))
    other = Store(path, "other")
    other.put([entry(Document("a", "", SAID))], NOISE)
    chats.keep(other, "s", answered(other, "a"), "now")
    assert store.forget(["a"]).turns == 0
    assert chats.of_session(other, "s")[0].citations
    assert chats.sessions(store) == []
    other.close()


def test_a_turn_follows_its_document_to_a_new_version(store: Store, put: Any) -> None:
    put(Document("a", "", SAID))
    chats.keep(store, "s", answered(store, "a", "Something in own words."), "now")
    put(Document("a", "", "Another text."))
    turn = chats.of_session(store, "s")[0]
    assert (turn.answer, turn.erased, turn.citations) == ("Something in own words.", False, ())
    put(Document("a", "", "A third text."))
    assert store.forget(["a"]).turns == 1
    assert chats.of_session(store, "s")[0].erased


def test_what_is_forgotten_while_it_is_answered_is_not_kept(store: Store, put: Any) -> None:
    put(Document("a", "", SAID))
    answer = answered(store, "a")
    store.forget(["a"])
    chats.keep(store, "s", answer, "now")
    turn = chats.of_session(store, "s")[0]
    assert (turn.question, turn.answer, turn.erased) == ("", "", True)


def test_a_turn_outlives_passages_that_were_found_but_not_read(store: Store, put: Any) -> None:
    put(Document("a", "", SAID))
    put(Document("b", "", "Buy now, cheap harbours."))
    found = tuple(Hit(rank, 1.0, content.passages_of(store, id)[0]) for rank, id in enumerate(("a", "b"), 1))
    chats.keep(store, "s", Answer("Q?", "It froze.", hits=found, dropped=(2,)), "now")
    assert store.forget(["b"]).turns == 0
    assert store.forget(["a"]).turns == 1
