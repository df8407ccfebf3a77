"""Questions that take several hops, answered by the default model over a real store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from memapp import Memory
from memapp.models.catalog import bundled_path
from memapp.models.llama import LlamaEngine
from memapp.models.native import Options
from memapp.models.opening import READER
from memapp.records import answer_record
from memapp.settings import Settings, shipped
from memapp.types import Answer, Citation, Done, Hop, Token

pytestmark = pytest.mark.models

OPTIONS = Options(context_tokens=1024, threads=2, ubatch_tokens=64, extra_buffers=False)
NOTES = {
    "film": ("Northern Lights", "Northern Lights is a film of 1931 that was directed by Ida Moe."),
    "ida": ("Ida Moe", "Ida Moe (3 May 1892 – 9 June 1961) was a Norwegian director. She lived in Brae."),
    "anna": ("Anna Berg", "Anna Berg was born on 2 January 1950 in Oslo. She keeps the light on Sullen Point."),
    "bram": ("Bram Visser", "Bram Visser was born on 17 March 1944 in Delft. He repairs the organ."),
}


@contextmanager
def opened(path: Path, *, hops: bool = True) -> Iterator[Memory]:
    model = bundled_path()
    assert model is not None
    settings = Settings(answer_tokens=48, hops=hops)
    with (
        LlamaEngine(model, OPTIONS, adapter=shipped(READER)) as own,
        Memory.open(path / "m.db", engine=own, settings=settings) as memory,
    ):
        yield memory


def filled(memory: Memory) -> Memory:
    for id, (title, text) in NOTES.items():
        memory.add(text, id=id, title=title)
    return memory


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    with opened(tmp_path_factory.mktemp("hops")) as made:
        yield filled(made)


def test_one_fact_leads_to_the_next_and_both_are_cited(memory: Memory) -> None:
    events = list(memory.stream("When did the director of Northern Lights die?"))
    done = events[-1]
    assert isinstance(done, Done)
    answer = done.answer
    assert answer.text == "9 June 1961 [1][2]"
    assert [one.document for one in answer.citations] == ["film", "ida"]
    assert [(hop.question, hop.text) for hop in answer.hops] == [
        ("Who directed Northern Lights?", "Ida Moe"),
        ("When did Ida Moe die?", "9 June 1961"),
    ]
    assert [event for event in events if isinstance(event, Hop)] == list(answer.hops)
    assert [event.text for event in events if isinstance(event, Token)] == [answer.text]
    assert answer.question == "When did the director of Northern Lights die?"


def test_everything_that_was_read_is_told(memory: Memory) -> None:
    answer = memory.ask("When did the director of Northern Lights die?")
    assert [hit.rank for hit in answer.hits] == list(range(1, len(answer.hits) + 1))
    assert len({hit.passage.id for hit in answer.hits}) == len(answer.hits)
    assert {one.passage for one in answer.citations} <= {
        hit.passage.id for hit in answer.hits if hit.rank not in answer.dropped
    }
    single = memory.ask("When did Ida Moe die?")
    assert answer.tokens.prompt >= single.tokens.prompt
    assert answer.tokens.prompt < 2 * single.tokens.prompt, "what the window held at once"
    assert answer.timing_ms["total"] > answer.timing_ms["search"] > 0
    record = answer_record(answer)
    assert [hop["answer"] for hop in record["hops"]] == ["Ida Moe", "9 June 1961"]
    assert record["hops"][0]["citations"][0]["document"] == "film"


@pytest.mark.parametrize(
    ("question", "text", "documents"),
    [
        ("Who is older, Anna Berg or Bram Visser?", "Bram Visser [1][2]", ["anna", "bram"]),
        ("Who is younger, Anna Berg or Bram Visser?", "Anna Berg [1][2]", ["anna", "bram"]),
        ("Were Anna Berg and Bram Visser born in the same town?", "no [1][2]", ["anna", "bram"]),
    ],
)
def test_two_things_are_compared(memory: Memory, question: str, text: str, documents: list[str]) -> None:
    answer = memory.ask(question)
    assert answer.text == text
    assert [one.document for one in answer.citations] == documents


def test_what_hops_do_not_find_is_asked_whole(memory: Memory) -> None:
    events = list(memory.stream("When did the director of Southern Seas die?"))
    done = events[-1]
    assert isinstance(done, Done)
    assert any(isinstance(event, Hop) for event in events)
    assert done.answer.abstained or done.answer.confidence < 0.5, "half of what it would be"


def test_a_comparison_that_decides_nothing_is_not_answered_by_something_else(memory: Memory) -> None:
    events = list(memory.stream("Are Ida Moe and Zeno Quill from the same country?"))
    done = events[-1]
    assert isinstance(done, Done)
    assert done.answer.abstained
    assert done.answer.hits
    assert [hop.text for hop in done.answer.hops] == ["Norwegian", ""]
    assert not any(isinstance(event, Citation) for event in events)
    assert [event.text for event in events if isinstance(event, Token)] == [done.answer.text]


def test_a_cancelled_question_takes_no_more_hops(memory: Memory) -> None:
    cancel = threading.Event()
    answer: Answer | None = None
    hops = 0
    for event in memory.stream("When did the director of Northern Lights die?", cancel=cancel):
        if isinstance(event, Hop):
            hops += 1
            cancel.set()
        elif isinstance(event, Done):
            answer = event.answer
    assert answer is not None
    assert answer.finish == "cancelled"
    assert hops == 1


def test_what_is_forgotten_leads_nowhere(tmp_path: Path) -> None:
    with opened(tmp_path) as memory:
        filled(memory)
        assert memory.ask("When did the director of Northern Lights die?").hops
        memory.forget("film")
        answer = memory.ask("When did the director of Northern Lights die?")
        assert not any(hop.text == "Ida Moe" for hop in answer.hops)
        assert all(one.document != "film" for one in answer.citations)


def test_without_the_setting_every_question_is_asked_whole(tmp_path: Path) -> None:
    with opened(tmp_path, hops=False) as memory:
        filled(memory)
        events = list(memory.stream("When did the director of Northern Lights die?"))
        assert not any(isinstance(event, Hop) for event in events)


def test_a_grandfather_is_asked_for_by_way_of_the_father_unless_he_is_told_of(tmp_path: Path) -> None:
    with opened(tmp_path) as memory:
        memory.add(
            "Sander Holm is a carpenter. His father is Mats Holm, who built boats.", id="sander", title="Sander Holm"
        )
        memory.add("Mats Holm built boats in Harn. His father was Olof Holm, a sailor.", id="mats", title="Mats Holm")
        answer = memory.ask("Who is Sander Holm's paternal grandfather?")
        assert answer.text == "Olof Holm [1][2]"
        assert [hop.text for hop in answer.hops] == ["Mats Holm", "Olof Holm"]
        memory.add("The paternal grandfather of Sander Holm was Olof Holm, born in 1899.", id="olof", title="Olof Holm")
        told = memory.ask("Who is Sander Holm's paternal grandfather?")
    assert told.hops == ()
    assert told.text == "Olof Holm [1]"
