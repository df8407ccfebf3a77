"""What stands around the conversation: sessions, sources, documents, forgetting, reading in, help, palette."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memapp.errors import StoreBusy
from memapp.settings import Settings


async def test_a_source_opens_in_its_document_with_the_quote_marked(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.ask("Where was she born?")
        await chat.pilot.press("f2")
        await chat.shows("notes/ada.md")
        await chat.pilot.press("1")
        await chat.shows("Note G holds a program")
        assert "dense      #1   0.900" in chat.text()
        assert "lexical    #2   4.200  born, Ada" in chat.text()
        body = chat.screen.query_one("#text").content
        marked = [body.plain[span.start : span.end] for span in body.spans]
        assert marked == [
            "Ada Lovelace was born in London in 1815.",
            " Her mother had her taught mathematics from early on.\n\n",
        ]
        await chat.pilot.press("c")
        assert chat.app.clipboard.startswith("Ada Lovelace was born")
        await chat.pilot.press("escape")
        await chat.shows("Where was she born?")


async def test_a_passage_deep_in_a_long_document_is_scrolled_to(
    open_chat: Any, make_memory: Any, make_document: Any
) -> None:
    from memapp.tui.document import DocumentScreen
    from memapp.tui.view import Source
    from memapp.types import Span

    lines = [f"line {n}: " + "word " * (n % 40) for n in range(6000)]
    text = "\n".join(lines)
    start = text.index("line 4321:")
    memory = make_memory(make_document("long", "Long", text, "long.txt"))
    source = Source("1", "long", "Long", "line 4321", Span(start, start + 60), (Span(start, start + 10),))
    async with open_chat(memory) as chat:
        chat.app.push_screen(DocumentScreen(memory, source))
        await chat.shows("line 4321:")
        assert "characters above" in chat.text()
        before = chat.screen._window
        await chat.pilot.press("[")
        await chat.until(lambda: chat.screen._window.start < before.start)
        await chat.pilot.press("space")
        await chat.shows("line 4321:")
        await chat.pilot.press("]")
        await chat.until(lambda: chat.screen._window.end > before.end)


async def test_a_source_whose_document_is_gone_still_shows_its_passage(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.ask("Where was she born?")
        del library.documents_["ada"]
        await chat.pilot.press("f2", "enter")
        await chat.shows("Only the passage can be shown.")
        await chat.shows("Her mother had her taught")


async def test_clicking_a_citation_opens_the_source_of_that_answer(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.ask("Where was she born?")
        library.documents_.pop("ada")
        await chat.ask("Again?")
        first = chat.chat._conversation.exchanges[0]
        await chat.until(lambda: first.query("MarkdownParagraph"))
        await first.query("MarkdownParagraph").first().action_link("memapp-source:1")
        await chat.shows("notes/ada.md")


async def test_a_link_is_opened_only_after_a_yes(open_chat: Any, library: Any, monkeypatch: Any) -> None:
    library.answers["Link?"] = "See [here](https://example.org/a) or [this](ftp://example.org/b)."
    async with open_chat(library) as chat:
        opened: list[str] = []
        monkeypatch.setattr(chat.app, "open_url", opened.append)
        await chat.ask("Link?")
        paragraph = chat.chat._conversation.query("MarkdownParagraph").first()
        await paragraph.action_link("ftp://example.org/b")
        await chat.notes("Not opened: ftp://example.org/b")
        await paragraph.action_link("https://example.org/a")
        await chat.shows("Open this address in the browser?")
        assert "https://example.org/a" in chat.text()
        await chat.pilot.press("escape")
        assert opened == []
        await paragraph.action_link("https://example.org/a")
        await chat.shows("Open this address in the browser?")
        await chat.pilot.press("y")
        await chat.until(lambda: opened == ["https://example.org/a"])


async def test_an_image_is_never_more_than_a_link(open_chat: Any, library: Any) -> None:
    library.answers["Image?"] = "![secret](https://example.org/steal.png) <img src='https://example.org/x'>"
    async with open_chat(library) as chat:
        await chat.ask("Image?")
        await chat.shows("!secret <img src='https://example.org/x'>")


async def test_sessions_are_listed_searched_switched_and_deleted(open_chat: Any, library: Any) -> None:
    list(library.chat("Where was she born?", "people"))
    list(library.chat("How do ships find the harbour?", "places"))
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.pilot.press("f3")
        await chat.shows("people")
        await chat.shows("places")
        await chat.pilot.press(*"harbour")
        await chat.hides("people")
        await chat.pilot.press("enter")
        await chat.shows("How do ships find the harbour?")
        assert chat.chat._session == "places"
        await chat.send("/sessions")
        await chat.shows("places (open)")
        await chat.pilot.press("ctrl+d")
        await chat.shows("Delete the session “places”?")
        await chat.pilot.press("y")
        await chat.hides("places (open)")
        await chat.pilot.press("escape")
        await chat.shows("new session")
        assert [info.name for info in library.sessions()] == ["people"]


async def test_switching_sessions_stops_the_answer_and_returns_waiting_questions(open_chat: Any, library: Any) -> None:
    library.may_write.clear()
    async with open_chat(library) as chat:
        await chat.send("one")
        await chat.shows("reading 3 passages…")
        await chat.send("two")
        await chat.send("/new other")
        await chat.shows("other")
        await chat.until(lambda: not chat.chat._conversation.busy)
        assert chat.chat._composer.text == "two"
        assert chat.chat._conversation.exchanges == []
        assert library.kept[-1].question == "one"


async def test_forget_lists_what_goes_asks_and_erases_the_answers(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.ask("Where was she born?")
        await chat.send("/forget notes/ada.md")
        await chat.shows("Forget 1 document (3 passages) for good?")
        assert "Ada Lovelace  notes/ada.md" in chat.text()
        await chat.pilot.press("escape")
        assert "ada" in library.documents_
        await chat.send("/forget Ada Lovelace")
        await chat.shows("Forget 1 document")
        await chat.pilot.press("y")
        await chat.shows("This answer went when a document it cites was forgotten.")
        assert "London" not in chat.text()
        assert "ada" not in library.documents_
        await chat.shows("2 documents")


async def test_forget_of_something_unknown_says_so(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.send("/forget nothing at all")
        await chat.shows("Nothing is remembered as “nothing at all”.")
        await chat.pilot.press("y", "escape")
        assert len(library.documents_) == 3


async def test_a_forget_that_fails_says_why_and_forgets_nothing(open_chat: Any, library: Any, monkeypatch: Any) -> None:
    def busy(*_: str) -> None:
        raise StoreBusy("Another process writes.", "Try again.")

    monkeypatch.setattr(library, "forget", busy)
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.send("/forget ada")
        await chat.shows("Forget 1 document")
        await chat.pilot.press("y")
        await chat.shows("Another process writes. Try again.")


async def test_ingest_reports_and_does_not_hold_up_the_chat(open_chat: Any, library: Any) -> None:
    library.may_ingest.clear()
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.send("/ingest 'my notes' bad.bin")
        await chat.shows("Remembering · 50 % read · 10 passages")
        await chat.ask("Where was she born?")
        await chat.shows("London")
        await chat.send("/ingest more")
        await chat.notes("Something is being read in already.")
        library.may_ingest.set()
        await chat.shows("Remembered 1 document, 3 passages in 0.5 s · 1 failed")
        await chat.shows("✗ bad.bin: It is [/not] text.")
        assert library.ingested == ["my notes", "bad.bin"]
        await chat.shows("4 documents")


async def test_escape_stops_an_ingest_after_asking(open_chat: Any, library: Any) -> None:
    library.may_ingest.clear()
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.send("/ingest notes")
        await chat.shows("Remembering")
        await chat.pilot.press("escape")
        await chat.shows("Stop reading?")
        await chat.pilot.press("y")
        await chat.shows("stopped early; what is committed stays")


async def test_search_shows_hits_in_the_pane(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.send("/search lighthouse")
        await chat.shows("Search: lighthouse")
        await chat.shows("3 Lighthouses")
        await chat.pilot.press("3")
        await chat.shows("notes/lighthouses.html")


async def test_key_points_are_shown_in_the_pane_and_lead_to_their_documents(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.send("/summarize")
        await chat.shows("What is remembered")
        await chat.shows("3 Lighthouses")
        await chat.pilot.press("3")
        await chat.shows("notes/lighthouses.html")
        await chat.pilot.press("escape")
        await chat.send("/summarize the sea")
        await chat.shows("About: the sea")


async def test_export_writes_the_session_and_asks_before_replacing(
    open_chat: Any, library: Any, tmp_path: Path
) -> None:
    target = tmp_path / "out.md"
    async with open_chat(library, session="people", size=(120, 30)) as chat:
        await chat.ask("Where was she born?")
        await chat.send(f"/export {target}")
        await chat.until(target.exists)
        written = target.read_text()
        assert "## Where was she born?" in written
        assert "- [1] Ada Lovelace (notes/ada.md · p. 1): “Ada Lovelace was born in London in 1815.”" in written
        target.write_text("mine")
        await chat.send(f"/export {target}")
        await chat.shows("Replace the file?")
        await chat.pilot.press("n")
        assert target.read_text() == "mine"
        await chat.send(f"/export {tmp_path / 'no' / 'such' / 'x.md'}")
        await chat.shows("cannot be written")


async def test_copy_of_answer_and_of_code(open_chat: Any, library: Any) -> None:
    library.answers["Code?"] = "Like so:\n\n```python\nprint('[/]')\n```\n\nDone."
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.pilot.press("ctrl+y")
        await chat.notes("There is no answer to copy yet.")
        await chat.ask("Code?")
        await chat.pilot.press("ctrl+y")
        assert chat.app.clipboard == library.answers["Code?"]
        await chat.send("/copy code")
        assert chat.app.clipboard == "print('[/]')"
        assert any("]52;c;" in piece for piece in chat.written)


async def test_help_and_palette_offer_every_command(open_chat: Any, library: Any) -> None:
    async with open_chat(library, size=(100, 60)) as chat:
        await chat.until(lambda: library.prepared)
        await chat.pilot.press("?")
        await chat.shows("Keys and commands")
        for word in ("/ingest PATH…", "/forget DOCUMENT", "/theme [NAME]", "Ctrl+P"):
            assert word in chat.text()
        await chat.pilot.press("escape")
        await chat.pilot.press("ctrl+p")
        await chat.shows("Remember files and folders")
        await chat.pilot.press(*"forget", "enter")
        await chat.until(lambda: chat.chat._composer.text == "/forget ")


async def test_unknown_commands_come_back_with_a_suggestion(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.send("/exprot now")
        await chat.notes("Did you mean /export?")
        assert chat.chat._composer.text == "/exprot now"


async def test_completion_chooses_by_arrows_and_tab(open_chat: Any, library: Any, tmp_path: Path) -> None:
    (tmp_path / "alpha").mkdir()
    (tmp_path / "alpha" / "beta.md").write_text("x")
    async with open_chat(library) as chat:
        await chat.pilot.press("/")
        await chat.shows("Remember files and folders")
        await chat.pilot.press("down", "down", "down", "tab")
        await chat.until(lambda: chat.chat._composer.text == "/forget ")
        chat.chat._composer.put(f"/ingest {tmp_path}/al")
        await chat.shows("alpha/")
        await chat.pilot.press("tab")
        await chat.until(lambda: chat.chat._composer.text == f"/ingest {tmp_path}/alpha/")
        await chat.pilot.press("tab")
        await chat.until(lambda: chat.chat._composer.text == f"/ingest {tmp_path}/alpha/beta.md")
        await chat.pilot.press("enter")
        await chat.until(lambda: library.ingested == [f"{tmp_path}/alpha/beta.md"])


async def test_several_lines_and_history(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.until(lambda: library.prepared)
        await chat.pilot.press("a", "ctrl+j", "b")
        assert chat.chat._composer.text == "a\nb"
        await chat.pilot.press("enter")
        await chat.until(lambda: library.asked and library.asked[0][0] == "a\nb")
        await chat.pilot.press("c", "up")
        await chat.until(lambda: chat.chat._composer.text == "a\nb")
        await chat.pilot.press("down", "down")
        await chat.until(lambda: chat.chat._composer.text == "c")


async def test_themes_change_and_unknown_ones_are_refused(open_chat: Any, library: Any) -> None:
    async with open_chat(library, theme="ansi-light") as chat:
        assert chat.app.native_ansi_color
        await chat.until(lambda: library.prepared)
        await chat.send("/theme memapp-light")
        assert chat.app.theme == "memapp-light"
        await chat.send("/theme purple")
        await chat.notes("There is no theme purple.")


async def test_the_theme_of_the_settings_is_taken_unless_the_call_names_one(open_chat: Any, library: Any) -> None:
    library.settings = Settings(theme="nord")
    async with open_chat(library, theme="") as chat:
        await chat.until(lambda: chat.app.theme == "nord")
    async with open_chat(library, theme="memapp-light") as chat:
        await chat.until(lambda: library.prepared == 2)
        assert chat.app.theme == "memapp-light"
    library.settings = Settings(theme="plaid")
    async with open_chat(library, theme="") as chat:
        await chat.notes("The settings name the theme plaid")


async def test_the_pane_hides_on_narrow_terminals_and_opens_over(open_chat: Any, library: Any) -> None:
    async with open_chat(library) as chat:
        await chat.ask("Where was she born?")
        assert not chat.chat._pane.display or not chat.chat._pane.region.width
        await chat.pilot.press("f2")
        await chat.until(lambda: chat.chat._pane.region.width > 30)
        await chat.pilot.press("escape")
        await chat.until(lambda: not chat.chat._pane.region.width)
        await chat.pilot.resize_terminal(120, 30)
        await chat.until(lambda: chat.chat._pane.region.width == 40)
