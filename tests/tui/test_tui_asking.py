"""Questions and answers: streaming, waiting, stopping, failing, following up."""

from __future__ import annotations

import asyncio
from typing import Any

from memapp.errors import GenerationFailed, ModelMissing
from memapp.tui.markdown import AnswerText
from memapp.types import Hop


async def test_an_answer_streams_in_and_its_sources_stand_beside_it(open_chat: Any, library: Any) -> None:
    async with open_chat(library, size=(120, 40)) as chat:
        library.may_write.clear()
        await chat.send("Where was she born?")
        await chat.shows("reading 3 passages…")
        await chat.shows("dense #1")
        library.may_write.set()
        await chat.shows("confidence 82%")
        await chat.shows("She was born in London in 1815 [1].")
        await chat.shows("1 source")
        await chat.shows("1,209/4,096 tokens")
        await chat.until(lambda: "tok/s" in chat.text())
        assert [source.label for source in chat.chat._pane.sources] == ["1", "·", "·"]


async def test_the_hops_to_an_answer_are_shown_as_they_are_made_and_stay_below_it(open_chat: Any, library: Any) -> None:
    library.hops = (Hop("Who wrote Note G?", "Ada Lovelace", (), 0.9), Hop("Where was Ada Lovelace born?", "", (), 0.1))
    async with open_chat(library) as chat:
        library.may_write.clear()
        await chat.send("Where was the author of Note G born?")
        await chat.shows("Where was Ada Lovelace born? → not in memory")
        library.may_write.set()
        await chat.shows("confidence 82%")
        await chat.shows("Who wrote Note G? → Ada Lovelace")


async def test_it_starts_before_the_models_and_keeps_an_early_question(open_chat: Any, library: Any) -> None:
    library.may_prepare.clear()
    async with open_chat(library) as chat:
        await chat.shows("Loading the language model")
        await chat.send("Where was she born?")
        await chat.shows("waiting for the models")
        assert library.asked == []
        library.may_prepare.set()
        await chat.shows("London")
        assert library.asked == [("Where was she born?", "Where was she born?")]


async def test_an_early_question_survives_a_store_that_opens_late(open_chat: Any, library: Any) -> None:
    import threading

    gate = threading.Event()

    def opener() -> Any:
        assert gate.wait(20)
        return library

    async with open_chat(library, opener=opener) as chat:
        await chat.shows("Opening memory")
        await chat.pilot.press("f3")
        await chat.send("Where was she born?")
        gate.set()
        await chat.shows("London")


async def test_models_that_cannot_be_used_give_the_question_back_and_are_tried_again(
    open_chat: Any, library: Any
) -> None:
    library.may_prepare.clear()
    library.prepare_error = ModelMissing("The model is not there.", "Run memapp init.")
    async with open_chat(library) as chat:
        await chat.send("Where was she born?")
        await chat.shows("waiting for the models")
        library.may_prepare.set()
        await chat.shows("The model is not there.")
        await chat.shows("Run memapp init.")
        await chat.until(lambda: chat.chat._composer.text == "Where was she born?")
        library.prepare_error = None
        await chat.pilot.press("enter")
        await chat.shows("London")


async def test_escape_stops_at_once_and_keeps_what_came(open_chat: Any, library: Any) -> None:
    library.answers["Tell me all"] = "First half. " + "and more " * 400
    library.may_write.clear()
    library.hold_after = 12
    async with open_chat(library) as chat:
        await chat.send("Tell me all")
        await chat.shows("First half.")
        await chat.pilot.press("escape")
        await chat.shows("stopped")
        await chat.until(lambda: not chat.chat._conversation.busy)
        kept = library.kept[-1].answer
        assert kept == "First half. "
        exchange = chat.chat._conversation.exchanges[-1]
        assert exchange.entry.answer == kept
        assert exchange.query_one(AnswerText).source == kept
        library.may_write.set()
        await chat.ask("Where was she born?")
        await chat.shows("London")


async def test_escape_before_the_first_word(open_chat: Any, library: Any) -> None:
    library.may_write.clear()
    async with open_chat(library) as chat:
        await chat.send("Where was she born?")
        await chat.shows("reading 3 passages…")
        await chat.pilot.press("escape")
        await chat.shows("stopped")
        await chat.until(lambda: not chat.chat._conversation.busy)
        library.may_write.set()
        await chat.ask("Where was she born?")
        await chat.shows("London")


async def test_questions_wait_for_each_other_and_escape_takes_the_last_back(open_chat: Any, library: Any) -> None:
    library.may_write.clear()
    async with open_chat(library) as chat:
        await chat.send("one")
        await chat.shows("reading 3 passages…")
        await chat.send("two")
        await chat.send("three")
        await chat.pilot.press("escape")
        await chat.until(lambda: [asked for asked, _ in library.asked] == ["one", "two"])
        await chat.pilot.press("escape")
        library.may_write.set()
        await chat.until(lambda: not chat.chat._conversation.busy)
        assert [asked for asked, _ in library.asked] == ["one", "two", "three"]


async def test_a_failed_answer_gives_the_question_back_with_the_hint(open_chat: Any, library: Any) -> None:
    library.errors = [GenerationFailed("The model broke off.", "Ask again.")]
    async with open_chat(library) as chat:
        await chat.send("Where was she born?")
        await chat.shows("The model broke off.")
        await chat.shows("Ask again.")
        await chat.until(lambda: chat.chat._composer.text == "Where was she born?")
        await chat.pilot.press("enter")
        await chat.shows("London")


async def test_an_unexpected_fault_does_not_end_the_chat(open_chat: Any, library: Any) -> None:
    library.errors = [ZeroDivisionError("[/oh no")]
    async with open_chat(library) as chat:
        await chat.send("Where was she born?")
        await chat.shows("ZeroDivisionError: [/oh no")
        chat.chat._composer.put("")
        await chat.ask("Where was she born?")
        await chat.shows("London")


async def test_what_is_being_written_is_not_replaced_by_a_failed_question(open_chat: Any, library: Any) -> None:
    library.may_write.clear()
    library.errors = [GenerationFailed("The model broke off.")]
    async with open_chat(library) as chat:
        chat.chat._composer.remember("older")
        await chat.until(lambda: library.prepared)
        chat.chat._conversation.ready = False
        await chat.send("failing question")
        chat.chat._composer.put("half a thought")
        chat.chat._conversation.ready = True
        chat.chat._conversation.go_on()
        await chat.shows("The model broke off.")
        assert chat.chat._composer.text == "half a thought"
        chat.chat._composer.put("")
        await chat.pilot.press("up")
        await chat.until(lambda: chat.chat._composer.text == "failing question")


async def test_an_abstained_answer_says_so_and_shows_the_nearest(open_chat: Any, make_memory: Any) -> None:
    memory = make_memory(answers={"Why?": "Memory does not hold an answer."})
    async with open_chat(memory, size=(120, 40)) as chat:
        await chat.ask("Why?")
        await chat.shows("not in memory")
        await chat.shows("Nearest passages")


async def test_follow_ups_go_to_the_same_session(open_chat: Any, library: Any) -> None:
    async with open_chat(library, session="people") as chat:
        await chat.ask("Who was Ada?")
        await chat.ask("and when was she born?")
        assert library.asked == [("Who was Ada?", "people"), ("and when was she born?", "people")]


async def test_a_session_is_named_by_its_first_question_and_never_after_another(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.shows("new session")
        await chat.until(lambda: chat.chat._names is not None)
        await chat.ask("Who was Ada?")
        await chat.pilot.press("ctrl+n")
        await chat.shows("new session")
        await chat.until(lambda: chat.chat._names == {"Who was Ada?"})
        await chat.ask("Who was Ada?")
        assert [session for _, session in library.asked] == ["Who was Ada?", "Who was Ada? (2)"]


async def test_only_so_many_exchanges_are_mounted_and_older_ones_come_on_demand(open_chat: Any, library: Any) -> None:
    for n in range(75):
        list(library.chat(f"question {n}", "long"))
    async with open_chat(library, session="long") as chat:
        await chat.until(lambda: len(chat.chat._conversation.exchanges) == 30)
        assert chat.chat._conversation.exchanges[0].entry.question == "question 45"
        await chat.pilot.press("ctrl+up")
        await chat.until(lambda: len(chat.chat._conversation.exchanges) == 60)
        await chat.pilot.press("ctrl+up")
        await chat.until(lambda: len(chat.chat._conversation.exchanges) == 75)
        assert not chat.screen.query("Earlier")
        await chat.ask("one more")
        await chat.until(lambda: len(chat.chat._conversation.exchanges) == 60)
        assert chat.chat._conversation.exchanges[-1].entry.question == "one more"
        await chat.pilot.press("ctrl+up")
        await chat.until(lambda: chat.chat._conversation.exchanges[0].entry.question == "question 0")


async def test_the_empty_memory_says_how_to_begin(open_chat: Any, make_memory: Any) -> None:
    async with open_chat(make_memory()) as chat:
        await chat.shows("Nothing is remembered yet.")
        await chat.shows("/ingest ~/notes")


async def test_leaving_stops_a_running_answer(open_chat: Any, library: Any) -> None:
    library.may_write.clear()
    async with open_chat(library) as chat:
        await chat.send("Where was she born?")
        await chat.shows("reading 3 passages…")
        await chat.send("/quit")
    for _ in range(500):
        if library.kept:
            break
        await asyncio.sleep(0.01)
    assert library.kept[-1].answer == ""
